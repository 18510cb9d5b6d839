"""The end of an upload in parts: its object appears, or nothing is left of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from yfcc.mirror.bucket.client import code_of

_GONE: Final = {"404", "NoSuchUpload"}


def complete_upload(ask: Callable[..., Any], upload_id: str, etags: Sequence[str]) -> str:
    """Put an object together; its ETag.

    Parameters
    ----------
    ask : callable
        Takes an operation of the store and its arguments, and asks for it on the object's key;
        raises what boto3 does.
    upload_id : str
    etags : sequence of str
        Of all parts, in order.
    """
    parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
    try:
        answer = ask(
            "complete_multipart_upload", UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
    except Exception as error:
        # When an answer is lost on its way, boto3 sends the request again, and that one finds the
        # upload ended.
        if code_of(error) in _GONE and (etag := _etag_if_ours(ask, etags)):
            return etag
        raise
    # Ceph's radosgw ends an upload without saying what the object's ETag is.
    return str(answer.get("ETag") or ask("head_object")["ETag"])


def _etag_if_ours(ask: Callable[..., Any], etags: Sequence[str]) -> str | None:
    """The ETag of the object that lies there, if it is made of these parts."""
    found = str(ask("head_object")["ETag"])
    try:
        digests = b"".join(bytes.fromhex(etag.strip('"')) for etag in etags)
    except ValueError:  # of an encrypted object, ETags are what the store likes
        return None
    digest = hashlib.md5(digests, usedforsecurity=False).hexdigest()
    return found if found.strip('"') == f"{digest}-{len(etags)}" else None


def iter_uploads(ask: Callable[..., Any], prefix: str) -> Iterator[tuple[str, str]]:
    """Keys and ids of the uploads under way whose keys begin with a prefix.

    Parameters
    ----------
    ask : callable
        As for :func:`complete_upload`, on no key.
    prefix : str
    """
    place: dict[str, str] = {}
    while True:
        page = ask("list_multipart_uploads", Prefix=prefix, **place)
        for each in page.get("Uploads", []):
            yield each["Key"], each["UploadId"]
        if not page.get("IsTruncated"):
            return
        place = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def abort_upload(ask: Callable[..., Any], key: str, upload_id: str) -> None:
    """Forget an upload's parts; nothing, if it is gone."""
    try:
        ask("abort_multipart_upload", Key=key, UploadId=upload_id)
    except Exception as error:
        if code_of(error) not in _GONE:
            raise
