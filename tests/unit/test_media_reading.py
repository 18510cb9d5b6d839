"""A body of known length comes whole, in few reads, and says where it broke off."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from yfcc.errors import InterruptedRun
from yfcc.media.answer import Answer
from yfcc.media.attempt import BrokenAnswerError, ErrorKind
from yfcc.media.clock import SystemClock
from yfcc.media.connection import PlainConnection, ask, limit_waiting
from yfcc.media.watch import SpeedLimits, Watch

BODY = bytes(range(256)) * 400


class CountedSocket(socket.socket):
    """Counts the calls that receive."""

    n_reads = 0

    def recv_into(self, *arguments, **options):  # type: ignore[no-untyped-def]
        CountedSocket.n_reads += 1
        return super().recv_into(*arguments, **options)


def receive(
    send: Callable[[socket.socket], None],
    read: Callable[[Answer], bytes],
    stop: threading.Event | None = None,
    read_timeout_s: float = 5.0,
) -> bytes:
    """What ``read`` makes of what ``send`` sends."""
    ours, theirs = socket.socketpair()
    connection = PlainConnection("photos.example", 80)
    connection.sock = CountedSocket(fileno=ours.detach())
    connection.sock.settimeout(1.0)
    limits = SpeedLimits(read_timeout_s, min_rate_bytes_s=1.0, min_rate_window_s=60.0)
    watch = Watch(limits, SystemClock(), stop or threading.Event())
    watch.slice_s = 0.2
    watch.start(SystemClock().monotonic() + 20.0)
    sender = threading.Thread(target=send, args=(theirs,))
    CountedSocket.n_reads = 0
    with theirs:
        limit_waiting(connection, watch.slice_s)
        sender.start()
        try:
            with closing(ask(connection, b"GET / HTTP/1.1\r\n\r\n", watch)) as answer:
                return read(answer)
        finally:
            sender.join()
            connection.close()


def head(n_bytes: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % n_bytes


def in_pieces(*pieces: bytes, pause_s: float = 0.01) -> Callable[[socket.socket], None]:
    def send(sock: socket.socket) -> None:
        for piece in pieces:
            sock.sendall(piece)
            time.sleep(pause_s)

    return send


def test_a_body_in_many_packets_takes_one_read_after_its_beginning() -> None:
    packets = [BODY[at : at + 1024] for at in range(0, len(BODY), 1024)]
    send = in_pieces(head(len(BODY)) + packets[0], *packets[1:], pause_s=0.001)
    assert receive(send, lambda answer: answer.read(1 << 20)) == BODY
    # The headers, and the rest; a slow machine may need another slice or two of waiting.
    assert CountedSocket.n_reads <= 6


def test_a_body_read_in_portions_is_the_same_body() -> None:
    def read(answer: Answer) -> bytes:
        return b"".join(iter(lambda: answer.read(7_001), b""))

    assert receive(in_pieces(head(len(BODY)), BODY), read) == BODY


def test_bytes_behind_the_body_are_not_part_of_it() -> None:
    send = in_pieces(head(10) + b"0123456789HTTP/1.1 200")
    assert receive(send, lambda answer: answer.read(1_000)) == b"0123456789"


def test_a_body_that_breaks_off_is_as_long_as_it_came() -> None:
    def send(sock: socket.socket) -> None:
        sock.sendall(head(len(BODY)) + BODY[:50_000])
        sock.shutdown(socket.SHUT_WR)

    def read(answer: Answer) -> bytes:
        found = answer.read(1 << 20)
        assert answer.read(1 << 20) == b""
        assert answer.isclosed()
        return found

    assert receive(send, read) == BODY[:50_000]


def test_silence_within_a_body_is_noticed_in_time() -> None:
    with pytest.raises(BrokenAnswerError) as caught:
        receive(
            in_pieces(head(len(BODY)) + BODY[:10], pause_s=1.5),
            lambda answer: answer.read(1 << 20) + answer.read(1 << 20),
            read_timeout_s=0.5,
        )
    assert caught.value.kind is ErrorKind.TIMEOUT


def test_a_run_that_is_stopped_does_not_wait_for_a_silent_body() -> None:
    stop = threading.Event()

    def send(sock: socket.socket) -> None:
        sock.sendall(head(len(BODY)) + BODY[:10])
        stop.set()
        time.sleep(0.6)

    started_s = time.monotonic()
    with pytest.raises(InterruptedRun):
        receive(send, lambda answer: answer.read(1 << 20) + answer.read(1 << 20), stop)
    assert time.monotonic() - started_s < 3.0
