from yfcc.api.catalog import OpenCatalog, open_catalog
from yfcc.api.mirror import OpenMirror, open_mirror
from yfcc.catalog.select import Selection
from yfcc.errors import YfccError
from yfcc.share.stored import StoredItem

__version__: str
__all__ = [
    "OpenCatalog",
    "OpenMirror",
    "Selection",
    "StoredItem",
    "YfccError",
    "__version__",
    "open_catalog",
    "open_mirror",
]
