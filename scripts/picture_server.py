"""A cheap keep-alive server of pictures, for measuring clients: one process, one thread, memory.

Started as ``picture_server.py LIST LATENCY_MS [small]``: the list has one path a line, as in a
request. The port goes to standard output; the end of standard input ends it. Every path has a
picture of its own, of 30 to 150 KB or ``small``, sent as S3 sends an object that was put in one
part. ``/requests`` says how many other requests there were.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import selectors
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

#: Flickr's pictures of 500 pixels have about as many bytes.
SMALLEST_BYTES: Final = 30_000
LARGEST_BYTES: Final = 150_000

#: Pictures drawn; each path gets one of them, made unique by a comment of its own.
_N_DRAWN: Final = 32
_SIZE: Final = (500, 375)
#: For long lists: the disk is to hold them all.
_SMALL_BYTES: Final = (2_000, 6_000)
_SMALL_SIZE: Final = (100, 75)
_START_OF_IMAGE: Final = b"\xff\xd8"
_COMMENT: Final = b"\xff\xfe"
_READ_BYTES: Final = 65_536
_SEND_BUFFER_BYTES: Final = 1 << 20
_REQUESTS: Final = b"/requests"
_NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def draw_pictures(n_drawn: int = _N_DRAWN, *, are_small: bool = False) -> list[bytes]:
    """JPEGs whose sizes are spread evenly over the range."""
    drawn = []
    smallest, largest = _SMALL_BYTES if are_small else (SMALLEST_BYTES, LARGEST_BYTES)
    width, height = _SMALL_SIZE if are_small else _SIZE
    noise = np.random.default_rng(1)
    ramp = np.linspace(0.0, 255.0, width, dtype=np.float32)[None, :, None]
    for wanted in np.linspace(smallest, largest, n_drawn):
        grain = noise.normal(0.0, 24.0, (height, width, 3)).astype(np.float32)
        image = Image.fromarray(np.clip(ramp + grain, 0, 255).astype(np.uint8))
        drawn.append(_encode(image, int(wanted)))
    return drawn


def _encode(image: Image.Image, n_bytes: int) -> bytes:
    """The image at the lowest quality that takes so many bytes, as nearly as there is one."""
    low, high = 1, 100
    while True:
        buffer = io.BytesIO()
        quality = (low + high) // 2
        image.save(buffer, "JPEG", quality=quality)
        if low >= high:
            return buffer.getvalue()
        if buffer.tell() < n_bytes:
            low = quality + 1
        else:
            high = quality


def plan_answers(paths: list[str], *, are_small: bool = False) -> dict[bytes, list[bytes]]:
    """What is sent for each path, in pieces; all pieces but the first two are shared."""
    drawn = draw_pictures(min(_N_DRAWN, max(4, len(paths) // 16)), are_small=are_small)
    answers = {}
    for number, path in enumerate(paths):
        rest = memoryview(drawn[number % len(drawn)])[2:]
        words = f"picture {number}".encode()
        start = _START_OF_IMAGE + _COMMENT + (len(words) + 2).to_bytes(2, "big") + words
        digest = hashlib.md5(start, usedforsecurity=False)
        digest.update(rest)
        header = (
            "HTTP/1.1 200 OK\r\n"
            "x-amz-request-id: 4F1E2D3C4B5A6978\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
            "Last-Modified: Wed, 10 Feb 2016 17:34:21 GMT\r\n"
            f'ETag: "{digest.hexdigest()}"\r\n'
            "Accept-Ranges: bytes\r\n"
            "Content-Type: image/jpeg\r\n"
            "Server: AmazonS3\r\n"
            f"Content-Length: {len(start) + len(rest)}\r\n\r\n"
        )
        answers[path.encode("ascii")] = [header.encode("ascii") + start, bytes(rest)]
    # One object a drawing: 4,000 answers share 32.
    shared = {answer[1]: answer[1] for answer in answers.values()}
    for answer in answers.values():
        answer[1] = shared[answer[1]]
    return answers


@dataclass(slots=True)
class _Connection:
    sock: socket.socket
    asked: bytearray = field(default_factory=bytearray)
    unsent: list[memoryview] = field(default_factory=list)

    def send(self) -> bool:
        """Whether everything is sent."""
        try:
            n_sent = self.sock.sendmsg(self.unsent)
        except BlockingIOError:
            return False
        while self.unsent and n_sent >= len(self.unsent[0]):
            n_sent -= len(self.unsent.pop(0))
        if self.unsent:
            self.unsent[0] = self.unsent[0][n_sent:]
        return not self.unsent


class PictureServer:
    """Answers until standard input ends.

    Parameters
    ----------
    answers : mapping of bytes to list of bytes
        Pieces by path.
    latency_s : float
        Between a request and the first byte of its answer.
    """

    def __init__(self, answers: Mapping[bytes, list[bytes]], latency_s: float) -> None:
        self._answers = answers
        self._latency_s = latency_s
        # epoll waits for whole milliseconds, rounded up; select is exact.
        self._selector = selectors.SelectSelector() if latency_s else selectors.DefaultSelector()
        self._n_requests = 0
        self._due: list[tuple[float, int, _Connection]] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)

    def serve(self) -> None:
        """Tell the port, then serve."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(sys.stdin, selectors.EVENT_READ)
        print(self._listener.getsockname()[1], flush=True)
        while True:
            timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for key, events in self._selector.select(timeout):
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._look_at(key.data, events)
            while self._due and self._due[0][0] <= time.monotonic():
                self._answer(heapq.heappop(self._due)[2])

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._selector.register(sock, selectors.EVENT_READ, _Connection(sock))

    def _look_at(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                if connection.send():
                    self._wait_for(connection, selectors.EVENT_READ)
                return
            received = connection.sock.recv(_READ_BYTES)
        except ConnectionError:
            received = b""
        if not received:
            self._selector.unregister(connection.sock)
            connection.sock.close()
            return
        connection.asked += received
        if not connection.asked.endswith(b"\r\n\r\n"):
            return
        if self._latency_s:
            due_s = time.monotonic() + self._latency_s
            heapq.heappush(self._due, (due_s, id(connection), connection))
        else:
            self._answer(connection)

    def _answer(self, connection: _Connection) -> None:
        path = bytes(connection.asked).split(b" ", 2)[1]
        connection.asked.clear()
        pieces = self._answers.get(path, [_NOT_FOUND])
        if path == _REQUESTS:
            said = str(self._n_requests).encode()
            pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said]
        else:
            self._n_requests += 1
        connection.unsent = [memoryview(piece) for piece in pieces]
        try:
            if not connection.send():
                self._wait_for(connection, selectors.EVENT_WRITE)
        except ConnectionError:
            connection.unsent.clear()  # the next read says that it is closed

    def _wait_for(self, connection: _Connection, events: int) -> None:
        self._selector.modify(connection.sock, events, connection)


if __name__ == "__main__":
    _paths = Path(sys.argv[1]).read_text("ascii").split()
    _answers = plan_answers(_paths, are_small=sys.argv[3:] == ["small"])
    PictureServer(_answers, float(sys.argv[2]) / 1000).serve()
