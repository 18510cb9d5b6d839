"""A read-only S3 server of a directory: each directory in it is a bucket.

It accepts anonymous requests and signed ones, whose signatures it does not check.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from mimetypes import guess_type
from os import fstat
from pathlib import Path
from typing import BinaryIO, Final
from urllib.parse import unquote

from aiohttp import web

from yfcc.demo.s3_listing import (
    buckets_xml,
    error_xml,
    list_page,
    listing_xml,
    location_xml,
    parse_list_query,
)
from yfcc.demo.s3_objects import (
    ByteRange,
    EtagCache,
    UnsatisfiableRangeError,
    matches_etag,
    parse_range,
)

_CHUNK_BYTES: Final = 256 * 1024
_REGION: Final = "us-west-2"
#: Sub-resources of a bucket or an object that no reader of ours needs.
_UNSUPPORTED: Final = frozenset({"acl", "policy", "uploads", "versions", "tagging", "torrent"})


@dataclass(frozen=True)
class S3Settings:
    """How the server serves.

    Attributes
    ----------
    root : Path
        Its directories are the buckets.
    latency_s : float
        Waited before each answer.
    bytes_per_s : float or None
        Cap over all connections together.
    access_denied_buckets : frozenset of str
        Buckets that answer 403 to everything.
    """

    root: Path
    latency_s: float = 0.0
    bytes_per_s: float | None = None
    access_denied_buckets: frozenset[str] = field(default_factory=frozenset)


class S3Error(Exception):
    """An error answer.

    Parameters
    ----------
    status : int
    code, message : str
        As S3 words them.
    headers : mapping, optional
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


class Pace:
    """Spreads bytes over time, for all connections together."""

    def __init__(self, bytes_per_s: float | None) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at = 0.0

    async def wait(self, n_bytes: int) -> None:
        """Wait until `n_bytes` more may go out."""
        if self._bytes_per_s is None:
            return
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + n_bytes / self._bytes_per_s
        await asyncio.sleep(self._free_at - now)


class S3Server:
    """The handlers of one server.

    Attributes
    ----------
    application : web.Application
    n_requests : int
        Answered so far.
    """

    def __init__(self, settings: S3Settings) -> None:
        self.n_requests = 0
        self.application = web.Application()
        self.application.router.add_route("*", "/{path:.*}", self._answer)
        self._settings = settings
        self._etags = EtagCache()
        self._pace = Pace(settings.bytes_per_s)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.n_requests += 1
        request_id = secrets.token_hex(8).upper()
        await asyncio.sleep(self._settings.latency_s)
        try:
            return await self._route(request)(request, request_id)
        except S3Error as error:
            body = error_xml(error.code, error.message, request.path, request_id)
            return _respond_xml(
                request,
                "" if error.status == 304 else body,
                request_id,
                error.status,
                error.headers,
            )

    def _route(
        self, request: web.Request
    ) -> Callable[[web.Request, str], Awaitable[web.StreamResponse]]:
        if request.method not in {"GET", "HEAD"}:
            raise S3Error(
                405, "MethodNotAllowed", "This server is read-only.", {"Allow": "GET, HEAD"}
            )
        if unsupported := _UNSUPPORTED & set(request.query):
            raise S3Error(501, "NotImplemented", f"Not implemented: {', '.join(unsupported)}.")
        bucket, key = _split_path(request)
        if not bucket:
            return self._list_buckets
        if bucket in self._settings.access_denied_buckets:
            raise S3Error(403, "AccessDenied", "Access Denied")
        if not (self._settings.root / bucket).is_dir() or bucket in {".", ".."}:
            raise S3Error(404, "NoSuchBucket", "The specified bucket does not exist")
        if key:
            return self._send_object
        if request.method == "HEAD":
            return self._head_bucket
        return self._send_location if "location" in request.query else self._list_objects

    async def _list_buckets(self, request: web.Request, request_id: str) -> web.Response:
        return _respond_xml(request, buckets_xml(self._settings.root), request_id)

    async def _head_bucket(self, request: web.Request, request_id: str) -> web.Response:
        return _respond_xml(request, "", request_id, headers={"x-amz-bucket-region": _REGION})

    async def _send_location(self, request: web.Request, request_id: str) -> web.Response:
        return _respond_xml(request, location_xml(_REGION), request_id)

    async def _list_objects(self, request: web.Request, request_id: str) -> web.Response:
        if request.query.get("list-type") != "2":
            raise S3Error(501, "NotImplemented", "Only version 2 of ListObjects is implemented.")
        bucket, _ = _split_path(request)
        try:
            query = parse_list_query(bucket, dict(request.query))
        except ValueError as error:
            raise S3Error(400, "InvalidArgument", str(error)) from error
        root = self._settings.root / bucket

        def build() -> str:
            return listing_xml(root, query, list_page(root, query), self._etags)

        return _respond_xml(request, await asyncio.to_thread(build), request_id)

    async def _send_object(self, request: web.Request, request_id: str) -> web.StreamResponse:
        bucket, key = _split_path(request)
        path = self._settings.root / bucket / key
        if ".." in key.split("/") or key.endswith("/") or not path.is_file():
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        with path.open("rb") as file:
            status = fstat(file.fileno())
            etag = self._etags.find(path, status.st_size, status.st_mtime_ns)
            if etag is None:
                etag = await asyncio.to_thread(self._etags.compute, path)
            _check_preconditions(request, etag)
            part = _requested_range(request, status.st_size)
            response = web.StreamResponse(
                status=200 if part is None else 206,
                headers={
                    "ETag": f'"{etag}"',
                    "Last-Modified": formatdate(status.st_mtime, usegmt=True),
                    "Accept-Ranges": "bytes",
                    "Content-Type": guess_type(key)[0] or "application/octet-stream",
                    "x-amz-request-id": request_id,
                    "Server": "AmazonS3",
                },
            )
            if part is not None:
                response.headers["Content-Range"] = (
                    f"bytes {part.first}-{part.last}/{status.st_size}"
                )
            whole = ByteRange(0, status.st_size - 1)
            response.content_length = len(part or whole)
            await response.prepare(request)
            if request.method == "GET":
                await self._stream(response, file, part or whole)
            await response.write_eof()
        return response

    async def _stream(self, response: web.StreamResponse, file: BinaryIO, part: ByteRange) -> None:
        file.seek(part.first)
        left = len(part)
        while left:
            # Straight from the page cache: a thread for each piece would take longer.
            chunk = file.read(min(_CHUNK_BYTES, left))
            if not chunk:
                raise ConnectionResetError("the file became shorter while it was sent")
            left -= len(chunk)
            await self._pace.wait(len(chunk))
            await response.write(chunk)


def _split_path(request: web.Request) -> tuple[str, str]:
    """Bucket and key; either may be empty."""
    bucket, _, key = unquote(request.rel_url.raw_path).removeprefix("/").partition("/")
    return bucket, key


def _check_preconditions(request: web.Request, etag: str) -> None:
    wanted, known = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if wanted is not None and not matches_etag(wanted, etag):
        message = "At least one of the pre-conditions you specified did not hold"
        raise S3Error(412, "PreconditionFailed", message)
    if known is not None and matches_etag(known, etag):
        raise S3Error(304, "NotModified", "Not Modified", {"ETag": f'"{etag}"'})


def _requested_range(request: web.Request, size: int) -> ByteRange | None:
    try:
        return parse_range(request.headers.get("Range"), size)
    except UnsatisfiableRangeError as error:
        headers = {"Content-Range": f"bytes */{size}"}
        message = "The requested range is not satisfiable"
        raise S3Error(416, "InvalidRange", message, headers) from error


def _respond_xml(
    request: web.Request,
    body: str,
    request_id: str,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    return web.Response(
        status=status,
        text=None if request.method == "HEAD" else body,
        content_type="application/xml",
        headers={"x-amz-request-id": request_id, "Server": "AmazonS3", **(headers or {})},
    )
