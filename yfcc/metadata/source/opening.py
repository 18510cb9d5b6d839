"""From what the user typed to a source."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from yfcc.errors import UsageError
from yfcc.metadata.layouts import is_file_name, names_to_try
from yfcc.metadata.source.base import Source
from yfcc.metadata.source.bucket import BucketAccess, BucketSource
from yfcc.metadata.source.directory import DirectorySource
from yfcc.metadata.source.web import WebSource


def open_source(url: str, access: BucketAccess | None = None) -> Source:
    """The source at an address.

    Parameters
    ----------
    url : str
        A directory, ``file://…``, ``s3://bucket/prefix`` or ``https://…/``; or one file there.
    access : BucketAccess, optional
        For buckets.

    Raises
    ------
    UsageError
        An address of no known kind.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{url}: not an address: {error}.") from error
    if parts.scheme == "s3":
        # Not the parts of a web address: "?" and "#" are letters of a key like others.
        bucket, _, prefix = url.partition("://")[2].partition("/")
        if not bucket:
            raise UsageError(f"{url}: expected s3://bucket/prefix; the bucket's name is missing.")
        return BucketSource(bucket, prefix.strip("/"), access or BucketAccess())
    if parts.scheme in ("http", "https"):
        is_file = is_file_name(unquote(parts.path.rsplit("/", 1)[-1]))
        return WebSource(url, () if is_file else names_to_try())
    if parts.scheme == "file":
        return DirectorySource(Path(unquote(parts.path)))
    if "://" in url:
        raise UsageError(
            f"{url}: expected a directory, s3://bucket/prefix or https://…, got {parts.scheme}://."
        )
    return DirectorySource(Path(url))
