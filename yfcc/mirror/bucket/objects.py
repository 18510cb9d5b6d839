"""Objects below a prefix of a bucket: the only door to the object store that a mirror is in.

What the store promises, and all that is relied on: a PUT appears whole or not at all and is
durable once acknowledged; who reads or lists after that sees it; ``If-None-Match: *`` lets one of
several writers create an object, ``If-Match`` one of several replace it. Every body is sent with
its MD5, which the store checks.
"""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from yfcc.config import mirror_endpoint_url
from yfcc.errors import TargetError, UsageError
from yfcc.metadata.source import s3_codes
from yfcc.mirror.bucket.brake import Brake
from yfcc.mirror.bucket.client import (
    ask_whole,
    bucket_errors,
    code_of,
    is_cut,
    is_torn,
    open_client,
)
from yfcc.mirror.bucket.multipart import abort_upload, complete_upload, iter_uploads

#: From this size on an object goes in parts: a cut connection costs one part, not all of it.
LARGE_BYTES: Final = 16 << 20
#: Amazon allows 10,000 parts of an object.
_N_PARTS: Final = 10_000
_READ_BYTES: Final = 1 << 18
#: Deletions that one request may ask for.
_N_DELETIONS: Final = 1000
#: How often a body that breaks off, or a write that met another one, is tried.
_N_TRIES: Final = 5

#: How often a request is put off, by too many others or the store's trouble: a minute and a half.
_N_PUT_OFF: Final = 16
#: How often boto3, which tries several times itself, is to meet closed connections.
_N_CUTS: Final = 3
_LATER: Final = s3_codes.SLOW_DOWN | s3_codes.TROUBLE

_NO_OBJECT: Final = s3_codes.MISSING - s3_codes.NO_BUCKET
_CONFLICT: Final = {"409", "ConditionalRequestConflict", "OperationAborted"}
_ADDRESS: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing.

    Attributes
    ----------
    key : str
        Below the prefix.
    n_bytes : int
    etag : str
    modified : datetime
        By the store's clock.
    """

    key: str
    n_bytes: int
    etag: str
    modified: datetime


class Objects:
    """Objects below a prefix; safe for use by many threads. Keys are those below the prefix.

    Every method raises TargetError when the store refuses or does not answer.

    Parameters
    ----------
    address : str
        ``s3://bucket/prefix``.
    endpoint_url : str, optional
        Of the object store; None: the one that the environment names, or Amazon's.
    """

    def __init__(self, address: str, endpoint_url: str | None = None) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise UsageError(
                f"--mirror {address}: expected s3://bucket/prefix, the bucket's name in lower-case "
                "letters, digits, dots and hyphens."
            )
        self._bucket = match[1]
        prefix = (match[2] or "").strip("/")
        self.address = f"s3://{self._bucket}/{prefix}".rstrip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._brake = Brake()
        self._client = open_client(endpoint_url or mirror_endpoint_url())

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def url(self, key: str) -> str:
        """Address of an object, for messages."""
        return f"{self.address}/{key}"

    def get(self, key: str) -> bytes | None:
        """Content of an object; None if there is none."""
        pieces = self._open(key)
        return None if pieces is None else b"".join(pieces)

    def iter_content(self, key: str) -> Iterator[bytes] | None:
        """Content of an object as it comes, in pieces; None if there is none."""
        return self._open(key)

    def get_end(self, key: str, n_bytes: int) -> bytes | None:
        """The last bytes of an object, all if it has fewer; None if there is none."""
        with bucket_errors("read", self.url(key)):
            try:
                return self._get_small(key, Range=f"bytes=-{n_bytes}")[0]
            except Exception as error:
                if code_of(error) in _NO_OBJECT:
                    return None
                if code_of(error) in s3_codes.SHORTER:
                    return b""
                raise

    def measure(
        self, key: str, keep: Callable[[bytes], None] = lambda _: None
    ) -> tuple[int, str] | None:
        """Size and SHA-256 of an object, read again; None if there is none.

        Parameters
        ----------
        keep : callable, optional
            Gets the content, piece by piece.
        """
        pieces = self._open(key)
        if pieces is None:
            return None
        digest, n_bytes = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            n_bytes += len(piece)
            keep(piece)
        return n_bytes, digest.hexdigest()

    def put(self, key: str, content: bytes) -> None:
        """Write an object in place of the one before; it is durable on return."""
        with bucket_errors("written", self.url(key)):
            self._put(key, content)

    def create(self, key: str, content: bytes) -> str | None:
        """Write an object that is not there yet; its ETag, or None if another was faster."""
        return self._put_if(key, content, {"IfNoneMatch": "*"})

    def replace(self, key: str, content: bytes, etag: str) -> str | None:
        """Write in place of an object that is still as it was; None if it is not.

        Parameters
        ----------
        etag : str
            As the object had it when it was read or written.
        """
        # Bare, as the AWS command line sends it: radosgw compares the text with its own, unquoted.
        return self._put_if(key, content, {"IfMatch": etag.strip('"')})

    def put_large(self, key: str, content: memoryview) -> None:
        """As :meth:`put`, in parts: nothing appears before the last of them has arrived."""

        def ask(operation: str, **arguments: Any) -> Any:
            return self.ask(operation, Key=self._prefix + key, **arguments)

        part_bytes = max(LARGE_BYTES, -(-len(content) // _N_PARTS))
        with bucket_errors("written", self.url(key)):
            upload = str(ask("create_multipart_upload")["UploadId"])
            try:
                etags = []
                for number, start in enumerate(range(0, len(content), part_bytes), 1):
                    piece = bytes(content[start : start + part_bytes])
                    answer = ask(
                        "upload_part",
                        UploadId=upload,
                        PartNumber=number,
                        Body=piece,
                        ContentMD5=_md5(piece),
                    )
                    etags.append(str(answer["ETag"]))
                complete_upload(ask, upload, etags)
            except BaseException:
                with suppress(Exception):  # the error that counts is the first
                    ask("abort_multipart_upload", UploadId=upload)
                raise

    def iter_entries(self, prefix: str) -> Iterator[Entry]:
        """All objects whose keys begin with a prefix, in order of keys."""
        for page in self._pages(prefix):
            for each in page.get("Contents", []):
                key = each["Key"][len(self._prefix) :]
                yield Entry(key, each["Size"], each["ETag"], each["LastModified"])

    def list_with_time(self, prefix: str) -> tuple[list[Entry], datetime]:
        """As :meth:`iter_entries`, and the store's time when it began to answer."""
        entries, moment = [], None
        for page in self._pages(prefix):
            moment = moment or parsedate_to_datetime(
                page["ResponseMetadata"]["HTTPHeaders"]["date"]
            )
            for each in page.get("Contents", []):
                key = each["Key"][len(self._prefix) :]
                entries.append(Entry(key, each["Size"], each["ETag"], each["LastModified"]))
        if moment is None:
            raise TargetError(f"{self.url(prefix)}: the object store answered without its time.")
        return entries, moment

    def list_folder(self, prefix: str) -> tuple[list[str], list[str]]:
        """Names directly below a prefix that ends with a slash: of objects, and of folders."""
        objects: list[str] = []
        folders: list[str] = []
        n_known = len(self._prefix) + len(prefix)
        for page in self._pages(prefix, Delimiter="/"):
            objects += [each["Key"][n_known:] for each in page.get("Contents", [])]
            folders += [each["Prefix"][n_known:-1] for each in page.get("CommonPrefixes", [])]
        return [name for name in objects if name], folders

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are missing do not matter."""
        wanted = [{"Key": self._prefix + key} for key in keys]
        for start in range(0, len(wanted), _N_DELETIONS):
            some = wanted[start : start + _N_DELETIONS]
            with bucket_errors("emptied", self.address):
                answer = self._call(
                    self._client.delete_objects,
                    Bucket=self._bucket,
                    Delete={"Objects": some, "Quiet": True},
                )
            if errors := answer.get("Errors"):
                first = errors[0]
                raise TargetError(
                    f"s3://{self._bucket}/{first.get('Key')}: cannot be removed, and "
                    f"{len(errors) - 1} more: the object store answered {first.get('Code')}. "
                    "Check the bucket's policy: a mirror needs s3:DeleteObject."
                )

    def abort_uploads(self, prefix: str, is_ours: Any) -> None:
        """Forget the parts of uploads that nobody goes on with.

        Parameters
        ----------
        prefix : str
        is_ours : callable
            Says of a key whether an upload to it is to be forgotten.
        """
        with bucket_errors("listed", self.address):
            for key, upload_id in iter_uploads(self.ask, self._prefix + prefix):
                if is_ours(key[len(self._prefix) :]):
                    abort_upload(self.ask, key, upload_id)

    def ask(self, operation: str, **arguments: Any) -> Any:
        """The store's answer to another of its operations on the bucket, errors as they come."""
        return self._call(getattr(self._client, operation), Bucket=self._bucket, **arguments)

    def full_key(self, key: str) -> str:
        """An object's key in the bucket."""
        return self._prefix + key

    def _pages(self, prefix: str, **more: Any) -> Iterator[Any]:
        token: dict[str, Any] = {}
        while True:
            with bucket_errors("listed", self.url(prefix)):
                page = self._call(
                    self._client.list_objects_v2,
                    Bucket=self._bucket,
                    Prefix=self._prefix + prefix,
                    **more,
                    **token,
                )
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        """Ask the store, as fast as it wants to be asked."""
        for n_tries in range(1, _N_PUT_OFF + 1):
            self._brake.wait()
            try:
                answer = ask_whole(method, arguments)
            except Exception as error:
                is_passing = is_torn(error) or code_of(error) in _LATER
                n_most = _N_PUT_OFF if is_passing else _N_CUTS if is_cut(error) else 1
                if n_tries >= n_most:
                    raise
                self._brake.slow_down()
            else:
                self._brake.note_success()
                return answer
        return None

    def _put(self, key: str, content: bytes, **condition: str) -> str:
        answer = self._call(
            self._client.put_object,
            Bucket=self._bucket,
            Key=self._prefix + key,
            Body=content,
            ContentMD5=_md5(content),
            **condition,
        )
        return str(answer["ETag"])

    def _put_if(self, key: str, content: bytes, condition: dict[str, str]) -> str | None:
        for n_tries in range(1, _N_TRIES + 1):
            with bucket_errors("written", self.url(key)):
                try:
                    return self._put(key, content, **condition)
                except Exception as error:
                    is_met = code_of(error) in s3_codes.CHANGED | _NO_OBJECT
                    is_final = code_of(error) not in _CONFLICT or n_tries == _N_TRIES
                    if is_final and not is_met:
                        raise
                if is_met:
                    return self._etag_if_ours(key, content)
            time.sleep(0.1 * n_tries)
        return None

    def _etag_if_ours(self, key: str, content: bytes) -> str | None:
        """The ETag of what lies there, if it is what was to be written.

        When an answer is lost on its way, boto3 sends the request again, and that one is refused
        because of the first.
        """
        try:
            found, etag = self._get_small(key)
        except Exception as error:
            if code_of(error) in _NO_OBJECT:
                return None
            raise
        return etag if found == content else None

    def _get_small(self, key: str, **more: str) -> tuple[bytes, str]:
        """Content of an object and its ETag; a body that breaks off is asked for again."""
        n_tries = 1
        while True:
            answer = self._call(
                self._client.get_object, Bucket=self._bucket, Key=self._prefix + key, **more
            )
            try:
                with answer["Body"] as body:
                    return bytes(body.read()), str(answer["ETag"])
            except Exception:
                if n_tries == _N_TRIES:
                    raise
                n_tries += 1

    def _open(self, key: str) -> Iterator[bytes] | None:
        """Content of an object in pieces; a body that breaks off is asked for from there."""
        with bucket_errors("read", self.url(key)):
            try:
                answer: Any = self._call(
                    self._client.get_object, Bucket=self._bucket, Key=self._prefix + key
                )
            except Exception as error:
                if code_of(error) in _NO_OBJECT:
                    return None
                raise
        return self._read_on(key, answer)

    def _read_on(self, key: str, answer: Any) -> Iterator[bytes]:
        n_bytes, etag, n_received, n_tries = answer["ContentLength"], answer["ETag"], 0, 1
        with bucket_errors("read", self.url(key)):
            while True:
                try:
                    with answer["Body"] as body:
                        while piece := body.read(_READ_BYTES):
                            n_received += len(piece)
                            yield piece
                except Exception as error:
                    if code_of(error) is not None or n_tries == _N_TRIES:
                        raise
                if n_received >= n_bytes:
                    return
                if n_tries == _N_TRIES:
                    raise OSError(f"{n_received:,} of {n_bytes:,} bytes arrived")
                n_tries += 1
                answer = self._call(
                    self._client.get_object,
                    Bucket=self._bucket,
                    Key=self._prefix + key,
                    Range=f"bytes={n_received}-",
                    IfMatch=etag,
                )


def _md5(content: bytes) -> str:
    return b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
