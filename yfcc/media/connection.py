"""Connections that look at whom they reached, and at how fast the bytes come."""

from __future__ import annotations

import http.client
import io
import socket
from dataclasses import dataclass
from threading import Event
from typing import Final

import urllib3.connection

from yfcc.media.address import is_public_address
from yfcc.media.attempt import BrokenAnswerError, ErrorKind, PeerRefusedError
from yfcc.media.clock import Clock
from yfcc.media.gate import interrupted

#: How often a read that waits for bytes looks up whether to go on.
_SLICE_S: Final = 1.0

#: How long an answer may go on to come in after the run was asked to stop.
_GRACE_S: Final = 5.0

#: Enough for all headers and, mostly, the whole of a small answer in one read.
_BUFFER_BYTES: Final = 2**15


@dataclass(frozen=True, slots=True)
class SpeedLimits:
    """How slow an answer may be; see ``FetchSettings`` for the fields."""

    read_timeout_s: float
    min_rate_bytes_s: float
    min_rate_window_s: float


class Watch:
    """Judges an answer's speed with every packet.

    The socket's own timeout starts anew with every byte: it cannot see a server that sends one
    byte a second.

    Parameters
    ----------
    limits : SpeedLimits
    clock : Clock
    stop : threading.Event
    """

    def __init__(self, limits: SpeedLimits, clock: Clock, stop: Event) -> None:
        self._limits = limits
        self._clock = clock
        self._stop = stop
        self._stop_noticed_s: float | None = None
        self.slice_s = min(_SLICE_S, limits.read_timeout_s)
        self.start(0.0)

    def start(self, deadline_s: float) -> None:
        """Begin to watch an answer that has to be there at a monotonic time."""
        now_s = self._clock.monotonic()
        self._deadline_s = deadline_s
        self._last_s = now_s
        self._window_s = now_s
        self._n_window_bytes = 0

    def note_bytes(self, n_bytes: int) -> None:
        """Take note of a packet.

        Raises
        ------
        BrokenAnswerError
            The answer is too slow, or late.
        InterruptedRun
            The run was asked to stop a while ago.
        """
        now_s = self._clock.monotonic()
        self._last_s = now_s
        self._n_window_bytes += n_bytes
        self._judge(now_s)

    def note_silence(self) -> None:
        """Take note of a while without a packet; raises as :meth:`note_bytes`."""
        if self._stop.is_set():
            raise interrupted()
        now_s = self._clock.monotonic()
        silence_s = now_s - self._last_s
        if silence_s >= self._limits.read_timeout_s:
            raise BrokenAnswerError(ErrorKind.TIMEOUT, f"nothing came for {silence_s:.1f} s")
        self._judge(now_s)

    def _judge(self, now_s: float) -> None:
        if now_s > self._deadline_s:
            raise BrokenAnswerError(ErrorKind.DEADLINE, "the time for one attempt is over")
        limits = self._limits
        window_s = now_s - self._window_s
        if window_s >= limits.min_rate_window_s:
            if self._n_window_bytes < limits.min_rate_bytes_s * window_s:
                raise BrokenAnswerError(
                    ErrorKind.TOO_SLOW, f"{self._n_window_bytes} bytes in {window_s:.1f} s"
                )
            self._window_s = now_s
            self._n_window_bytes = 0
        if self._stop.is_set():
            self._stop_noticed_s = self._stop_noticed_s or now_s
            if now_s - self._stop_noticed_s > _GRACE_S:
                raise interrupted()


class _WatchedIO(io.RawIOBase):
    """The read side of a socket, with a watch on it."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, watch: Watch) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw  # keeps the socket open until the answer is read
        self._watch = watch

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while True:
            try:
                n_bytes = self._sock.recv_into(buffer)
            except TimeoutError:
                self._watch.note_silence()
                continue
            self._watch.note_bytes(n_bytes)
            return n_bytes

    def close(self) -> None:
        self._raw.close()
        super().close()


class _WatchedResponse(http.client.HTTPResponse):
    """An answer that is read through a watch."""

    def __init__(self, sock: socket.socket, *, watch: Watch, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_WatchedIO(sock, raw, watch), _BUFFER_BYTES)


def _check_peer(sock: socket.socket, host: str) -> None:
    """Refuse a connection that leads into this machine or its private network.

    What counts is the address that was reached, not the name: names resolve to what their
    owner wants, each time anew.
    """
    peer = str(sock.getpeername()[0])
    if not is_public_address(peer):
        sock.close()
        raise PeerRefusedError(ErrorKind.ADDRESS, f"{host} is at {peer}, no public address")


class PlainConnection(urllib3.connection.HTTPConnection):
    """Unencrypted; ``may_be_private`` for hosts that the user named."""

    may_be_private = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if not self.may_be_private:
            _check_peer(sock, self.host)
        return sock


class TlsConnection(urllib3.connection.HTTPSConnection):
    """Encrypted; the peer is looked at before the first byte is sent."""

    may_be_private = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if not self.may_be_private:
            _check_peer(sock, self.host)
        return sock


Connection = PlainConnection | TlsConnection


def open_answer(connection: Connection, watch: Watch) -> http.client.HTTPResponse:
    """The answer to the request just sent, its headers read.

    urllib3's own ``getresponse`` would wrap it for decoding, redirects and caching, none of
    which is wanted here, at a third of the cost of a request.
    """

    def make(sock: socket.socket, *, method: str | None = None) -> _WatchedResponse:
        return _WatchedResponse(sock, watch=watch, method=method)

    connection.response_class = make  # type: ignore[assignment]
    return http.client.HTTPConnection.getresponse(connection)
