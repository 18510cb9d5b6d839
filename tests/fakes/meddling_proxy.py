"""A proxy on raw sockets before a good server, that cuts, delays and lies on command."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_REASONS = {
    403: "AccessDenied",
    404: "NoSuchKey",
    416: "InvalidRange",
    429: "SlowDown",
    503: "SlowDown",
}


@dataclass
class Meddling:
    """What the proxy does to the replies to ranged requests.

    Requests pass as they are: a signature covers their range.

    Attributes
    ----------
    cut_after : int, optional
        Bytes of a body after which the connection is reset.
    n_cuts : int, optional
        So many replies are cut, the others pass; None: all of them.
    is_closed_not_reset : bool
        Cut by an orderly close instead.
    statuses : list of int
        Answered first, one a request, with an error body.
    all_statuses : list of int
        The same for every kind of request, listings too; 0 lets one pass.
    code : str, optional
        S3's error code in these bodies, where it is not the usual one of the status.
    unanswered : str, optional
        A method whose requests get no answer at all: the connection ends.
    whole : bytes, optional
        The whole file, sent with 200 as if there had been no range.
    content_range : str, optional
        Stands in the reply instead of the true one.
    is_shifted : bool
        Without the first of the bytes asked for, with a header that says so.
    sends_more : bool
        The body goes on behind the end of the range.
    replacement : tuple, optional
        A pattern in the head of a reply, and what replaces it.
    """

    cut_after: int | None = None
    n_cuts: int | None = None
    is_closed_not_reset: bool = False
    statuses: list[int] = field(default_factory=list)
    all_statuses: list[int] = field(default_factory=list)
    code: str | None = None
    unanswered: str | None = None
    whole: bytes | None = None
    content_range: str | None = None
    is_shifted: bool = False
    sends_more: bool = False
    replacement: tuple[bytes, bytes] | None = None


class MeddlingProxy:
    """Passes requests on, one a connection; a context manager.

    Parameters
    ----------
    upstream : tuple of str and int
    certificate : Path, optional
        Key and certificate: then it speaks TLS, and still plain HTTP to the server.

    Attributes
    ----------
    meddling : Meddling
        Replace it at any time.
    requests : list of str
        Method and range of every request so far.
    """

    def __init__(self, upstream: tuple[str, int], certificate: Path | None = None) -> None:
        self._tls = None
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self.meddling = Meddling()
        self.requests: list[str] = []
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(connection,), daemon=True).start()

    def _pass_on(self, connection: socket.socket) -> None:
        connection.settimeout(10)
        if self._tls:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with connection, contextlib.suppress(OSError):
            head, content = _read_request(connection)
            if not head:
                return
            method = head.split(b" ", 1)[0].decode()
            ranged = re.search(rb"(?i)\r\nrange: bytes=([0-9]+)-([0-9]+)", head)
            self.requests.append(
                f"{method} {ranged[1].decode()}-{ranged[2].decode()}" if ranged else method
            )
            meddling = self.meddling
            if method == meddling.unanswered:
                return
            for statuses in (meddling.all_statuses, meddling.statuses if ranged else []):
                if statuses and (status := statuses.pop(0)):
                    connection.sendall(_error(status, meddling.code, has_body=method != "HEAD"))
                    return
            reply = self._ask(re.sub(rb"(?i)\r\n(connection|expect): [^\r]*", b"", head), content)
            if ranged:
                self._answer(connection, reply, meddling)
            else:
                connection.sendall(reply)

    def _ask(self, head: bytes, content: bytes) -> bytes:
        request = head[:-4] + b"\r\nConnection: close\r\n\r\n" + content
        with socket.create_connection(self._upstream, timeout=10) as upstream:
            upstream.sendall(request)
            parts = []
            while part := upstream.recv(1 << 16):
                parts.append(part)
        reply = b"".join(parts)
        head, _, body = reply.partition(b"\r\n\r\n")
        if b"\r\nconnection: close" not in head.lower():
            head += b"\r\nConnection: close"
        return head + b"\r\n\r\n" + body

    def _answer(self, connection: socket.socket, reply: bytes, meddling: Meddling) -> None:
        head, _, body = reply.partition(b"\r\n\r\n")
        if meddling.whole is not None:
            head, body = _without_range(head), meddling.whole
            head = _with_header(head, b"content-length", b"%d" % len(body))
        if meddling.is_shifted:
            head, body = _shifted(head, body)
        if meddling.content_range is not None:
            head = _with_header(head, b"content-range", meddling.content_range.encode())
        if meddling.replacement:
            head = re.sub(*meddling.replacement, head)
        if meddling.sends_more:
            head = re.sub(rb"(?i)\r\ncontent-length: [0-9]+", b"", head)
            body += b"more than was asked for"
        is_cut = meddling.cut_after is not None and meddling.n_cuts != 0
        if is_cut and meddling.n_cuts:
            meddling.n_cuts -= 1
        connection.sendall(head + b"\r\n\r\n" + (body[: meddling.cut_after] if is_cut else body))
        if is_cut and not meddling.is_closed_not_reset:
            # Give the bytes time to be read: a reset throws away what still waits.
            connection.settimeout(0.05)
            with contextlib.suppress(OSError):
                connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read_request(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body; empty if there is no whole one."""
    request, n_bytes = b"", None
    while n_bytes is None or len(request) < n_bytes:
        part = connection.recv(1 << 16)
        if not part:
            return b"", b""
        request += part
        end = request.find(b"\r\n\r\n") + 4
        if end >= 4 and n_bytes is None:
            if re.search(rb"(?i)\r\nexpect: 100-continue", request[:end]):
                # Who expects it waits a second for it, with the body.
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            told = re.search(rb"(?i)\r\ncontent-length: ([0-9]+)", request[:end])
            n_bytes = end + (int(told[1]) if told else 0)
    return request[:end], request[end:]


def _with_header(head: bytes, name: bytes, value: bytes) -> bytes:
    return re.sub(rb"(?i)(\r\n" + name + rb": )[^\r]*", rb"\g<1>" + value, head)


def _without_range(head: bytes) -> bytes:
    head = re.sub(rb"\AHTTP/1.[01] 206[^\r]*", b"HTTP/1.1 200 OK", head)
    return re.sub(rb"(?i)\r\ncontent-range: [^\r]*", b"", head)


def _shifted(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    sent = re.search(rb"(?i)\r\ncontent-range: bytes ([0-9]+)-([0-9]+/[0-9]+)", head)
    if sent is None:
        return head, body
    head = _with_header(head, b"content-range", b"bytes %d-%s" % (int(sent[1]) + 1, sent[2]))
    return _with_header(head, b"content-length", b"%d" % (len(body) - 1)), body[1:]


def _error(status: int, code: str | None, *, has_body: bool) -> bytes:
    code = code or _REASONS.get(status, "InternalError")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    head = (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if has_body else b"")
