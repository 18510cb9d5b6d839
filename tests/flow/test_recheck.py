"""Stored items whose pages are gone become candidates for removal, and nothing more."""

from __future__ import annotations

import itertools
import signal
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import RunYfcc
from tests.fakes.forgetting import FIRST, OTHER, OWNER, SECOND, fill, make_owned, tombstone
from tests.fakes.mirror_items import make_items
from tests.fakes.scripted_server import Pause, Request, ScriptedServer, reply
from yfcc.catalog.tombstones import Kind, Reason, parse_list
from yfcc.errors import InterruptedRun, RateLimitedError
from yfcc.media.page_status import PageAnswer, PageAsker, PageFate
from yfcc.media.politeness import Rate
from yfcc.media.settings import FetchSettings, Source
from yfcc.mirror.forget import forget
from yfcc.mirror.recheck import RecheckOptions, RecheckSummary, recheck
from yfcc.mirror.root import open_mirror
from yfcc.mirror.stop import StopRequest

QUICK = FetchSettings(sources=(Source.FLICKR,), flickr_rate=Rate(500), backoff_s=0.01)


def pages(statuses: dict[int, int], robots: str = ""):
    """A script: statuses of pages by id, 200 for others."""

    def answer(request: Request):
        if request.target == "/robots.txt":
            return [reply(robots.encode())]
        photo_id = int(request.target.strip("/").rpartition("/")[2])
        status = statuses.get(photo_id, 200)
        if status == 301:
            return [reply(b"", 301, [("Location", f"/gone/{photo_id}9/")])]
        return [reply(b"<html>a page" * 50, status)]

    return answer


def ask_all(root: Path, server: ScriptedServer, **options: object) -> RecheckSummary:
    settings = FetchSettings(
        **{name: getattr(QUICK, name) for name in ("sources", "flickr_rate", "backoff_s")},
        flickr_endpoint=server.url,
        max_pause_s=0.5,
    )
    with closing(PageAsker(settings)) as asker, open_mirror(root) as mirror:
        return recheck(mirror, asker.ask, RecheckOptions(**options))


def test_what_is_gone_is_listed_and_nothing_is_removed(tmp_path: Path) -> None:
    root, out = tmp_path / "mirror", tmp_path / "list"
    fill(root)
    with ScriptedServer(pages({FIRST: 404, SECOND: 410})) as server:
        summary = ask_all(root, server, out=out)
    assert summary.candidates == [FIRST, SECOND]
    assert summary.fates == {"gone": 2, "public": 1}
    assert sorted(server.targets) == sorted(
        [
            *("/robots.txt", f"/photos/{OWNER}/{FIRST}/", f"/photos/{OWNER}/{SECOND}/"),
            f"/photos/11111111@N01/{OTHER}/",
        ]
    )
    assert all(request.headers["user-agent"].startswith("yfcc/") for request in server.requests)
    assert not list(root.glob("ledger/tombstones*"))
    listed = parse_list(out.read_bytes(), Reason.OTHER, "1999-01-01")
    assert [(each.kind, each.value) for each in listed] == [
        (Kind.ID, str(FIRST)),
        (Kind.ID, str(SECOND)),
    ]
    with open_mirror(root) as mirror:
        assert forget(mirror, listed).n_items == 2
    with ScriptedServer(pages({})) as server:
        assert ask_all(root, server).n_items == 1


def test_redirects_are_followed_and_odd_answers_stay_open(tmp_path: Path) -> None:
    fill(tmp_path)
    statuses = {FIRST: 301, int(f"{FIRST}9"): 404, SECOND: 403, OTHER: 500}
    with ScriptedServer(pages(statuses)) as server:
        summary = ask_all(tmp_path, server)
        assert summary.candidates == [FIRST]
        assert (summary.n_open, len(summary.errors)) == (2, 2)
        before = len(server.requests)
        statuses |= {SECOND: 200, OTHER: 404}
        summary = ask_all(tmp_path, server)
    assert (summary.n_settled_before, summary.candidates) == (1, [FIRST, OTHER])
    assert len(server.requests) == before + 3  # robots.txt, and the two that were open
    assert (tmp_path / "ledger" / "recheck.jsonl").read_bytes() == b""


def test_robots_txt_is_obeyed(tmp_path: Path) -> None:
    fill(tmp_path)
    with ScriptedServer(pages({}, "User-agent: *\nDisallow: /photos/\n")) as server:
        summary = ask_all(tmp_path, server)
    assert summary.fates == {"not allowed": 3}
    assert server.targets == ["/robots.txt"]


def test_a_host_that_wants_rest_ends_it_and_what_is_known_stays(tmp_path: Path) -> None:
    fill(tmp_path)
    slow = [("Retry-After", "3600")]

    def script(request: Request):
        if str(FIRST) in request.target:
            return [reply(b"", 404)]
        if request.target == "/robots.txt":
            return [reply()]
        return [Pause(0.3), reply(b"", 429, slow)]

    with ScriptedServer(script) as server, pytest.raises(RateLimitedError) as caught:
        ask_all(tmp_path, server, out=tmp_path / "list")
    assert caught.value.exit_code == 7
    assert str(FIRST) in (tmp_path / "list").read_text()
    with ScriptedServer(pages({})) as server:
        summary = ask_all(tmp_path, server)
    assert (summary.n_settled_before, summary.candidates) == (1, [FIRST])


def test_a_sample_goes_on_with_its_own_seed(tmp_path: Path) -> None:
    fill(tmp_path, make_items(40))
    asked: list[str] = []
    catalog_less = lambda url: asked.append(url) or PageAnswer(PageFate.PUBLIC)  # noqa: E731
    with open_mirror(tmp_path) as mirror:
        summary = recheck(mirror, catalog_less, RecheckOptions(n_sample=10, seed=1))
    assert (summary.n_items, summary.fates) == (10, {"no page": 10})
    assert not asked, "their JSON names no page"


def test_a_request_to_stop_is_heard_while_a_host_is_silent(tmp_path: Path) -> None:
    fill(tmp_path)
    stop = StopRequest()

    def ask(_url: str) -> PageAnswer:
        stop.ask(signal.SIGTERM)
        if not stop.event.wait(20):
            raise TimeoutError
        raise InterruptedRun(signal.SIGINT)

    with open_mirror(tmp_path) as mirror, pytest.raises(InterruptedRun) as caught:
        recheck(mirror, ask, stop=stop)
    assert caught.value.exit_code == 143


def test_what_was_removed_is_no_candidate_and_what_is_new_waits(tmp_path: Path) -> None:
    items = [make_owned(FIRST + 7 * number, OWNER, "x") for number in range(4)]
    first, second, third, new = (item.photo_id for item in items)
    fill(tmp_path, [items[0], items[1], items[2]])
    fates = {first: PageFate.GONE, second: PageFate.GONE, third: PageFate.UNCLEAR}
    asked: list[int] = []

    def ask(url: str) -> PageAnswer:
        photo_id = int(url.strip("/").rpartition("/")[2])
        asked.append(photo_id)
        return PageAnswer(fates[photo_id])

    with open_mirror(tmp_path) as mirror:
        summary = recheck(mirror, ask)
        assert (summary.candidates, summary.n_open) == ([first, second], 1)
        forget(mirror, [tombstone(first)])
        fill(tmp_path, [items[3]])
        # Later in the order than all that was asked for, it belongs to the recheck.
        fates |= {third: PageFate.PUBLIC, new: PageFate.PUBLIC}
        summary = recheck(mirror, ask)
    assert sorted(asked) == [first, second, third, third, new]
    assert summary.candidates == [second]
    assert summary.fates == {"gone": 1, "public": 2}
    assert (summary.n_items, summary.n_settled_before, summary.n_open) == (3, 1, 0)


def test_lines_after_one_that_a_power_cut_tore_do_not_count(tmp_path: Path) -> None:
    items = [make_owned(FIRST + 7 * number, OWNER, "x") for number in range(40)]
    fill(tmp_path, items)
    asked = itertools.count(1)

    def ask(_url: str) -> PageAnswer:
        if next(asked) == len(items):
            raise RateLimitedError("enough")
        return PageAnswer(PageFate.PUBLIC)

    with open_mirror(tmp_path) as mirror, pytest.raises(RateLimitedError):
        recheck(mirror, ask)
    journal = tmp_path / "ledger" / "recheck.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    journal.write_bytes(b"".join([lines[0], lines[1], b"x" + lines[2][1:], lines[3]]))
    with open_mirror(tmp_path) as mirror:
        summary = recheck(mirror, ask)
    assert (summary.n_settled_before, summary.fates) == (16, {"public": 40})


def test_the_command_lists_on_stdout_and_says_3_while_some_are_open(
    tmp_path: Path, run_yfcc: RunYfcc
) -> None:
    fill(tmp_path / "mirror")
    with ScriptedServer(pages({FIRST: 404, OTHER: 403})) as server:
        more = ("--flickr-endpoint", server.url, "--flickr-rate", "500/s")
        done = run_yfcc("recheck", "--mirror", "mirror", *more)
        assert (done.returncode, "run the same command again" in done.stderr) == (3, True)
        found = parse_list(done.stdout.encode(), Reason.OTHER, "1999-01-01")
        assert [(each.value, each.reason) for each in found] == [
            (str(FIRST), Reason.NO_LONGER_PUBLIC)
        ]
        with open_mirror(tmp_path / "mirror") as mirror:
            forget(mirror, [tombstone(OTHER)])
        done = run_yfcc("recheck", "--mirror", "mirror", "--out", "list", *more)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "list").read_text() == found_line(FIRST, tmp_path / "list")


def found_line(photo_id: int, path: Path) -> str:
    """The only line that may stand in a list, whatever the day is."""
    day = path.read_text().rpartition('"date":"')[2][:10]
    return f'{{"id":{photo_id},"reason":"no-longer-public","date":"{day}"}}\n'
