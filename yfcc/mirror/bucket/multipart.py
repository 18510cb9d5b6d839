"""The end of an upload in parts, which is the moment that its object appears."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
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
