"""Verification of a mirror in a directory and of one in a bucket: one contract for both."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.conftest import RunYfcc
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, FakeAcquired, make_items, wait_until
from tests.fakes.mirror_places import BucketPrefix, DirectoryMirror, MirrorPlace
from tests.fakes.pictures import picture
from tests.fakes.places import credentials
from yfcc.errors import LockedError, TargetError
from yfcc.media.sink import Sink
from yfcc.mirror.bucket import journal as bucket_journal
from yfcc.mirror.bucket.claim import Pace
from yfcc.mirror.bucket.journal import ObjectJournal
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.findings import Problem, VerifySummary
from yfcc.mirror.journal import open_journal
from yfcc.mirror.layout import media_path
from yfcc.mirror.opening import open_any
from yfcc.mirror.part import MEMORY_BYTES
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.verify import VerifyOptions, verify_mirror
from yfcc.mirror.verify_journal import drop_verify_progress
from yfcc.model import Item, Outcome

REPOSITORY = Path(__file__).parents[2]
ITEMS = make_items(12)


def fill(place: MirrorPlace, items=None, acquire: FakeAcquire | None = None):
    address = place.address if place.is_bucket else Path(place.address)
    return download(address, ITEMS if items is None else items, acquire)


def verify(place: MirrorPlace, **options) -> VerifySummary:
    with open_any(place.address) as mirror:
        return verify_mirror(mirror, VerifyOptions(**options))


def flip(place: MirrorPlace, photo_id: int, extension: str = "jpg") -> None:
    path = media_path(photo_id, extension)
    content = place.read(path)
    place.write(path, bytes([content[0] ^ 1]) + content[1:])


def lines_of(manifest: Path) -> list[str]:
    return sorted(manifest.read_text().splitlines())


def progress_of(place: MirrorPlace) -> bytes:
    """All that a journal of verification holds."""
    return b"".join(map(place.read, filter(is_progress, place.list("ledger/"))))


def is_progress(path: str) -> bool:
    return path.startswith("ledger/verify")


class StoppedError(Exception):
    """Ends a verification where it is."""


def verify_until(place: MirrorPlace, n_items: int, **options) -> int:
    """Verify until so many items are read; how many were."""
    seen = [0]

    def stop(summary: VerifySummary) -> None:
        seen.append(summary.n_items)
        if summary.n_items >= n_items:
            raise StoppedError

    with open_any(place.address) as mirror, pytest.raises(StoppedError):
        verify_mirror(mirror, VerifyOptions(**options), stop)
    return seen[-1]


def test_a_verification_that_was_stopped_goes_on(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    flip(place, ITEMS[0].photo_id)
    flip(place, ITEMS[11].photo_id)
    manifest = tmp_path / "list.txt"
    whole = verify(place, manifest=manifest)
    expected = lines_of(manifest)
    assert (len(expected), len(whole.damages)) == (20, 2)
    manifest.unlink()
    n_read = verify_until(place, 6, manifest=manifest)
    assert 6 <= n_read < 12
    with Path(f"{manifest}.part").open("a") as part:
        part.write("torn")
    resumed = verify(place, manifest=manifest)
    assert (resumed.n_items, resumed.n_items_resumed) == (12, n_read)
    assert resumed.damages == whole.damages
    assert lines_of(manifest) == expected
    assert progress_of(place) == b""
    assert verify(place).n_items_resumed == 0


def test_killed_it_goes_on_where_it_was(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    flip(place, ITEMS[3].photo_id)
    manifest, log = tmp_path / "list.txt", tmp_path / "log"
    n_known = 0
    for n_until in (4, 8):
        command = [*("-m", "tests.fakes.verify_child", place.address), str(manifest), str(log)]
        child = subprocess.Popen([sys.executable, *command, str(n_until)], cwd=REPOSITORY)
        try:
            wait_until(lambda n=n_until: told(log)[-1:] >= [n])
        finally:
            child.kill()
            code = child.wait()
        assert code == -signal.SIGKILL
        n_known, n_before = told(log)[-1], n_known
        assert n_before < n_known < 12
    assert progress_of(place)
    resumed = verify(place, manifest=manifest)
    assert (resumed.n_items, resumed.n_items_resumed) == (12, n_known)
    assert [each.problem for each in resumed.damages] == [Problem.CHANGED]
    assert len(told(log)) == len(set(told(log))), "a shard was read twice"
    resumed_lines = lines_of(manifest)
    assert verify(place, manifest=manifest).n_items_resumed == 0
    assert resumed_lines == lines_of(manifest)
    assert [path for path in place.list("ledger/locks/") if "verify" in path] == []


def told(log: Path) -> list[int]:
    return list(map(int, log.read_text().splitlines())) if log.exists() else []


def test_only_the_same_verification_is_gone_on_with(place: MirrorPlace) -> None:
    fill(place)
    verify_until(place, 1)
    assert verify(place, shards=frozenset(range(4096))).n_items_resumed == 0
    verify_until(place, 1)
    assert verify(place, restart=True).n_items_resumed == 0
    verify_until(place, 1)
    with open_any(place.address) as mirror:
        drop_verify_progress(mirror)
    assert progress_of(place) == b""
    assert verify(place).n_items_resumed == 0
    n_read = verify_until(place, 1)
    assert verify(place).n_items_resumed == n_read > 0


def test_two_verifications_at_once_do_not_mix_their_progress(place: MirrorPlace) -> None:
    fill(place)
    refused = []

    def meanwhile(_: VerifySummary) -> None:
        with pytest.raises(LockedError, match="being verified by another process") as caught:
            verify(place)
        refused.append(caught.value.exit_code)
        # Runs and rechecks are none of its business.
        with open_any(place.address) as mirror:
            open_journal(mirror, "recheck", "rechecked", 0.0).close()
        assert fill(place).outcomes == {"already_stored": 12}

    with open_any(place.address) as mirror:
        verify_mirror(mirror, VerifyOptions(), lambda summary: refused or meanwhile(summary))
    assert refused == [5]
    assert place.list("ledger/locks/") == []


def test_sha256sum_accepts_the_manifest_in_a_copy(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    copy = DirectoryMirror(tmp_path / "copy")
    for path in place.list("media/"):
        copy.write(path, place.read(path))
    verify(place, manifest=tmp_path / "list.txt")
    assert len(lines_of(tmp_path / "list.txt")) == 2 * 12
    command = ["sha256sum", "--check", "--strict", "--quiet", str(tmp_path / "list.txt")]
    assert subprocess.run(command, cwd=copy.root, check=False).returncode == 0
    flip(copy, ITEMS[2].photo_id)
    assert subprocess.run(command, cwd=copy.root, check=False).returncode == 1


def test_processes_find_what_this_one_finds(place: MirrorPlace, tmp_path: Path) -> None:
    fill(place)
    flip(place, ITEMS[1].photo_id)
    place.remove(media_path(ITEMS[5].photo_id, "json"))
    alone = verify(place, manifest=tmp_path / "alone")
    more = {"n_workers": 2, "bytes_worth_a_process": 0}
    together = verify(place, manifest=tmp_path / "together", **more)
    assert [each.problem for each in alone.damages] == [each.problem for each in together.damages]
    assert len(alone.damages) == 2
    assert lines_of(tmp_path / "alone") == lines_of(tmp_path / "together")


def test_a_sample_is_drawn_again_by_its_seed(place: MirrorPlace) -> None:
    fill(place)
    for item in ITEMS[:6]:
        flip(place, item.photo_id)
    first, again = (verify(place, n_sample=5, seed=1) for _ in range(2))
    assert (first.n_items, first.seed, first.orphans) == (5, 1, [])
    assert first.damages == again.damages
    assert 0 < len(first.damages) <= 5
    assert not any(is_progress(path) for path in place.list("ledger/"))


class Pictures(FakeAcquire):
    """Fetches true pictures for the first item, one that is kept in a file while it is decoded."""

    def __call__(self, item: Item, sink: Sink) -> FakeAcquired:
        if item.photo_id != ITEMS[0].photo_id:
            return super().__call__(item, sink)
        content = picture("JPEG", (1_600, 1_200))
        assert len(content) > MEMORY_BYTES
        sink.write(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return FakeAcquired(Outcome.STORED, extension="jpg", n_bytes=len(content), sha256=sha256)


def test_pictures_are_decoded_and_what_is_none_is_damage(place: MirrorPlace) -> None:
    fill(place, ITEMS[:3], Pictures())
    with open_any(place.address) as mirror:
        found = repair_mirror(mirror, VerifyOptions(deep=True))
    damages = {(each.problem, each.path) for each in found.damages}
    assert damages == {
        (Problem.UNDECODABLE, media_path(item.photo_id, "jpg")) for item in ITEMS[1:3]
    }
    assert (found.n_items, found.n_repaired, found.n_not_decoded) == (3, 2, 0)
    assert verify(place, deep=True).damages == []


def test_the_commands_are_the_same_for_every_place(
    place: MirrorPlace, run_yfcc: RunYfcc, tmp_path: Path
) -> None:
    fill(place)
    flip(place, ITEMS[4].photo_id)
    environment = {}
    if isinstance(place, BucketPrefix):
        environment = credentials(place.store.owner) | {
            "YFCC_MIRROR_ENDPOINT": place.store.endpoint,
            "AWS_REGION": "us-east-1",
        }

    def yfcc(*arguments: str) -> tuple[int, str, str]:
        done = run_yfcc(*arguments, "--mirror", place.address, **environment)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = yfcc("verify", "--json", "--manifest", "list.txt")
    told = json.loads(out)
    assert (code, told.pop("mirror"), len(told.pop("damages"))) == (8, place.address, 1)
    counts = {"n_items": 12, "n_bytes": 36_000, "n_damaged": 1, "n_repaired": 0, "seed": None}
    assert told | counts | {"n_items_resumed": 0, "orphans": [], "shared_bytes": []} == told
    assert len(lines_of(tmp_path / "list.txt")) == 2 * 11
    code, out, err = yfcc("verify", "--deep", "--sample", "3", "--seed", "5")
    assert (code, len(out.splitlines())) == (8, 4)
    said = "3 stored items, 9,000 bytes read again, a sample with --seed 5: 3 damaged, 0 orphaned"
    assert out.splitlines()[-1].startswith(said)
    assert "3 of 3 stored items are damaged" in err
    code, out, err = yfcc("verify", "--repair")
    said = "12 stored items, 36,000 bytes read again: 1 damaged, 0 orphaned, 1 taken back"
    assert (code, out.splitlines()[-1]) == (8, said)
    assert "run the download again: it fetches them anew" in err
    code, out, err = yfcc("recheck")
    assert (code, out, err) == (0, "", "pages of 11 stored items: 11 no page\n")
    code, _, err = yfcc("verify", "--manifest", "s3://bucket/list.txt")
    assert (code, "expected a file on this machine" in err) == (2, True)


# What only a bucket can do.


class UnwritableObjects(Objects):
    """Some keys are refused, as by a policy or a quota."""

    refused = "ledger/"
    code = "AccessDenied"

    def _put(self, key: str, content: bytes, **condition: str) -> str:
        if key.startswith(self.refused):
            raise ClientError({"Error": {"Code": self.code}}, "PutObject")
        return super()._put(key, content, **condition)


class FullObjects(UnwritableObjects):
    refused = "ledger/verify"
    code = "QuotaExceeded"


@pytest.mark.parametrize("kind", [UnwritableObjects, FullObjects])
def test_a_bucket_that_cannot_be_written_is_verified_all_the_same(
    bucket: BucketPrefix, kind: type[Objects], tmp_path: Path
) -> None:
    fill(bucket)
    flip(bucket, ITEMS[4].photo_id)
    with BucketMirror(kind(bucket.address)) as mirror:
        summary = verify_mirror(mirror, VerifyOptions(save_every_s=0.0))
        assert (summary.n_items, len(summary.damages)) == (12, 1)
    assert not any(is_progress(path) for path in bucket.list("ledger/"))
    assert bucket.list("ledger/locks/") == []
    with (
        BucketMirror(UnwritableObjects(bucket.address)) as mirror,
        pytest.raises(TargetError, match="permission denied"),
    ):
        verify_mirror(mirror, VerifyOptions(manifest=tmp_path / "list.txt"))


def test_an_object_in_an_archive_is_unreadable_and_no_end(bucket: BucketPrefix) -> None:
    if bucket.store.name == "radosgw":
        pytest.skip("radosgw has no archive")
    fill(bucket)
    path = media_path(ITEMS[4].photo_id, "jpg")
    bucket.store.client.put_object(
        Bucket=bucket.bucket,
        Key=f"a/mirror/{path}",
        Body=bucket.read(path),
        StorageClass="GLACIER",
    )
    (damage,) = verify(bucket).damages
    assert (damage.problem, damage.path) == (Problem.UNREADABLE, path)
    assert "InvalidObjectState" in damage.got


def test_a_journal_in_a_bucket_is_cut_at_any_line(
    bucket: BucketPrefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_journal, "PART_BYTES", 25)
    lines = [f"line {number:02d}".encode() for number in range(6)]
    with BucketMirror(Objects(bucket.address)) as mirror:
        for n_kept in (0, 1, 4, 5, 6):
            journal = open_journal(mirror, "verify", "verified", 0.0)
            journal.cut(0)
            for line in lines:
                journal.append(line + b"\n")
            journal.close()
            assert len(bucket.list("ledger/verify/")) == 2
            journal = open_journal(mirror, "verify", "verified", 0.0)
            assert list(journal.read()) == lines
            journal.cut(n_kept * len(b"line 00\n"))
            journal.append(b"new\n")
            assert list(journal.read()) == [*lines[:n_kept], b"new"]
            journal.close()


def test_a_journal_in_a_bucket_is_written_now_and_then_and_at_its_end(bucket: BucketPrefix) -> None:
    with BucketMirror(Objects(bucket.address)) as mirror:
        journal = open_journal(mirror, "verify", "verified", 3_600.0)
        journal.cut(0)
        for line in (b"a\n", b"b\n", b"c\n"):
            journal.append(line)
        assert bucket.read("ledger/verify/00000001.jsonl") == b"a\n"
        journal.close()
        assert bucket.read("ledger/verify/00000001.jsonl") == b"a\nb\nc\n"
        assert bucket.list("ledger/locks/") == []


def test_a_journal_whose_lock_was_taken_away_is_not_written(bucket: BucketPrefix) -> None:
    with BucketMirror(Objects(bucket.address)) as mirror:
        # Sure of nothing, it asks the store before every write.
        unsure = Pace(sure_for_s=-1.0)
        journal = ObjectJournal(mirror, "verify", "verified", 0.0, unsure)
        journal.append(b"a\n")
        (lock,) = bucket.list("ledger/locks/")
        bucket.remove(lock)
        with pytest.raises(LockedError, match="was removed while"):
            journal.append(b"b\n")
        journal.close()
    assert bucket.read("ledger/verify/00000001.jsonl") == b"a\n"
