from yfcc.api.catalog import OpenCatalog, open_catalog
from yfcc.api.catalog_items import CatalogItems
from yfcc.api.mirror import MirrorItems, OpenMirror, open_mirror
from yfcc.catalog.explain import Explanation
from yfcc.catalog.saved import SavedSelection
from yfcc.catalog.select import Selection
from yfcc.catalog.text_ranking import Ranking
from yfcc.errors import YfccError
from yfcc.share.stored import StoredItem

__version__: str
__all__ = [
    "CatalogItems",
    "Explanation",
    "MirrorItems",
    "OpenCatalog",
    "OpenMirror",
    "Ranking",
    "SavedSelection",
    "Selection",
    "StoredItem",
    "YfccError",
    "__version__",
    "open_catalog",
    "open_mirror",
]
