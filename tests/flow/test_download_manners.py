"""Whole downloads from hosts that ask for patience, or ask not to be copied."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.answering_server import AnsweringServer, Reply
from tests.fakes.mirror_checks import read_records
from tests.fakes.pictures import jpeg, picture
from yfcc.catalog.select import Selection
from yfcc.errors import SourceUnreachable
from yfcc.media.settings import FetchSettings
from yfcc.mirror.download import DownloadRequest, download_selection

LINES = ("--lines", "0-9")
N_ITEMS = 10


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample_catalog: Path) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    shutil.copyfile(sample_catalog, path)
    return str(path)


@pytest.fixture
def download(run_yfcc: RunYfcc, catalog: str) -> Callable[..., tuple[int, dict, str]]:
    """Exit code, summary and messages of a run from a server that is both sources."""

    def run(server: AnsweringServer, *flags: str) -> tuple[int, dict, str]:
        done = run_yfcc(
            *("download", "--catalog", catalog, "--mirror", "mirror", "--json", *LINES),
            *("--s3-endpoint", server.url, "--flickr-endpoint", server.url, *flags),
        )
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    return run


def last_run(mirror: Path) -> dict:
    return json.loads(max((mirror / "ledger" / "runs").glob("*.json")).read_bytes())


def documents(mirror: Path) -> list[dict]:
    return [json.loads(path.read_bytes()) for path in (mirror / "media").rglob("*.json")]


@pytest.mark.parametrize("source", ["s3", "flickr"])
def test_a_pause_that_no_run_can_take_ends_it_with_exit_code_7(
    source: str, download: Callable[..., tuple[int, dict, str]], tmp_path: Path
) -> None:
    def answer(path: str) -> Reply:
        if path.startswith(("/robots", "/.well-known")):
            return Reply(404)
        return Reply(429, headers={"Retry-After": "1000000000"})

    with AnsweringServer(answer) as server:
        code, said, errors = download(server, "--from", source, "--flickr-rate", "100/s")
    assert (code, errors) == (7, "")
    assert "run it again later" in said["error"]["message"]
    told = last_run(tmp_path / "mirror")
    assert told["exit_code"] == 7
    assert told["not_yet_tried"] + sum(told["outcomes"].values()) == N_ITEMS
    assert set(told["outcomes"]) <= {"failed"}


def test_a_host_that_goes_on_to_throttle_ends_the_run_with_exit_code_7(
    catalog: str, tmp_path: Path
) -> None:
    from yfcc.errors import RateLimitedError

    with AnsweringServer(lambda _: Reply(503)) as server:
        settings = FetchSettings(
            s3_endpoint=server.url, backoff_s=0.05, s3_max_pause_s=0.5, max_attempts=1000
        )
        with pytest.raises(RateLimitedError) as caught:
            download_selection(request_of(catalog, tmp_path, settings))
    assert caught.value.exit_code == 7
    told = last_run(tmp_path / "mirror")
    assert (told["exit_code"], told["not_yet_tried"]) == (7, N_ITEMS)


def request_of(catalog: str, tmp_path: Path, settings: FetchSettings) -> DownloadRequest:
    return DownloadRequest(
        catalog=Path(catalog),
        mirror=str(tmp_path / "mirror"),
        selection=Selection(lines="0-9"),
        settings=settings,
        shards=None,
        n_workers=4,
        command="test",
    )


def test_a_dead_network_leaves_every_item_untried_and_ends_with_exit_code_4(
    catalog: str, tmp_path: Path
) -> None:
    with AnsweringServer(lambda _: Reply(404)) as server:
        url = server.url
    settings = FetchSettings(s3_endpoint=url, backoff_s=0.01, backoff_cap_s=0.02)
    with pytest.raises(SourceUnreachable, match="untried") as caught:
        download_selection(request_of(catalog, tmp_path, settings))
    assert caught.value.exit_code == 4
    told = last_run(tmp_path / "mirror")
    assert (told["exit_code"], told["not_yet_tried"], told["outcomes"]) == (4, N_ITEMS, {})


OPT_OUT = {"X-Robots-Tag": "googlebot: all, *: noai", "Content-Usage": "train-ai=n"}


def test_what_asks_not_to_be_stored_is_not_unless_the_user_says_so_and_that_is_recorded(
    download: Callable[..., tuple[int, dict, str]], tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    with AnsweringServer(lambda _: Reply(200, jpeg(), OPT_OUT)) as server:
        code, told, _ = download(server)
        assert (code, told["outcomes"]) == (0, {"refused": N_ITEMS})
        assert told["fingerprint"]["ignore_opt_out"] is False
        assert not documents(mirror)
        n_asked = sum(server.requests.values())
        code, told, _ = download(server)
        assert (code, sum(server.requests.values())) == (0, n_asked)
    refused = read_records(mirror).values()
    assert len(refused) == N_ITEMS
    for record in refused:
        assert record["x_robots_tag"] == OPT_OUT["X-Robots-Tag"]
    with AnsweringServer(lambda _: Reply(200, jpeg(), OPT_OUT)) as server:
        code, told, _ = download(server, "--ignore-opt-out", "--mirror", "other")
    assert code == 0, told
    # One picture for all: the first is stored, and so are the others, with an alarm.
    assert told["outcomes"] == {"stored": N_ITEMS}
    assert told["fingerprint"]["ignore_opt_out"] is True
    assert "--ignore-opt-out" in told["fingerprint"]["command"]
    assert last_run(tmp_path / "other")["fingerprint"]["ignore_opt_out"] is True
    stored = documents(tmp_path / "other")
    assert len(stored) == N_ITEMS
    for document in stored:
        assert document["media"]["rights"] == {name.lower(): OPT_OUT[name] for name in OPT_OUT}


def test_what_is_odd_about_bytes_is_recorded_and_a_picture_that_recurs_is_told(
    run_yfcc: RunYfcc, catalog: str, tmp_path: Path
) -> None:
    page = b"<!DOCTYPE html>" + bytes(range(256)) * 2
    large = picture("JPEG", (200, 200))
    holed = large[: len(large) // 2] + bytes(8192) + large[len(large) // 2 + 8192 :]
    n_odd: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(_: str) -> Reply:
        with lock:
            odd = next((name for name in ("page", "hole") if not n_odd[name]), "tail")
            n_odd[odd] += 1
        return Reply(200, {"page": page, "hole": holed, "tail": jpeg() + b"junk"}[odd])

    with AnsweringServer(answer) as server:
        done = run_yfcc(
            *("download", "--catalog", catalog, "--mirror", "mirror", "--media", "photo"),
            *("--sample", "30", "--seed", "1", "--s3-endpoint", server.url),
        )
    assert done.returncode == 0, done.stderr
    mirror = tmp_path / "mirror"
    found = list(read_records(mirror).values())
    (junk,) = [record for record in found if record["outcome"] == "not_media"]
    assert junk["evidence"].encode("latin-1") == page[:256]
    assert [record["has_zero_run"] for record in found].count(True) == 1
    assert [record["n_trailing_bytes"] for record in found].count(4) == n_odd["tail"] == 28
    digest = hashlib.sha256(jpeg() + b"junk").hexdigest()
    assert last_run(mirror)["repeated"] == {digest: 28}
    assert "28 items have the same picture" in done.stderr
    assert digest in done.stderr
    odd = "SELECT evidence FROM downloads WHERE outcome = 'not_media'"
    asked = run_yfcc("query", "--catalog", catalog, "--mirror", "mirror", "--json", odd)
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)[0]["evidence"].encode("latin-1") == page[:256]
    assert run_yfcc("report", "--mirror", "mirror", "--out", "page.html").returncode == 0
    assert digest in (tmp_path / "page.html").read_text()


def test_two_commands_on_different_shards_keep_one_rate(
    run_yfcc: RunYfcc, catalog: str, tmp_path: Path
) -> None:
    times: list[float] = []

    def answer(path: str) -> Reply:
        times.append(time.monotonic())
        return Reply(404)

    def run(share: str) -> None:
        done = run_yfcc(
            *("download", "--catalog", catalog, "--mirror", "mirror", "--from", "flickr"),
            *("--lines", "0-19", "--flickr-endpoint", server.url, "--flickr-rate", "10/s"),
            *("--shard-of", share, "--json"),
        )
        codes.append((done.returncode, done.stderr))

    codes: list[tuple[int, str]] = []
    with AnsweringServer(answer) as server:
        threads = [threading.Thread(target=run, args=(share,)) for share in ("0/2", "1/2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [code for code, _ in codes] == [0, 0], codes
    assert len(times) == 20 + 2 * 2
    times.sort()
    # Each at its own rate would come to twenty in a second; 10, and one at either edge.
    assert max(sum(at <= t < at + 1.0 for t in times) for at in times) <= 12
