"""A mirror in a directory and one in a bucket: one contract for both."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError

from tests.conftest import RunYfcc, SampleAt
from tests.fakes.meddling_proxy import Meddling, MeddlingProxy
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_child import N_SOME
from tests.fakes.mirror_items import FakeAcquire, make_item, make_items, media_bytes, wait_until
from tests.fakes.mirror_places import BucketPrefix, MirrorPlace
from tests.fakes.places import credentials
from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.demo.serve import EmbeddedServers
from yfcc.errors import LockedError, TargetError, UsageError
from yfcc.metadata.source import open_source
from yfcc.mirror.bucket.claim import BucketClaim, Pace
from yfcc.mirror.bucket.ledger_parts import N_PARTS, PartsLedger, put_together
from yfcc.mirror.bucket.objects import LARGE_BYTES, Objects
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.bucket.store import BucketStore
from yfcc.mirror.claim import claim_shards
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.downloads import iter_download_tables
from yfcc.mirror.findings import Problem
from yfcc.mirror.ledger import find_committed, read_shard
from yfcc.mirror.opening import create_any, open_any, open_ledger, open_store
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.report import read_report
from yfcc.mirror.status import read_status
from yfcc.mirror.verify import verify_mirror
from yfcc.mirror.whole_run import whole_of
from yfcc.model import Outcome
from yfcc.progress import SilentProgress

REPOSITORY = Path(__file__).parents[2]
NOW = "2026-11-21T12:00:00.000Z"
#: Kills of a run to a bucket, each of which takes seconds.
N_KILLS = int(os.environ.get("YFCC_KILLS", "1"))


@pytest.fixture
def proxy(bucket: BucketPrefix, monkeypatch) -> Iterator[MeddlingProxy]:
    """Before the bucket's server, on the way of the mirror alone."""
    with MeddlingProxy(bucket.store.address) as running:
        monkeypatch.setenv("YFCC_MIRROR_ENDPOINT", f"http://127.0.0.1:{running.port}")
        yield running


def run(place: MirrorPlace, items, acquire: FakeAcquire | None = None, **options):
    return download(
        place.address if place.is_bucket else Path(place.address), items, acquire, **options
    )


def media_path(photo_id: int, extension: str = "jpg") -> str:
    digits = f"{photo_id:06d}"
    return f"media/{digits[:3]}/{digits[3:6]}/{photo_id}.{extension}"


def check(place: MirrorPlace) -> None:
    """Ledger within the place, nothing torn, nothing that verify would object to."""
    whole = place.whole()
    stored = {photo_id for photo_id, each in place.records().items() if each["outcome"] == "stored"}
    assert stored <= whole, "recorded, but not there"
    with open_any(place.address) as mirror:
        assert verify_mirror(mirror).damages == []


def test_the_layout_is_the_same_in_every_place(place: MirrorPlace) -> None:
    summary = run(place, [make_item(4207153986)])
    assert (summary.outcomes, summary.exit_code, summary.n_bytes) == ({"stored": 1}, 0, 3_000)
    assert place.list() == [
        "ledger/2b3.jsonl",
        f"ledger/runs/{summary.run_id}.json",
        f"ledger/runs/{summary.run_id}.samples",
        "media/420/715/4207153986.jpg",
        "media/420/715/4207153986.json",
        "mirror.json",
    ]
    assert place.read("media/420/715/4207153986.jpg") == media_bytes(4207153986)
    assert json.loads(place.read("mirror.json")) | {"created": ""} == {
        "format": 1,
        "n_shards": 4096,
        "created": "",
    }
    assert set(place.records()) == {4207153986}


def test_every_outcome_is_counted_once_and_final_ones_are_asked_once(place: MirrorPlace) -> None:
    def by_id(photo_id: int) -> Outcome:
        return [Outcome.STORED, Outcome.GONE, Outcome.FAILED, Outcome.REFUSED][photo_id % 4]

    items = make_items(12)
    expected = Counter(by_id(item.photo_id).value for item in items)
    first = run(place, items, FakeAcquire(by_id))
    assert (first.outcomes, first.not_yet_tried, first.exit_code) == (dict(expected), 0, 3)
    second = run(place, items, again := FakeAcquire(by_id))
    assert {by_id(photo_id) for photo_id in again.asked} == {Outcome.FAILED}
    assert second.outcomes["already_stored"] == expected["stored"]
    assert second.n_bytes == 0
    with open_any(place.address) as mirror:
        status = read_status(mirror)
    assert (status.outcomes, status.n_bytes) == (dict(expected), 3_000 * expected["stored"])
    assert status.last_run is not None
    assert status.last_run.run_id == second.run_id
    tables = list(iter_download_tables(place.address))
    told = [outcome for table in tables for outcome in table["outcome"].to_pylist()]
    assert Counter(told) == expected
    assert read_report(place.address).samples[-1].n_new == len(again.asked)
    check(place)


def start_child(place: MirrorPlace, n_items: int, log: Path, manner: str) -> subprocess.Popen:
    command = ["-m", "tests.fakes.mirror_child", place.address, str(n_items), str(log), manner]
    return subprocess.Popen([sys.executable, *command], cwd=REPOSITORY)


def n_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_killed_runs_lose_nothing_and_ask_for_nothing_twice(
    place: MirrorPlace, tmp_path: Path
) -> None:
    n_kills = N_KILLS if place.is_bucket else max(3, N_KILLS)
    log, n_items = tmp_path / "log", 6 + N_SOME * n_kills
    moments = random.Random(20261121)
    for number in range(1, n_kills + 1):
        n_before = n_lines(log)
        done = set(place.records()) | place.whole()
        # Never the end of the run: it stalls after some items, and there are more than these.
        child = start_child(place, n_items, log, "some")
        n_until = n_before + moments.randrange(1, N_SOME)
        try:
            wait_until(lambda n=n_until: n_lines(log) >= n)
            time.sleep(moments.random() * 0.2)
            if number == n_kills:
                wait_until(lambda: any(path.endswith(".jsonl") for path in place.list("ledger/")))
        finally:
            child.kill()
            code = child.wait()
        assert code == -signal.SIGKILL
        asked = {int(line) for line in log.read_text().split("\n")[n_before:-1]}
        assert not asked & done, "asked for what was whole already"
        check(place)
    done = set(place.records()) | place.whole()
    assert done
    summary = run(place, make_items(n_items), acquire := FakeAcquire())
    assert not set(acquire.asked) & done
    assert summary.outcomes == {
        "stored": len(acquire.asked),
        "already_stored": n_items - len(acquire.asked),
    }
    assert set(place.records()) == place.whole() == {each.photo_id for each in make_items(n_items)}
    assert not [path for path in place.list() if path.startswith(("tmp/", "ledger/locks/"))]
    check(place)


def test_a_second_run_of_a_shard_is_refused_and_other_shards_are_shared(
    place: MirrorPlace, tmp_path: Path
) -> None:
    items = make_items(21)
    child = start_child(place, 21, tmp_path / "log", "stalled")
    try:
        wait_until(lambda: n_lines(tmp_path / "log") >= 21)
        with pytest.raises(LockedError) as refused:
            run(place, items, acquire := FakeAcquire())
        others = [make_item(1_000_000_000 + 7_777 * number) for number in range(4)]
        assert not {each.shard for each in others} & {each.shard for each in items}
        assert run(place, others).outcomes == {"stored": 4}
    finally:
        child.kill()
        child.wait()
    assert not acquire.asked
    assert refused.value.exit_code == 5
    for word in (f"process {child.pid} on {socket.gethostname()}", "--shards"):
        assert word in str(refused.value)
    if place.is_bucket:
        run_ids = {path[12:].partition(".")[0] for path in place.list("ledger/runs/")}
        assert [each for each in run_ids if f"run {each}," in str(refused.value)]
    # The killed run's shards are free again at once: it was one of this machine.
    assert run(place, items).not_yet_tried == 0
    check(place)


def test_a_run_whose_lock_is_taken_away_stops_with_exit_5(place: MirrorPlace) -> None:
    items = make_items(2)
    with create_any(place.address) as mirror:
        shards = frozenset(item.shard for item in items)
        with claim_shards(mirror, shards, "run-1", NOW) as claim:
            claim.check()
        claim = _quick_claim(mirror, shards) if isinstance(mirror, BucketMirror) else None
        if claim is None:
            with claim_shards(mirror, shards, "run-2", NOW) as held:
                place.remove("ledger/locks/run-2.lock")
                with pytest.raises(LockedError, match=r"run-2\.lock was (deleted|removed)"):
                    held.check()
            return
        claim.take()
        claim.check()
        place.remove("ledger/locks/run-2.lock")
        time.sleep(0.3)
        with pytest.raises(LockedError, match=r"run-2\.lock was removed"):
            claim.check()
        claim.release()


def _quick_claim(
    mirror: BucketMirror, shards: frozenset[int], run_id: str = "run-2"
) -> BucketClaim:
    return BucketClaim(mirror, shards, run_id, NOW, Pace(0.1, 2.0, 0.2, 60.0))


@pytest.mark.parametrize("damage", ["flip", "gone", "json", "json_gone", "extra"])
def test_verify_finds_damage_and_the_next_download_mends_it(
    place: MirrorPlace, damage: str
) -> None:
    items = [make_item(4207153986), make_item(4207153987)]
    run(place, items)
    path = media_path(4207153986)
    document = media_path(4207153986, "json")
    content = place.read(path)
    expected = {
        "flip": Problem.CHANGED,
        "gone": Problem.MISSING,
        "json": Problem.JSON_CHANGED,
        "json_gone": Problem.JSON_MISSING,
        "extra": Problem.EXTRA,
    }[damage]
    if damage == "flip":
        place.write(path, bytes([content[0] ^ 1]) + content[1:])
    elif damage == "gone":
        place.remove(path)
    elif damage == "json":
        place.write(document, b"{}")
    elif damage == "json_gone":
        place.remove(document)
    else:
        place.write("media/420/715/notes.txt", b"not ours")
    with open_any(place.address) as mirror:
        found = verify_mirror(mirror)
        assert [each.problem for each in found.damages] == [expected]
        assert (found.n_items, found.n_bytes) == (2, 6_000)
        repaired = repair_mirror(mirror)
    assert repaired.n_repaired == (damage != "extra")
    if damage == "extra":
        assert place.read("media/420/715/notes.txt") == b"not ours"
        return
    summary = run(place, items, acquire := FakeAcquire())
    assert acquire.asked == {4207153986: 1}
    assert summary.outcomes == {"stored": 1, "already_stored": 1}
    check(place)


def test_a_damaged_commit_is_found_and_repaired(place: MirrorPlace) -> None:
    items = [make_item(4207153986), make_item(4207153987)]
    run(place, items[:1], FakeAcquire(lambda _: Outcome.GONE))
    run(place, items)
    (path,) = [each for each in place.list("ledger/") if each.startswith("ledger/2b3")]
    content = place.read(path)
    place.write(
        path, b'{"photo_id":9}\n{"commit":{"n":1,"crc32":1,"counts":{},"n_bytes":0}}\n' + content
    )
    with open_any(place.address) as mirror:
        assert [each.problem for each in verify_mirror(mirror).damages] == [Problem.LEDGER_DAMAGED]
        repair_mirror(mirror)
        assert verify_mirror(mirror).damages == []
    again = run(place, items, acquire := FakeAcquire())
    assert not acquire.asked
    assert again.outcomes == {"gone": 1, "already_stored": 1}


def recorded(place: MirrorPlace) -> list[dict[str, Any]]:
    """The rows of ``downloads``, by id."""
    rows = [row for table in iter_download_tables(place.address) for row in table.to_pylist()]
    return sorted(rows, key=lambda row: int(row["photo_id"]))


def test_an_item_without_a_record_is_adopted(place: MirrorPlace) -> None:
    items = make_items(5)
    run(place, items, FakeAcquire(n_trailing_bytes=7, has_zero_run=True))
    known = recorded(place)
    for path in place.list("ledger/"):
        if path.endswith(".jsonl"):
            place.remove(path)
    summary = run(place, items, acquire := FakeAcquire())
    of_the_bytes = ("photo_id", "path", "n_bytes", "sha256", "n_trailing_bytes", "has_zero_run")
    assert {row["n_trailing_bytes"] for row in known} == {7}
    assert [[row[name] for name in of_the_bytes] for row in recorded(place)] == [
        [row[name] for name in of_the_bytes] for row in known
    ]
    assert not acquire.asked
    assert (summary.outcomes, summary.n_adopted) == ({"already_stored": 5}, 5)
    check(place)


def test_a_large_item_arrives_whole(place: MirrorPlace) -> None:
    n_bytes = LARGE_BYTES * 2 + 12_345
    item = make_item(4207153986)
    run(place, [item], FakeAcquire(n_bytes=n_bytes))
    assert place.read(media_path(item.photo_id)) == media_bytes(item.photo_id, n_bytes)
    if isinstance(place, BucketPrefix):
        key = f"a/mirror/{media_path(item.photo_id)}"
        head = place.store.client.head_object(Bucket=place.bucket, Key=key)
        assert head["ETag"].endswith('-3"')
    check(place)


def test_a_store_keeps_measures_and_removes(place: MirrorPlace) -> None:
    run(place, [make_item(4207153986)])
    with open_any(place.address) as mirror:
        store = open_store(mirror, "run-1")
        measured = store.measure_media(4207153986, "jpg")
        assert measured is not None
        assert measured.n_bytes == 3_000
        assert store.measure_media(4207153986, "png") is None
        assert json.loads(store.read_document(4207153986) or b"")["photo_id"] == 4207153986
        assert store.read_document(4207153987) is None
        store.remove(4207153986, ["4207153986.jpg", "4207153986.png"])
        assert store.measure_media(4207153986, "jpg") is None
    assert place.list("media/") == ["media/420/715/4207153986.json"]


def test_no_bucket_is_exit_6(bucket: BucketPrefix) -> None:
    for open_it in (open_any, create_any):
        with pytest.raises(TargetError, match=r"no such bucket \(NoSuchBucket\)") as refused:
            open_it("s3://nowhere-at-all/mirror")
        assert refused.value.exit_code == 6


def test_another_format_is_refused(place: MirrorPlace) -> None:
    place.write("mirror.json", b'{"format":2,"n_shards":4096}')
    for open_it in (open_any, create_any):
        with pytest.raises(UsageError, match="use the version that made it"):
            open_it(place.address)


def test_no_mirror_is_a_mistake_of_the_user(place: MirrorPlace) -> None:
    with pytest.raises(UsageError, match="make one with `yfcc download`"):
        open_any(place.address)


# What only a bucket can do wrong.


def records_of(n_items: int, outcome: Outcome = Outcome.GONE):
    from dataclasses import replace

    from yfcc.mirror.record import decode_record

    base = decode_record(
        b'{"photo_id":1,"outcome":"gone","fetched_at":"2026-11-21T12:00:00.000Z","run_id":"r"}'
    )
    ids = range(4207150000, 4207150000 + n_items)
    return [
        replace(base, photo_id=each, outcome=outcome, shard=make_item(each).shard) for each in ids
    ]


def always() -> None:
    """The shard is held."""


def test_a_second_writer_of_a_shard_is_refused_by_the_store(bucket: BucketPrefix) -> None:
    (record,) = records_of(1)
    other = records_of(2)[1]
    with create_any(bucket.address) as mirror:
        first = open_ledger(mirror, record.shard, always)
        second = open_ledger(mirror, record.shard, always)
        first.append([record])
        with pytest.raises(LockedError, match="another process writes to the mirror"):
            second.append([other])
        assert find_committed(read_shard(mirror, record.shard)).read_outcomes() == {
            record.photo_id: Outcome.GONE
        }


def test_commits_are_put_together_and_old_ones_do_not_come_back(bucket: BucketPrefix) -> None:
    (failed,), (gone,) = records_of(1, Outcome.FAILED), records_of(1, Outcome.GONE)
    shard = gone.shard
    with create_any(bucket.address) as mirror:
        assert isinstance(mirror, BucketMirror)
        ledger = open_ledger(mirror, shard, always)
        ledger.append([failed])
        ledger.append([gone])
        parts = bucket.list(f"ledger/{shard:03x}/")
        assert parts == [f"ledger/{shard:03x}/0000000{number}.jsonl" for number in (1, 2)]
        first = bucket.read(parts[0])
        before = read_shard(mirror, shard)
        assert put_together(mirror, frozenset({shard}), is_last=True) == 1
        assert bucket.list("ledger/") == [f"ledger/{shard:03x}.jsonl"]
        # Killed while it removed them: the first, older one is still there.
        bucket.write(parts[0], first)
        after = read_shard(mirror, shard)
        assert find_committed(after).read_outcomes() == find_committed(before).read_outcomes()
        assert find_committed(after).read_outcomes() == {gone.photo_id: Outcome.GONE}
        assert read_status(mirror).outcomes == {"gone": 1}
        # The next commit follows those that were put together.
        open_ledger(mirror, shard, always).append([failed])
        assert read_status(mirror).outcomes == {"failed": 1}
        assert find_committed(read_shard(mirror, shard)).read_outcomes() == {
            gone.photo_id: Outcome.FAILED
        }


def test_commits_of_a_run_under_way_are_put_together_once_there_are_many(
    bucket: BucketPrefix,
) -> None:
    record = records_of(1)[0]
    shards = frozenset({record.shard})
    with create_any(bucket.address) as mirror:
        assert isinstance(mirror, BucketMirror)
        ledger = PartsLedger(mirror, record.shard, always)
        for _ in range(N_PARTS - 1):
            ledger.append([record])
        assert put_together(mirror, shards, is_last=False) == 0
        ledger.append([record])
        assert put_together(mirror, shards, is_last=False) == 1
        ledger.append([record])
        assert len(bucket.list("ledger/")) == 2
        assert read_shard(mirror, record.shard).count(b'"photo_id"') == N_PARTS + 1


def test_reading_while_commits_are_put_together_misses_nothing(bucket: BucketPrefix) -> None:
    records = records_of(40)
    shard = records[0].shard
    stop = threading.Event()
    errors: list[str] = []
    with create_any(bucket.address) as mirror, open_any(bucket.address) as other:
        assert isinstance(mirror, BucketMirror)
        ledger = open_ledger(mirror, shard, always)
        ledger.append(records[:1])
        n_known = 1

        def look() -> None:
            while not stop.is_set():
                n_before = n_known
                found = find_committed(read_shard(other, shard))
                n_found = len(found.read_outcomes())
                if n_found < n_before or found.n_damaged_bytes:
                    errors.append(f"{n_found} of {n_before}")

        reader = threading.Thread(target=look)
        reader.start()
        try:
            for number, record in enumerate(records[1:], 2):
                ledger.append([record])
                n_known = number
                if number % 5 == 0:
                    put_together(mirror, frozenset({shard}), is_last=True)
        finally:
            stop.set()
            reader.join()
    assert errors == []


def test_a_lock_of_another_machine_counts_until_it_is_silent(bucket: BucketPrefix) -> None:
    shards = frozenset({7})
    with create_any(bucket.address) as mirror:
        assert isinstance(mirror, BucketMirror)
        lock = {
            "run_id": "run-1",
            "pid": os.getpid(),
            "host": "elsewhere",
            "process": {"machine": "another/1", "began": "1"},
            "started": NOW,
            "shards": "0-63",
        }
        bucket.write("ledger/locks/run-1.lock", json.dumps(lock).encode())
        with pytest.raises(LockedError, match=r"run run-1, process \d+ on elsewhere"):
            _quick_claim(mirror, shards).take()
        assert bucket.list("ledger/locks/") == ["ledger/locks/run-1.lock"]
        wait_until(lambda: time.sleep(0.3) or _takes(mirror, shards), 10)
        assert bucket.list("ledger/locks/") == []


def _takes(mirror: BucketMirror, shards: frozenset[int]) -> bool:
    claim = _quick_claim(mirror, shards)
    try:
        claim.take()
    except LockedError:
        return False
    claim.release()
    return True


def test_a_living_run_keeps_its_lock_fresh(bucket: BucketPrefix) -> None:
    shards = frozenset({7})
    with create_any(bucket.address) as mirror:
        assert isinstance(mirror, BucketMirror)
        claim = _quick_claim(mirror, shards)
        claim.take()
        time.sleep(3.2)
        with pytest.raises(LockedError):
            _quick_claim(mirror, shards, "run-3").take()
        claim.check()
        claim.release()
        assert bucket.list("ledger/locks/") == []


def test_of_two_runs_that_begin_together_never_both_go_on(bucket: BucketPrefix) -> None:
    with create_any(bucket.address) as mirror:
        assert isinstance(mirror, BucketMirror)
        for number in range(3):
            claims = [_quick_claim(mirror, frozenset({7}), f"run-{number}-{each}") for each in "ab"]
            barrier = threading.Barrier(2)
            taken: list[BucketClaim] = []

            def take(claim: BucketClaim, barrier=barrier, taken=taken) -> None:
                barrier.wait()
                try:
                    claim.take()
                except LockedError:
                    return
                taken.append(claim)

            threads = [threading.Thread(target=take, args=(claim,)) for claim in claims]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(taken) <= 1
            for claim in taken:
                claim.release()


def test_an_answer_that_was_lost_is_no_other_writer(bucket: BucketPrefix) -> None:
    with closing(Objects(bucket.address)) as objects:
        etag = objects.create("a", b"mine")
        assert etag is not None
        assert objects.create("a", b"mine") == etag
        assert objects.create("a", b"another's") is None
        newer = objects.replace("a", b"mine, later", etag)
        assert newer is not None
        assert objects.replace("a", b"mine, later", etag) == newer
        assert objects.replace("a", b"another's", etag) is None
        assert objects.get("a") == b"mine, later"


class DeafObjects(Objects):
    """A store whose answers to replacements do not arrive while it is said so."""

    is_deaf = False

    def replace(self, key: str, content: bytes, etag: str) -> str | None:
        answer = super().replace(key, content, etag)
        if self.is_deaf:
            raise TargetError("no answer")
        return answer


def test_a_sign_of_life_whose_answer_was_lost_is_no_lock_that_was(bucket: BucketPrefix) -> None:
    create_any(bucket.address).close()
    with BucketMirror(objects := DeafObjects(bucket.address)) as mirror:
        claim = _quick_claim(mirror, frozenset({7}))
        claim.take()
        objects.is_deaf = True
        time.sleep(0.4)
        with pytest.raises(TargetError, match="no answer"):
            claim.check()
        objects.is_deaf = False
        n_beats = json.loads(bucket.read("ledger/locks/run-2.lock"))["n_beats"]
        claim.check()
        assert json.loads(bucket.read("ledger/locks/run-2.lock"))["n_beats"] > n_beats
        claim.release()
    assert bucket.list("ledger/locks/") == []


class ForgetfulObjects(Objects):
    """A store that does not know conditional writes."""

    def create(self, key: str, content: bytes) -> str | None:
        self.put(key, content)
        return '"etag"'


def test_a_store_without_conditional_writes_is_refused(bucket: BucketPrefix) -> None:
    with (
        BucketMirror(ForgetfulObjects(bucket.address)) as mirror,
        pytest.raises(TargetError, match="knows conditional writes"),
    ):
        BucketStore(mirror, "run-1").probe()
    assert bucket.list() == []


def test_uploads_that_a_dead_run_left_are_forgotten(bucket: BucketPrefix) -> None:
    items = [make_item(4207153986), make_item(1_000_000_000)]
    keys = [f"a/mirror/{media_path(item.photo_id)}" for item in items]
    client = bucket.store.client
    for key in keys:
        client.create_multipart_upload(Bucket=bucket.bucket, Key=key)
    run(bucket, items[:1])
    left = client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads", [])
    assert [each["Key"] for each in left] == keys[1:]


class AbortsTwice(Objects):
    """A store whose answers to the end of an upload are lost, so that it is asked again."""

    def ask(self, operation: str, **arguments: Any) -> Any:
        if operation == "abort_multipart_upload":
            super().ask(operation, **arguments)
        return super().ask(operation, **arguments)


def test_an_upload_that_is_forgotten_already_is_no_trouble(bucket: BucketPrefix) -> None:
    client = bucket.store.client
    for photo_id in (4207153986, 4207153987):
        key = f"a/mirror/{media_path(photo_id)}"
        client.create_multipart_upload(Bucket=bucket.bucket, Key=key)
    with closing(AbortsTwice(bucket.address)) as objects:
        objects.abort_uploads("media/", lambda key: key.endswith("6.jpg"))
    left = client.list_multipart_uploads(Bucket=bucket.bucket).get("Uploads", [])
    assert [each["Key"] for each in left] == [f"a/mirror/{media_path(4207153987)}"]


class TornBody:
    """A body that breaks off."""

    def __enter__(self) -> TornBody:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def read(self, *_: object) -> bytes:
        raise ProtocolError("Connection broken")


class TornObjects(Objects):
    """A store whose next bodies break off."""

    n_torn = 0

    def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        answer = super()._call(method, **arguments)
        if "Body" in answer and self.n_torn:
            self.n_torn -= 1
            answer["Body"] = TornBody()
        return answer


def test_a_body_that_breaks_off_is_read_again(bucket: BucketPrefix) -> None:
    with closing(TornObjects(bucket.address)) as objects:
        etag = objects.create("a", b"0123456789")
        readings = (
            (lambda: objects.get("a"), b"0123456789"),
            (lambda: objects.get_end("a", 4), b"6789"),
            (lambda: objects.create("a", b"0123456789"), etag),
        )
        for read, expected in readings:
            objects.n_torn = 3
            assert read() == expected
            assert objects.n_torn == 0
            objects.n_torn = 99
            with pytest.raises(TargetError, match="Connection broken"):
                read()
            objects.n_torn = 0


class CuttingProxy(MeddlingProxy):
    """The ends of the next answers are missing."""

    n_cuts = 0
    part = 1.0

    def _ask(self, head: bytes, content: bytes) -> bytes:
        reply = super()._ask(head, content)
        if not self.n_cuts:
            return reply
        self.n_cuts -= 1
        return reply[: int(len(reply) * self.part) - 5]


@pytest.mark.parametrize("n_cuts", [1, 4])
@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8, 1.0])
def test_an_answer_that_breaks_off_is_asked_for_again(
    bucket: BucketPrefix, n_cuts: int, part: float
) -> None:
    with (
        CuttingProxy(bucket.store.address) as proxy,
        closing(Objects(bucket.address, f"http://127.0.0.1:{proxy.port}")) as objects,
    ):
        calls: tuple[tuple[Callable[[], object], object], ...] = (
            (lambda: objects.put("a", b"0123456789"), None),
            (lambda: objects.get("a"), b"0123456789"),
            (lambda: objects.get_end("a", 4), b"6789"),
            (lambda: objects.get("missing"), None),
            (lambda: objects.create("b", b"mine") is None, False),
            (lambda: objects.create("b", b"another's"), None),
            (lambda: [entry.key for entry in objects.iter_entries("")], ["a", "b"]),
            (lambda: objects.delete(["a", "b"]), None),
            (lambda: objects.abort_uploads("", lambda _: True), None),
            (lambda: objects.list_folder(""), ([], [])),
        )
        proxy.part = part
        for call, expected in calls:
            proxy.n_cuts = n_cuts
            assert call() == expected
            proxy.n_cuts = 0


def test_a_request_to_slow_down_is_waited_out(bucket: BucketPrefix, proxy: MeddlingProxy) -> None:
    items = make_items(2)
    proxy.meddling = Meddling(all_statuses=[503] * 4)
    assert run(bucket, items).outcomes == {"stored": 2}
    assert proxy.meddling.all_statuses == []
    assert bucket.whole() == {item.photo_id for item in items}


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "InternalError"), (502, "BadGateway"), (504, "GatewayTimeout"), (400, "RequestTimeout")],
)
@pytest.mark.parametrize("n_before", [0, 12])
def test_trouble_of_the_store_is_waited_out(
    bucket: BucketPrefix, proxy: MeddlingProxy, status: int, code: str, n_before: int
) -> None:
    items = make_items(2)
    proxy.meddling = Meddling(all_statuses=[0] * n_before + [status] * 7, code=code)
    assert run(bucket, items).outcomes == {"stored": 2}
    assert proxy.meddling.all_statuses == []
    check(bucket)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "permission denied (AccessDenied)"),
        (403, "InvalidAccessKeyId", "Check your credentials"),
        (404, "NoSuchBucket", "no such bucket (NoSuchBucket). Check its name and AWS_ENDPOINT"),
    ],
)
def test_a_refusal_is_exit_6_with_what_to_do(
    bucket: BucketPrefix, proxy: MeddlingProxy, status: int, code: str, says: str
) -> None:
    proxy.meddling = Meddling(all_statuses=[status] * 100, code=code)
    with pytest.raises(TargetError) as refused:
        run(bucket, make_items(1), acquire := FakeAcquire())
    assert refused.value.exit_code == 6
    assert bucket.address in str(refused.value)
    assert says in str(refused.value)
    assert not acquire.asked


def test_groups_of_many_shards_go_side_by_side(bucket: BucketPrefix) -> None:
    items = make_items(12)
    assert len({item.shard for item in items}) > 10
    summary = run(bucket, items, limits=GroupLimits(n_records=12, age_s=5.0))
    assert summary.outcomes == {"stored": 12}
    check(bucket)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, sample: SampleAt) -> str:
    path = tmp_path_factory.mktemp("catalog") / "catalog.duckdb"
    source = open_source(str(sample.directory / "buckets" / "yfcc100m-metadata" / "v2"))
    build_catalog(source, BuildSettings(path, limit=12), SilentProgress())
    return str(path)


@pytest.fixture
def call(bucket: BucketPrefix, run_yfcc: RunYfcc) -> Callable[..., Any]:
    """Run a command on the bucket's mirror; what it says in JSON, or its whole end."""
    environment = credentials(bucket.store.owner) | {
        "YFCC_MIRROR_ENDPOINT": bucket.store.endpoint,
        "AWS_REGION": "us-east-1",
    }

    def run_it(*arguments: str) -> Any:
        done = run_yfcc(*arguments, "--mirror", bucket.address, **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done

    return run_it


def download_flags(catalog: str, servers: EmbeddedServers) -> list[str]:
    endpoint = ["--s3-endpoint", servers.s3_endpoint, "--allow-private-hosts"]
    return ["download", "--catalog", catalog, "--json", *endpoint]


def test_the_commands_work_on_a_bucket(
    call, catalog: str, servers: EmbeddedServers, tmp_path: Path
) -> None:
    told = call(*download_flags(catalog, servers))
    n_stored = told["outcomes"]["stored"]
    assert n_stored > 0
    assert call("status", "--json")["outcomes"]["stored"] == n_stored
    assert call("verify", "--json")["n_items"] == n_stored
    sql = "SELECT count(*) AS n FROM downloads JOIN items USING (photo_id)"
    assert call("query", sql, "--catalog", catalog, "--format", "json")[0]["n"] == 12
    call("report", "--out", "r.html")
    assert (tmp_path / "r.html").stat().st_size > 1_000


def test_two_processes_share_the_work_and_a_second_run_finds_it_done(
    bucket: BucketPrefix, call, catalog: str, servers: EmbeddedServers
) -> None:
    flags = [*download_flags(catalog, servers), "--processes", "2"]
    first, second = call(*flags), call(*flags)
    n_stored = first["outcomes"]["stored"]
    assert n_stored > 0
    expected = first["outcomes"] | {"already_stored": n_stored}
    del expected["stored"]
    assert second["outcomes"] == expected
    assert (first["not_yet_tried"], second["n_bytes"]) == (0, 0)
    runs = [json.loads(bucket.read(path)) for path in bucket.list("ledger/runs/") if "json" in path]
    assert {whole_of(run["run_id"]) for run in runs} == {first["run_id"], second["run_id"]}
    by_first = [run for run in runs if whole_of(run["run_id"]) == first["run_id"]]
    assert len(by_first) == 2
    assert all(run["outcomes"]["stored"] for run in by_first), "one process did it all"
    assert bucket.list("ledger/locks/") == []
    with open_any(bucket.address) as mirror:
        found = verify_mirror(mirror)
    assert (found.n_items, found.damages) == (n_stored, [])
