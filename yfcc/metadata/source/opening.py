"""From what the user typed to a source."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from yfcc.errors import UsageError
from yfcc.metadata.layouts import all_file_names
from yfcc.metadata.source.base import Source
from yfcc.metadata.source.bucket import BucketAccess, BucketSource
from yfcc.metadata.source.directory import DirectorySource
from yfcc.metadata.source.web import WebSource


def open_source(url: str, access: BucketAccess | None = None) -> Source:
    """The source at an address.

    Parameters
    ----------
    url : str
        A directory, ``file://…``, ``s3://bucket/prefix`` or ``https://…/``.
    access : BucketAccess, optional
        For buckets.

    Raises
    ------
    UsageError
        An address of no known kind.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise UsageError(f"{url}: expected s3://bucket/prefix; the bucket's name is missing.")
        return BucketSource(parts.netloc, parts.path.strip("/"), access or BucketAccess())
    if parts.scheme in ("http", "https"):
        return WebSource(url, all_file_names())
    if parts.scheme == "file":
        return DirectorySource(Path(unquote(parts.path)))
    if "://" in url:
        raise UsageError(
            f"{url}: expected a directory, s3://bucket/prefix or https://…, got {parts.scheme}://."
        )
    return DirectorySource(Path(url))
