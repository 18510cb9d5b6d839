"""Several processes and one host: they keep one rate, and one pause."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from tests.fakes.fetching import ROBOTS, TDMREP
from tests.fakes.mirror_items import wait_until
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import Request, ScriptedServer, Step, reply

WHOLE = reply(jpeg())
PER_S = 20.0


class Flickr:
    """Notes when it was asked; the n-th photo is answered 429 with a pause of a second."""

    def __init__(self, n_throttled: int | None = None) -> None:
        self.times: list[float] = []
        self.n_photos = 0
        self.throttled_at: float | None = None
        self._n_throttled = n_throttled
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Iterable[Step]:
        with self._lock:
            self.times.append(time.monotonic())
            if request.target in {ROBOTS, TDMREP}:
                return (reply(b"", 404),)
            self.n_photos += 1
            if self.n_photos == self._n_throttled:
                self.throttled_at = self.times[-1]
                return (reply(b"", 429, [("Retry-After", "1")]),)
            return (WHOLE,)


def start(server: ScriptedServer, rates: Path, n_photos: int) -> subprocess.Popen[bytes]:
    arguments = (server.url, str(rates), str(PER_S), str(n_photos))
    return subprocess.Popen([sys.executable, "-m", "tests.fakes.flickr_child", *arguments])


def most_within(times: list[float], window_s: float) -> int:
    return max(sum(at <= t < at + window_s for t in times) for at in times)


def test_two_processes_together_ask_no_faster_than_the_rate(tmp_path: Path) -> None:
    flickr = Flickr()
    with ScriptedServer(flickr) as server:
        children = [start(server, tmp_path / "rates.json", 12) for _ in range(2)]
        assert [child.wait(30) for child in children] == [0, 0]
        assert server.n_connections == 2
    assert len(flickr.times) == 2 * (2 + 12)
    # Both at their own rate would ask 20 times in half a second: 10, and one at its edge.
    assert most_within(flickr.times, 0.5) <= 12
    assert flickr.times[-1] - flickr.times[0] >= 0.9 * 27 / PER_S


def test_a_process_that_is_killed_holds_nobody(tmp_path: Path) -> None:
    flickr = Flickr()
    with ScriptedServer(flickr) as server:
        for n_more in (3, 6, 9):
            child = start(server, tmp_path / "rates.json", 1000)
            wait_until(lambda n_more=n_more: flickr.n_photos >= n_more)
            child.kill()
            child.wait()
        started_s = time.monotonic()
        assert start(server, tmp_path / "rates.json", 2).wait(30) == 0
        assert time.monotonic() - started_s < 10.0


def test_a_pause_that_one_process_is_asked_for_is_kept_by_the_other(tmp_path: Path) -> None:
    flickr = Flickr(n_throttled=8)
    with ScriptedServer(flickr) as server:
        children = [start(server, tmp_path / "rates.json", 10) for _ in range(2)]
        assert [child.wait(30) for child in children] == [0, 0]
        assert server.n_connections == 2
    assert flickr.throttled_at is not None
    later = [at - flickr.throttled_at for at in flickr.times if at > flickr.throttled_at]
    # One request may have been let through before the answer was read.
    assert len([s for s in later if s < 0.95]) <= 1
    assert len(later) >= 10
