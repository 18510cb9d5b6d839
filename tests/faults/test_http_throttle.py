"""A store that has enough: fewer requests at a time, and more again once it has room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tests.fakes.fetching import client_of, photo
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import Request, ScriptedServer, Step, reply
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import Source
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

WHOLE = reply(jpeg())
SLOW_DOWN = reply(b"<Error><Code>SlowDown</Code></Error>", 503)
N_THREADS = 16


class Store:
    """Serves so many requests at a time and refuses all above."""

    def __init__(self, n_room: int) -> None:
        self.n_room = n_room
        self.n_refused = 0
        self.most = 0
        self._n_now = 0
        self._lock = threading.Lock()

    def __call__(self, _: Request) -> Iterable[Step]:
        with self._lock:
            self._n_now += 1
            self.most = max(self.most, self._n_now)
            is_refused = self._n_now > self.n_room
            self.n_refused += is_refused
        time.sleep(0.005)
        with self._lock:
            self._n_now -= 1
        return (SLOW_DOWN if is_refused else WHOLE,)


def fetch(client: MediaClient, first: int, n_items: int) -> list[Outcome]:
    with ThreadPoolExecutor(N_THREADS) as executor:
        ids = range(first, first + n_items)
        return list(executor.map(lambda i: client.acquire(photo(i), BytesSink()).outcome, ids))


def n_allowed(client: MediaClient) -> float:
    return client.gate_states()[Source.S3].n_allowed


def test_requests_at_a_time_go_down_at_503_and_come_back() -> None:
    store = Store(n_room=3)
    with (
        ScriptedServer(store) as server,
        client_of(server, s3_connections=N_THREADS, max_attempts=100) as client,
    ):
        assert n_allowed(client) == N_THREADS
        outcomes = fetch(client, 1, 60)
        assert store.most > 6
        assert n_allowed(client) < 8
        n_first, store.n_refused = store.n_refused, 0
        outcomes += fetch(client, 101, 120)
        # It has learned: the store's room is tried now and then, not with every request.
        assert store.n_refused < 60
        assert n_allowed(client) < 8
        store.n_room, store.most = 1000, 0
        outcomes += fetch(client, 1001, 300)
        assert n_allowed(client) == N_THREADS
        assert store.most > 8
    assert set(outcomes) == {Outcome.STORED}
    assert n_first > 0
