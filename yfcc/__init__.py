"""One DuckDB catalog and a verified, resumable, lawful mirror of YFCC100M."""

from importlib import import_module

__version__ = "0.1.0"

#: What ``import yfcc`` offers, and where it is: loaded when it is first asked for.
_OFFERED = {
    "OpenCatalog": "yfcc.api.catalog",
    "OpenMirror": "yfcc.api.mirror",
    "Selection": "yfcc.catalog.select",
    "StoredItem": "yfcc.share.stored",
    "YfccError": "yfcc.errors",
    "open_catalog": "yfcc.api.catalog",
    "open_mirror": "yfcc.api.mirror",
}


def __getattr__(name: str) -> object:
    if name not in _OFFERED:
        raise AttributeError(f"module 'yfcc' has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
