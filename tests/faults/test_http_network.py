"""Networks that are not there, names that lie, connections that were closed meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.fakes.fetching import (
    FLICKR_TARGET,
    QUICK,
    acquire_from,
    client_of,
    photo,
)
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import (
    Close,
    Reset,
    ScriptedServer,
    by_target,
    in_turn,
    reply,
)
from yfcc.errors import SourceForbidden, SourceUnreachable
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.settle import Acquired
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

WHOLE = reply(jpeg())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def acquire(settings: FetchSettings) -> Acquired:
    client = MediaClient(settings)
    try:
        return client.acquire(photo(), BytesSink())
    finally:
        client.close()


def test_a_host_that_refuses_connections_ends_the_run_and_leaves_items_untried() -> None:
    settings = FetchSettings(s3_endpoint=f"http://127.0.0.1:{free_port()}", **QUICK)
    with pytest.raises(SourceUnreachable, match="untried"):
        acquire(settings)


def test_a_name_that_does_not_resolve_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceUnreachable):
        acquire(FetchSettings(**QUICK))


def test_all_threads_learn_that_the_network_is_gone() -> None:
    client = MediaClient(FetchSettings(s3_endpoint=f"http://127.0.0.1:{free_port()}", **QUICK))
    errors: list[Exception] = []

    def work(photo_id: int) -> None:
        try:
            client.acquire(photo(photo_id), BytesSink())
        except SourceUnreachable as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert len(errors) == 8


def test_a_network_that_comes_back_costs_no_item_an_attempt() -> None:
    port = free_port()
    settings = QUICK | {"backoff_s": 0.1, "backoff_cap_s": 0.2, "max_connect_rounds": 50}
    client = MediaClient(FetchSettings(s3_endpoint=f"http://127.0.0.1:{port}", **settings))
    results: list[Acquired] = []
    thread = threading.Thread(target=lambda: results.append(client.acquire(photo(), BytesSink())))
    thread.start()
    time.sleep(0.4)
    with ScriptedServer(in_turn(WHOLE), port=port):
        thread.join(10)
        client.close()
    assert [(found.outcome, found.attempts) for found in results] == [(Outcome.STORED, 1)]


def test_a_server_that_hangs_up_at_once_is_no_dead_network() -> None:
    fetched = acquire_from(in_turn((Close(),)), max_attempts=3)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.FAILED, 3)
    fetched = acquire_from(in_turn((Reset(),), WHOLE))
    assert fetched.outcome is Outcome.STORED


def resolve_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every name lead to this machine, as a hostile name server can."""

    def answer(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_an_honest_name_that_leads_into_this_machine_is_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = by_target(**{"7301": WHOLE})
    with ScriptedServer(script) as server:
        resolve_to(server.port, monkeypatch)
        found = acquire(FetchSettings(sources=(Source.FLICKR,), **QUICK))
        assert found.outcome is Outcome.BLOCKED
        assert server.requests == []
        allowed = FetchSettings(sources=(Source.FLICKR,), allow_private_hosts=True, **QUICK)
        assert acquire(allowed).outcome is Outcome.STORED
        assert server.requests[-1].headers["host"] == "farm8.staticflickr.com"


def test_the_persistent_copys_name_may_not_lead_into_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(in_turn(WHOLE)) as server:
        resolve_to(server.port, monkeypatch)
        found = acquire(FetchSettings(**QUICK))
        assert found.outcome is Outcome.BLOCKED
        assert "127.0.0.1" in (found.last_error or "")
        assert server.requests == []


@pytest.mark.parametrize("source", Source)
def test_names_that_all_lead_into_this_machine_end_the_run_before_all_items_are_called_blocked(
    monkeypatch: pytest.MonkeyPatch, source: Source
) -> None:
    with ScriptedServer(in_turn(WHOLE)) as server:
        resolve_to(server.port, monkeypatch)
        client = MediaClient(FetchSettings(sources=(source,), max_forbidden_run=3, **QUICK))
        outcomes = [client.acquire(photo(i), BytesSink()).outcome for i in range(1, 4)]
        with pytest.raises(SourceForbidden, match="--allow-private-hosts"):
            client.acquire(photo(4), BytesSink())
        client.close()
    assert outcomes == [Outcome.BLOCKED] * 3
    assert server.requests == []


def test_one_connection_serves_many_items() -> None:
    with ScriptedServer(in_turn(WHOLE)) as server, client_of(server) as client:
        for photo_id in range(1, 6):
            assert client.acquire(photo(photo_id), BytesSink()).outcome is Outcome.STORED
    assert server.n_connections == 1


@pytest.mark.parametrize("ending", [Close(), Reset()])
def test_a_connection_closed_while_idle_costs_no_attempt(ending: Close | Reset) -> None:
    with ScriptedServer(in_turn((WHOLE, ending))) as server, client_of(server) as client:
        for photo_id in range(1, 6):
            found = client.acquire(photo(photo_id), BytesSink())
            assert (found.outcome, found.attempts) == (Outcome.STORED, 1)
            assert found.first_error is None
    assert server.n_connections == 5


def test_a_connection_closed_under_the_next_request_costs_no_attempt() -> None:
    answers = in_turn(WHOLE, (Close(),), WHOLE)
    with ScriptedServer(answers) as server, client_of(server) as client:
        for photo_id in (1, 2):
            found = client.acquire(photo(photo_id), BytesSink())
            assert (found.outcome, found.attempts) == (Outcome.STORED, 1)


def test_connection_close_is_heeded() -> None:
    answer = reply(jpeg(), headers=[("Connection", "close")])
    with ScriptedServer(in_turn((answer, Close()))) as server, client_of(server) as client:
        for photo_id in (1, 2):
            assert client.acquire(photo(photo_id), BytesSink()).outcome is Outcome.STORED
    assert server.n_connections == 2


def test_no_proxy_from_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert acquire_from(in_turn(WHOLE)).outcome is Outcome.STORED


def test_no_password_from_a_netrc_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password canary\n")
    fetched = acquire_from(in_turn(WHOLE), contact="https://example.org/me")
    (request,) = fetched.server.requests
    assert set(request.headers) == {"host", "user-agent", "accept-encoding", "accept"}
    assert request.headers["user-agent"].endswith("(+https://example.org/me)")


def test_one_dead_flickr_host_is_the_items_trouble_and_not_the_networks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ScriptedServer(by_target(**{"7301": WHOLE})) as server:
        dead_port = free_port()

        def answer(host: str, *_: object, **__: object) -> list[object]:
            port = dead_port if host == "farm9.staticflickr.com" else server.port
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        client = MediaClient(
            FetchSettings(sources=(Source.FLICKR,), allow_private_hosts=True, **QUICK)
        )
        lost = [
            photo(i, download_url=f"http://farm9.staticflickr.com{FLICKR_TARGET}")
            for i in range(2, 12)
        ]
        outcomes = [client.acquire(item, BytesSink()).outcome for item in (photo(1), *lost)]
        client.close()
    assert outcomes == [Outcome.STORED] + [Outcome.FAILED] * 10


def test_an_error_of_the_sink_passes_through_and_the_client_goes_on() -> None:
    class FullDisk(BytesSink):
        def write(self, chunk: bytes | bytearray | memoryview, /) -> None:
            raise OSError(28, "No space left on device")

    with ScriptedServer(in_turn(WHOLE)) as server, client_of(server, s3_connections=1) as client:
        for _ in range(3):
            with pytest.raises(OSError, match="No space left"):
                client.acquire(photo(), FullDisk())
        assert client.acquire(photo(), BytesSink()).outcome is Outcome.STORED
