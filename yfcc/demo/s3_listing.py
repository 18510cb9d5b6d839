"""Listings and errors of the embedded S3 server, as XML."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote_plus
from xml.sax.saxutils import escape  # writes XML, parses none  # nosec B406

from yfcc.demo.s3_objects import EtagCache

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MOST_KEYS: Final = 1000


@dataclass(frozen=True)
class ListQuery:
    """What ListObjectsV2 was asked.

    Attributes
    ----------
    bucket : str
    prefix, delimiter : str
        Empty for none.
    max_keys : int
        Keys and common prefixes together.
    after : str
        List what sorts behind it: start-after, or the continuation.
    token : str
        The continuation token as received.
    url_encoded : bool
        Whether keys come form-encoded.
    """

    bucket: str
    prefix: str
    delimiter: str
    max_keys: int
    after: str
    token: str
    url_encoded: bool


@dataclass(frozen=True)
class Listing:
    """One page of keys and common prefixes, in the order of their UTF-8 bytes."""

    keys: tuple[str, ...]
    prefixes: tuple[str, ...]
    next_token: str


def parse_list_query(bucket: str, query: dict[str, str]) -> ListQuery:
    """Read the query string of ListObjectsV2.

    Raises
    ------
    ValueError
        If max-keys is no number or the token is none of ours.
    """
    token = query.get("continuation-token", "")
    after = urlsafe_b64decode(token).decode("utf-8") if token else query.get("start-after", "")
    return ListQuery(
        bucket,
        query.get("prefix", ""),
        query.get("delimiter", ""),
        min(int(query.get("max-keys", _MOST_KEYS)), _MOST_KEYS),
        after,
        token,
        query.get("encoding-type") == "url",
    )


def list_page(root: Path, query: ListQuery) -> Listing:
    """One page of the bucket's directory `root`."""
    entries = sorted(set(_iter_entries(root, query)), key=lambda entry: entry[0].encode())
    rest = [entry for entry in entries if _is_behind(entry[0], query)]
    page = rest[: query.max_keys]
    more = len(rest) > len(page) and page
    return Listing(
        tuple(name for name, is_prefix in page if not is_prefix),
        tuple(name for name, is_prefix in page if is_prefix),
        urlsafe_b64encode(page[-1][0].encode()).decode() if more else "",
    )


def _is_behind(name: str, query: ListQuery) -> bool:
    return name.encode() > query.after.encode()


def _iter_entries(root: Path, query: ListQuery) -> Iterator[tuple[str, bool]]:
    """Keys (False) and common prefixes (True) of the query, each maybe more than once."""
    flat = query.delimiter == "/"
    for key in _iter_keys(root, query.prefix, flat=flat):
        cut = key.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        if cut >= 0:
            yield key[: cut + len(query.delimiter)], True
        else:
            yield key, False


def _iter_keys(root: Path, prefix: str, *, flat: bool) -> Iterator[str]:
    """Keys that start with `prefix`; if flat, directories below it as ``name/`` unread."""
    parent = prefix.rpartition("/")[0]
    if ".." in parent.split("/"):
        return
    for directory, names, files in os.walk(root / parent):
        relative = Path(directory).relative_to(root).as_posix()
        base = "" if relative == "." else f"{relative}/"
        for name in files:
            if f"{base}{name}".startswith(prefix):
                yield f"{base}{name}"
        if flat:
            yield from (f"{base}{name}/" for name in names if f"{base}{name}/".startswith(prefix))
            return
        # A directory is entered only if keys below it can start with the prefix.
        names[:] = [
            name
            for name in names
            if f"{base}{name}/".startswith(prefix) or prefix.startswith(f"{base}{name}/")
        ]


def listing_xml(root: Path, query: ListQuery, listing: Listing, etags: EtagCache) -> str:
    """The body of ListObjectsV2."""
    encode = _encode_key if query.url_encoded else escape
    n_keys = len(listing.keys) + len(listing.prefixes)
    parts = [
        f"<Name>{escape(query.bucket)}</Name><Prefix>{encode(query.prefix)}</Prefix>",
        f"<Delimiter>{encode(query.delimiter)}</Delimiter>" if query.delimiter else "",
        f"<MaxKeys>{query.max_keys}</MaxKeys><KeyCount>{n_keys}</KeyCount>",
        "<EncodingType>url</EncodingType>" if query.url_encoded else "",
        f"<ContinuationToken>{escape(query.token)}</ContinuationToken>" if query.token else "",
        f"<IsTruncated>{'true' if listing.next_token else 'false'}</IsTruncated>",
    ]
    if listing.next_token:
        parts.append(f"<NextContinuationToken>{listing.next_token}</NextContinuationToken>")
    for key in listing.keys:
        status = (root / key).stat()
        parts.append(
            f"<Contents><Key>{encode(key)}</Key>"
            f"<LastModified>{_timestamp(status.st_mtime)}</LastModified>"
            f"<ETag>&quot;{etags.compute(root / key)}&quot;</ETag>"
            f"<Size>{status.st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
    parts += [
        f"<CommonPrefixes><Prefix>{encode(name)}</Prefix></CommonPrefixes>"
        for name in listing.prefixes
    ]
    return _document("ListBucketResult", "".join(parts))


def buckets_xml(root: Path) -> str:
    """The body of ListBuckets: the directories of `root`."""
    buckets = "".join(
        f"<Bucket><Name>{escape(path.name)}</Name>"
        f"<CreationDate>{_timestamp(path.stat().st_mtime)}</CreationDate></Bucket>"
        for path in sorted(root.iterdir())
        if path.is_dir()
    )
    owner = "<Owner><ID>demo</ID><DisplayName>demo</DisplayName></Owner>"
    return _document("ListAllMyBucketsResult", f"{owner}<Buckets>{buckets}</Buckets>")


def location_xml(region: str) -> str:
    """The body of GetBucketLocation."""
    return f'{_DECLARATION}<LocationConstraint xmlns="{NAMESPACE}">{region}</LocationConstraint>'


def error_xml(code: str, message: str, resource: str, request_id: str) -> str:
    """The body of an error."""
    return (
        f"{_DECLARATION}<Error><Code>{code}</Code><Message>{escape(message)}</Message>"
        f"<Resource>{escape(resource)}</Resource><RequestId>{request_id}</RequestId></Error>"
    )


def _document(name: str, content: str) -> str:
    return f'{_DECLARATION}<{name} xmlns="{NAMESPACE}">{content}</{name}>'


def _encode_key(key: str) -> str:
    # Clients decode a plus to a blank.
    return quote_plus(key, safe="/")


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
