"""Rechecks of a mirror in a directory and of one in a bucket: one contract for both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.forgetting import FIRST, OTHER, OWNER, SECOND, make_owned, owned_items
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import wait_until
from tests.fakes.mirror_places import BucketPrefix, MirrorPlace
from tests.fakes.places import credentials
from tests.fakes.scripted_server import Pause, Request, ScriptedServer, reply
from yfcc.errors import LockedError, RateLimitedError
from yfcc.media.page_status import PageAnswer, PageFate
from yfcc.mirror.opening import open_any
from yfcc.mirror.recheck import RecheckOptions, RecheckSummary, recheck


def fill(place: MirrorPlace, items=None) -> None:
    address = place.address if place.is_bucket else Path(place.address)
    download(address, owned_items() if items is None else items)


class Pages:
    """Answers by id; those that have none end the recheck."""

    def __init__(self, fates: dict[int, PageFate]) -> None:
        self.fates = fates
        self.asked: list[int] = []

    def __call__(self, url: str) -> PageAnswer:
        photo_id = int(url.strip("/").rpartition("/")[2])
        self.asked.append(photo_id)
        if photo_id not in self.fates:
            raise RateLimitedError("the host wants rest")
        return PageAnswer(self.fates[photo_id])


def ask_all(place: MirrorPlace, pages: Pages, **options) -> RecheckSummary:
    with open_any(place.address) as mirror:
        return recheck(mirror, pages, RecheckOptions(**options))


def progress_of(place: MirrorPlace) -> bytes:
    paths = [path for path in place.list("ledger/") if path.startswith("ledger/recheck")]
    return b"".join(map(place.read, paths))


def test_what_was_answered_is_not_asked_again(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    pages = Pages({FIRST: PageFate.GONE, OTHER: PageFate.UNCLEAR})
    with pytest.raises(RateLimitedError):
        ask_all(place, pages, out=tmp_path / "list")
    assert sorted(pages.asked) == [FIRST, OTHER, SECOND]
    assert str(FIRST) in (tmp_path / "list").read_text()
    assert progress_of(place)
    pages = Pages({OTHER: PageFate.PUBLIC, SECOND: PageFate.GONE})
    summary = ask_all(place, pages)
    assert sorted(pages.asked) == [OTHER, SECOND]
    assert (summary.candidates, summary.n_open) == ([FIRST, SECOND], 0)
    assert summary.fates == {"gone": 2, "public": 1}
    assert (summary.n_items, summary.n_settled_before) == (3, 1)
    assert progress_of(place) == b""
    pages = Pages(dict.fromkeys((FIRST, OTHER, SECOND), PageFate.PUBLIC))
    assert ask_all(place, pages).n_settled_before == 0
    assert len(pages.asked) == 3


def test_a_restart_asks_for_all(place: MirrorPlace) -> None:
    fill(place)
    with pytest.raises(RateLimitedError):
        ask_all(place, Pages({FIRST: PageFate.GONE}))
    pages = Pages(dict.fromkeys((FIRST, OTHER, SECOND), PageFate.PUBLIC))
    summary = ask_all(place, pages, restart=True)
    assert (len(pages.asked), summary.candidates) == (3, [])


def test_a_sample_goes_on_with_its_own_seed(place: MirrorPlace) -> None:
    ids = [FIRST + 7 * number for number in range(20)]
    fill(place, [make_owned(photo_id, OWNER, "x") for photo_id in ids])
    pages = Pages(dict.fromkeys(ids[::2], PageFate.PUBLIC))
    with pytest.raises(RateLimitedError):
        ask_all(place, pages, n_sample=9, seed=1)
    assert len(pages.asked) == 9
    n_settled = len(set(pages.asked) & set(ids[::2]))
    again = Pages(dict.fromkeys(ids, PageFate.PUBLIC))
    summary = ask_all(place, again, n_sample=9, seed=2)
    assert set(again.asked) == set(pages.asked) - set(ids[::2])
    assert (summary.n_items, summary.n_settled_before) == (9, n_settled)
    assert summary.fates == {"public": 9}


def test_two_rechecks_at_once_are_refused(place: MirrorPlace) -> None:
    fill(place)
    refused = []

    def ask(_url: str) -> PageAnswer:
        if not refused:
            with pytest.raises(LockedError, match="being rechecked by another process") as caught:
                ask_all(place, Pages({}))
            refused.append(caught.value.exit_code)
        return PageAnswer(PageFate.PUBLIC)

    with open_any(place.address) as mirror:
        assert recheck(mirror, ask).fates == {"public": 3}
    assert refused[0] == 5


def test_killed_it_goes_on_where_it_was(place: MirrorPlace, tmp_path: Path) -> None:
    items = [make_owned(FIRST + 7 * number, OWNER, "x") for number in range(20)]
    fill(place, items)

    def script(request: Request):
        if sum("photos" in target for target in server.targets) > 16:
            return [Pause(60)]
        return [reply(b"", 404 if "photos" in request.target else 200)]

    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    if isinstance(place, BucketPrefix):
        environment |= credentials(place.store.owner)
        environment |= {"YFCC_MIRROR_ENDPOINT": place.store.endpoint, "AWS_REGION": "us-east-1"}
    command = [sys.executable, "-m", "yfcc.cli.main", "recheck", "--mirror", place.address]
    with ScriptedServer(script) as server:
        command += ["--flickr-endpoint", server.url, "--flickr-rate", "500/s"]
        child = subprocess.Popen(command, env=environment, cwd=tmp_path)
        try:
            wait_until(lambda: len(server.requests) > 17)
        finally:
            child.kill()
            code = child.wait()
    assert code == -signal.SIGKILL
    pages = Pages({item.photo_id: PageFate.GONE for item in items})
    summary = ask_all(place, pages)
    assert summary.candidates == sorted(item.photo_id for item in items)
    assert (summary.n_settled_before, len(pages.asked)) == (16, 4)
    assert place.list("ledger/locks/") == []
