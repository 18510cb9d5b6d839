"""A web server on loopback that honours ranges and versions, as a good one does."""

from __future__ import annotations

import hashlib
import re
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import unquote


class RangeServer:
    """Serves bytes by path; a context manager.

    Attributes
    ----------
    files : dict of str to bytes
        By path without its first slash.
    has_etags : bool
        Without, versions are told by their time alone.
    """

    def __init__(self, *, has_etags: bool = True) -> None:
        self.files: dict[str, bytes] = {}
        self.has_etags = has_etags
        self._changes: dict[str, int] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                owner._answer(self, with_body=False)

            def do_GET(self) -> None:
                owner._answer(self, with_body=True)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def put(self, path: str, content: bytes) -> None:
        """Add or replace a file: another version."""
        self.files[path] = content
        self._changes[path] = self._changes.get(path, 0) + 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, *, with_body: bool) -> None:
        path = unquote(handler.path).lstrip("/")
        content = self.files.get(path)
        headers: dict[str, str] = {}
        if content is None:
            status, body = 404, b"not found"
        else:
            etag = '"' + hashlib.sha256(content).hexdigest()[:16] + '"'
            headers["Last-Modified"] = formatdate(1e9 + self._changes[path], usegmt=True)
            headers["Accept-Ranges"] = "bytes"
            if self.has_etags:
                headers["ETag"] = etag
            wanted = handler.headers.get("If-Match")
            asked = re.fullmatch(r"bytes=([0-9]+)-([0-9]+)", handler.headers.get("Range", ""))
            if wanted and wanted != etag:
                status, body = 412, b"changed"
            elif asked and int(asked[1]) >= len(content):
                status, body = 416, b""
                headers["Content-Range"] = f"bytes */{len(content)}"
            elif asked:
                first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
                status, body = 206, content[first : last + 1]
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            else:
                status, body = 200, content
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if with_body:
            handler.wfile.write(body)
