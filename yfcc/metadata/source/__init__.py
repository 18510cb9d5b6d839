"""Where the metadata files come from: a directory, a bucket or a web server."""

from yfcc.metadata.source.base import Source, SourceObject
from yfcc.metadata.source.opening import open_source
from yfcc.metadata.source.reading import iter_object

__all__ = ["Source", "SourceObject", "iter_object", "open_source"]
