"""A server on the loopback that sends what it is told, to the byte, from within the test."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What came in: the target as sent, and headers by lower-case name."""

    target: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Pause:
    """Nothing is sent for a while."""

    seconds: float


@dataclass(frozen=True)
class Endless:
    """One piece again and again, until the other side has had enough."""

    piece: bytes
    pause_s: float = 0.0


class Close:
    """The connection ends in good order."""


class Reset:
    """The connection ends with a TCP reset."""


Step = bytes | Pause | Endless | Close | Reset
Script = Callable[[Request], Iterable[Step]]


def reply(
    body: bytes = b"",
    status: int = 200,
    headers: Iterable[tuple[str, str]] = (),
    *,
    length: int | None = -1,
) -> bytes:
    """An answer; ``length`` None leaves Content-Length out, -1 makes it the true one."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class ScriptedServer:
    """Runs a script for every request; a context manager.

    Attributes
    ----------
    script : callable
        Request to the steps of the answer. Without a ``Close`` or ``Reset`` at the end the
        connection stays open for the next request.
    requests : list of Request
        All that came in, in order.
    n_connections : int
    port : int
        Where it listens; 0 lets the system choose.
    """

    script: Script
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    n_connections: int = 0

    def __enter__(self) -> ScriptedServer:
        self._is_over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(5)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """What was asked for, in order."""
        return [request.target for request in self.requests]

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def wrap(self, sock: socket.socket) -> socket.socket:
        """What to speak through, in place of a plain connection."""
        return sock

    def _serve(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError), self.wrap(plain) as sock:
            pending = b""
            while True:
                while b"\r\n\r\n" not in pending:
                    received = sock.recv(65536)
                    if not received:
                        return
                    pending += received
                head, _, pending = pending.partition(b"\r\n\r\n")
                request = _parse(head)
                self.requests.append(request)
                for step in self.script(request):
                    if not self._play(sock, step):
                        return

    def _play(self, sock: socket.socket, step: Step) -> bool:
        """Do one step; False when the connection is over."""
        match step:
            case bytes():
                sock.sendall(step)
            case Pause(seconds):
                return not self._is_over.wait(seconds)
            case Endless(piece, pause_s):
                while not self._is_over.is_set():
                    sock.sendall(piece)
                    time.sleep(pause_s)
            case Close():
                return False
            case Reset():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        return True


def _parse(head: bytes) -> Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Request(first.split(" ")[1], {name.lower(): value for name, value in headers.items()})


def in_turn(*answers: Iterable[Step] | bytes) -> Script:
    """A script that gives one answer after the other, and the last one for ever."""
    left = list(answers)

    def script(_: Request) -> Iterable[Step]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        return (answer,) if isinstance(answer, bytes) else answer

    return script


def by_target(**answers: Iterable[Step] | bytes) -> Script:
    """A script by the first part of the path; 404 for what is not named."""

    def script(request: Request) -> Iterable[Step]:
        name = request.target.lstrip("/").partition("/")[0].partition(".")[0]
        answer = answers.get(name, reply(b"no such thing", 404))
        return (answer,) if isinstance(answer, bytes) else answer

    return script
