"""One DuckDB catalog and a verified, resumable, lawful mirror of YFCC100M.

What the commands do, as functions; the selection flags are keyword arguments::

    import yfcc

    with yfcc.open_catalog("catalog.duckdb") as catalog:
        cats = catalog.select(autotag="cat>0.8", country="Japan", commercial=True)
        print(len(cats), cats.count_licenses())
        print(cats.explain().flags)                # what each flag selects
        table = cats.polars(["photo_id", "title"])  # or arrow, relation, query
        cats.save("cats")                          # catalog.saved("cats") gives it back

    with yfcc.open_mirror("mirror", "catalog.duckdb") as mirror:
        for item in mirror.select(license="by"):
            content, document = item.read_media(), item.document
"""

from importlib import import_module

__version__ = "0.1.0"

#: What ``import yfcc`` offers, and where it is: loaded when it is first asked for.
_OFFERED = {
    "CatalogItems": "yfcc.api.catalog_items",
    "Explanation": "yfcc.catalog.explain",
    "MirrorItems": "yfcc.api.mirror",
    "OpenCatalog": "yfcc.api.catalog",
    "OpenMirror": "yfcc.api.mirror",
    "Ranking": "yfcc.catalog.text_ranking",
    "SavedSelection": "yfcc.catalog.saved",
    "Selection": "yfcc.catalog.select",
    "StoredItem": "yfcc.share.stored",
    "YfccError": "yfcc.errors",
    "open_catalog": "yfcc.api.catalog",
    "open_mirror": "yfcc.api.mirror",
}

__all__ = ["__version__", *sorted(_OFFERED)]  # noqa: PLE0604 - read by help()


def __getattr__(name: str) -> object:
    if name not in _OFFERED:
        raise AttributeError(f"module 'yfcc' has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
