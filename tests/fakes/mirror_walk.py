"""A walk of runs, kills, full disks, removals, damage and repair in any order over one mirror.

After every step the mirror is looked at with nothing but the standard library, and compared with
what the walk did to it. ``python -m tests.fakes.mirror_walk FOLDER SEED N_STEPS`` takes one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import random
import shutil
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.fakes.forgetting import make_owned
from tests.fakes.mirror_checks import media_file, read_records
from tests.fakes.mirror_disk import DyingDisk, FailingDisk, KillingDisk, SmallDisk
from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, media_bytes
from tests.fakes.mirror_oracle import (
    N_BYTES,
    check_runs,
    check_status,
    is_forbidden,
    read_tombstones,
    state_of_files,
)
from yfcc.catalog.tombstones import Kind, Reason, Tombstone
from yfcc.errors import TargetError
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.disk import Disk
from yfcc.mirror.findings import Problem
from yfcc.mirror.forget import forget
from yfcc.mirror.plan import plan_download
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.totals import Fingerprint
from yfcc.mirror.verify import VerifyOptions, verify_mirror
from yfcc.model import Item, Outcome

OPERATIONS = ("write", "fsync", "fdatasync", "rename", "open", "close", "unlink", "mkdir")
#: Items that are not removed: as many as a walk always has to choose from.
N_LIVING = 40

STEPS = {
    "run": 8,
    "kill": 1,
    "forget": 2,
    "harm_item": 2,
    "harm_ledger": 1,
    "leave_rubbish": 1,
    "verify": 2,
    "cut_verify_short": 1,
    "repair": 2,
}


def some_disk(chance: random.Random) -> Disk:
    """A disk that works, or one that will not."""
    n = chance.randrange(1, 150)
    code = chance.choice([errno.EIO, errno.ENOSPC, errno.EROFS])
    failing = FailingDisk(chance.choice(OPERATIONS), n, code)
    small = SmallDisk(chance.randrange(40_000))
    return chance.choice([failing, small, DyingDisk(n), Disk(), Disk()])


@dataclass
class Walk:
    """One mirror, and what is known of it from outside."""

    root: Path
    chance: random.Random
    items: list[Item] = field(default_factory=list)
    #: Items that the walk damaged and nobody mended.
    harmed: set[int] = field(default_factory=set)
    rubbish: set[str] = field(default_factory=set)
    #: Ledgers that the walk damaged.
    harmed_ledgers: set[str] = field(default_factory=set)
    #: Records of runs that ended: their bytes never change.
    run_files: dict[str, bytes] = field(default_factory=dict)
    #: Runs, and what each was asked.
    asked: dict[str, Fingerprint] = field(default_factory=dict)
    n_steps: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        create_mirror(self.root).close()
        self.grow()

    def grow(self) -> None:
        """New items, as a catalog gets them, in place of those that were removed."""
        banned = self.banned()
        while sum(item.photo_id not in banned for item in self.items) < N_LIVING:
            photo_id = 4_207_150_000 + 9_973 * len(self.items)
            owner = f"{self.chance.randrange(10, 20) + len(self.items) // 10}@N00"
            item = make_owned(photo_id, owner, f"Title {photo_id}")
            self.items.append(item)
            if is_forbidden(self.tombstones()[0], item):
                banned.add(photo_id)
        self.items.sort(key=lambda item: (item.shard, item.photo_id))

    def step(self) -> str:
        """Do something, and look what came of it."""
        name = self.chance.choices(list(STEPS), list(STEPS.values()))[0]
        getattr(self, name)()
        self.n_steps[name] += 1
        self.check()
        return name

    def tombstones(self) -> tuple[set[tuple[str, str]], bool]:
        """Removals in the mirror's list, and whether some are not carried out yet."""
        return read_tombstones(self.root)

    def banned(self, *, before_fetch: bool = False) -> set[int]:
        """Items that are removed for good; by their bytes they are known once these are here."""
        known, _ = self.tombstones()
        if before_fetch:
            known = {(kind, value) for kind, value in known if kind != "sha256"}
        return {item.photo_id for item in self.items if is_forbidden(known, item)}

    def state_of(self, photo_id: int, record: dict | None) -> str:
        """``whole``, ``broken`` or ``absent``, by the files of an item."""
        return state_of_files(self.root, photo_id, record)

    # What can happen

    def _job(self, disk: Disk, chosen: list[Item], acquire: FakeAcquire):
        asked = replace(
            FINGERPRINT,
            selection_sql=f"select {len(chosen)}",
            sources=self.chance.choice([("s3",), ("s3", "flickr"), ("flickr",)]),
            tool_version=self.chance.choice(["1.0", "1.1"]),
        )
        mirror = open_mirror(self.root)
        mirror.disk = disk
        source = ListSource(chosen)
        return DownloadJob(mirror, source, plan_download(source.count_by_shard()), acquire, asked)

    def _chosen(self) -> list[Item]:
        share = self.chance.choice([0.1, 0.5, 1.0])
        return [item for item in self.items if self.chance.random() < share]

    def _options(self, *, force: bool) -> RunOptions:
        limits = GroupLimits(self.chance.randrange(1, 9))
        n_workers = self.chance.randrange(1, 4)
        return RunOptions(n_workers=n_workers, limits=limits, force=force, min_free_bytes=0)

    def run(self) -> None:
        """A run over another selection, whatever comes of it."""
        chosen = self._chosen()
        weights = [6, 1, 1]
        fates = [Outcome.STORED, Outcome.FAILED, Outcome.GONE]
        drawn = {item.photo_id: self.chance.choices(fates, weights)[0] for item in chosen}
        recorded = read_records(self.root)
        whole = {each for each in drawn if self.state_of(each, recorded.get(each)) == "whole"}
        banned = self.banned(before_fetch=True)
        acquire = FakeAcquire(drawn.__getitem__, N_BYTES)
        disk = some_disk(self.chance)
        force = type(disk) is Disk and self.chance.random() < 0.2
        job = self._job(disk, chosen, acquire)
        runs = self._runs()
        try:
            summary = run_download(job, self._options(force=force))
        except TargetError:
            assert type(disk) is not Disk
        else:
            assert summary.n_selected == len(chosen) == sum(summary.outcomes.values())
            assert summary.not_yet_tried == 0
            assert summary.outcomes.get("stored", 0) * N_BYTES == summary.n_bytes
            assert summary.outcomes.get("forgotten", 0) >= len(banned & drawn.keys())
        finally:
            job.mirror.close()
        for run_id in self._runs() - runs:
            self.asked[run_id] = job.fingerprint
        assert not banned & set(acquire.asked), "asked for what was removed"
        if not force:
            final = {each for each, record in recorded.items() if record["outcome"] != "failed"}
            assert not final & set(acquire.asked), "asked again for what is known"
            assert not whole & set(acquire.asked), "asked again for what is there"
        recorded = read_records(self.root)
        mended = {
            each for each in self.harmed if self.state_of(each, recorded.get(each)) == "whole"
        }
        self.harmed -= mended

    def _runs(self) -> set[str]:
        return {path.stem for path in self.root.glob("ledger/runs/*.json")}

    def kill(self) -> None:
        """A run in a process of its own that is killed in the midst of some operation."""
        chosen = self._chosen()
        disk = KillingDisk(self.chance.choice(OPERATIONS[:4]), self.chance.randrange(1, 60))
        options = self._options(force=False)
        job = self._job(disk, chosen, FakeAcquire(n_bytes=N_BYTES))
        runs = self._runs()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                run_download(job, options)
            os._exit(0)
        job.mirror.close()
        os.waitpid(child, 0)
        for run_id in self._runs() - runs:
            self.asked[run_id] = job.fingerprint

    def forget(self) -> None:
        """A removal by whatever names an item, which may be cut short."""
        item = self.chance.choice(self.items)
        owner = json.loads(item.document)["metadata"]["user_nsid"]
        digest = hashlib.sha256(media_bytes(item.photo_id, N_BYTES)).hexdigest()
        kind, value = self.chance.choice(
            [(Kind.ID, str(item.photo_id))] * 3
            + [(Kind.HASH, item.photo_hash), (Kind.SHA256, digest)]
            + [(Kind.USER, owner)] * (self.chance.random() < 0.1)
        )
        disk = some_disk(self.chance)
        try:
            with open_mirror(self.root, disk) as mirror:
                summary = forget(mirror, [Tombstone(kind, value, Reason.LEGAL, "2026-11-21")])
        except TargetError:
            assert type(disk) is not Disk
        else:
            # Nobody can say whose an item is whose JSON was damaged.
            unsaid = [each for each in summary.left if "JSON is damaged or missing" in each]
            assert summary.left == unsaid
            assert {int(each.split()[1]) for each in unsaid} <= self.harmed
            known, is_pending = self.tombstones()
            assert (kind.value, value) in known
            assert not is_pending
        recorded = read_records(self.root)
        gone = {each for each in self.harmed if self.state_of(each, recorded.get(each)) == "absent"}
        self.harmed -= gone & self.banned()
        self.grow()

    def harm_item(self) -> None:
        """Damage to the files of a stored item."""
        recorded = read_records(self.root)
        stored = [each for each, record in recorded.items() if record["outcome"] == "stored"]
        stored = sorted(set(stored) - self.harmed - self.banned())
        if not stored:
            return
        photo_id = self.chance.choice(stored)
        media = media_file(self.root, photo_id)
        path = self.chance.choice([media, media.with_suffix(".json")])
        content = bytearray(path.read_bytes())
        match self.chance.randrange(4):
            case 0:
                path.unlink()
            case 1:
                content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
                path.write_bytes(content)
            case 2:
                path.write_bytes(content[: self.chance.randrange(len(content))])
            case 3:
                path.write_bytes(content + b"\0")
        self.harmed.add(photo_id)

    def harm_ledger(self) -> None:
        """Damage to a shard's ledger."""
        ledgers = [each for each in self.root.glob("ledger/???.jsonl") if each.stat().st_size]
        if not ledgers:
            return
        ledgers.sort()
        path = self.chance.choice(ledgers)
        content = bytearray(path.read_bytes())
        match self.chance.randrange(3):
            case 0:
                path.unlink()
            case 1:
                content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
                path.write_bytes(content)
            case 2:
                path.write_bytes(content[: self.chance.randrange(len(content))])
        self.harmed_ledgers.add(path.name)
        # Records that were superseded may count again: files are not as those say.
        recorded = read_records(self.root)
        stored = {each for each, record in recorded.items() if record["outcome"] == "stored"}
        self.harmed |= {each for each in stored if self.state_of(each, recorded[each]) != "whole"}

    def leave_rubbish(self) -> None:
        """Files that no run makes, and what killed runs leave."""
        folders = sorted(path for path in self.root.glob("media/*/*") if path.is_dir())
        if folders and self.chance.random() < 0.5:
            path = self.chance.choice(folders) / f"foreign{self.chance.randrange(9)}.txt"
            path.write_bytes(b"not ours")
            self.rubbish.add(path.relative_to(self.root).as_posix())
        else:
            folder = self.root / f"tmp/20260101t000000z-{self.chance.randrange(99):06x}/0"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "1.part").write_bytes(b"half a photo")
        if len(self.rubbish) > 3:
            for path in self.rubbish:
                (self.root / path).unlink()
            self.rubbish.clear()

    def verify(self) -> None:
        """Everything that is damaged is found, and nothing else is called so."""
        with open_mirror(self.root) as mirror:
            summary = verify_mirror(mirror, VerifyOptions(restart=True))
        recorded = read_records(self.root)
        broken = {
            each
            for each, record in recorded.items()
            if record["outcome"] == "stored" and self.state_of(each, record) != "whole"
        }
        found = {each.record.photo_id for each in summary.damages if each.record is not None}
        assert found == broken
        extra = {each.path for each in summary.damages if each.problem is Problem.EXTRA}
        assert {path for path in extra if "foreign" in path} == self.rubbish
        # A harmed item without a record is none of the mirror's.
        strays = {int(Path(path).stem) for path in extra - self.rubbish}
        assert strays <= self.harmed
        assert not strays & recorded.keys()
        ledgers = {
            each.path.rpartition("/")[2]
            for each in summary.damages
            if each.problem is Problem.LEDGER_DAMAGED
        }
        assert ledgers <= self.harmed_ledgers

    def cut_verify_short(self) -> None:
        """A verification whose disk dies."""
        disk = DyingDisk(self.chance.randrange(1, 30))
        with contextlib.suppress(TargetError), open_mirror(self.root, disk) as mirror:
            verify_mirror(mirror)

    def repair(self) -> None:
        """What is damaged is taken back; if a disk fails in between, the next repair goes on."""
        disk = some_disk(self.chance)
        try:
            with open_mirror(self.root, disk) as mirror:
                repair_mirror(mirror, VerifyOptions(restart=self.chance.random() < 0.5))
        except TargetError:
            assert type(disk) is not Disk
        with open_mirror(self.root) as mirror:
            repair_mirror(mirror, VerifyOptions(restart=True))
            left = verify_mirror(mirror).damages
        assert {damage.problem for damage in left} <= {Problem.EXTRA}
        recorded = read_records(self.root)
        stored = {each for each, record in recorded.items() if record["outcome"] == "stored"}
        self.harmed -= stored
        self.harmed_ledgers.clear()

    # What has to hold

    def check(self) -> None:
        """Look at every file of the mirror."""
        recorded = read_records(self.root)
        known, is_pending = self.tombstones()
        for item in self.items:
            record = recorded.get(item.photo_id)
            state = self.state_of(item.photo_id, record)
            # Without its record nobody knows an item's digest, nor its owner without its JSON:
            # the next run that meets it removes it.
            is_unknown = record is None or item.photo_id in self.harmed
            is_unsaid = is_unknown and ("id", str(item.photo_id)) not in known
            if not is_pending and is_forbidden(known, item) and not is_unsaid:
                assert state == "absent", "a removed item is back"
                outcome = None if record is None else record["outcome"]
                assert outcome != "stored", "a removed item counts as stored"
                # Of what was never fetched the mirror may know the id and no other mark.
                if ("id", str(item.photo_id)) in known and not self.harmed_ledgers:
                    assert outcome in {None, "forgotten"}
            if record is not None and record["outcome"] == "stored":
                assert state == "whole" or item.photo_id in self.harmed, (
                    f"not as recorded: {record}"
                )
            media = media_file(self.root, item.photo_id)
            if item.photo_id not in self.harmed and media.exists():
                assert media.read_bytes() == media_bytes(item.photo_id, N_BYTES), "torn"
                assert media.with_suffix(".json").exists(), "bytes that no JSON names"
        if not self.harmed_ledgers:
            check_status(self.root, recorded)
        check_runs(self.root, self.run_files, self.asked)

    def finish(self) -> None:
        """Repair and one run over everything: all that is not removed is there."""
        self.repair()
        job = self._job(Disk(), self.items, FakeAcquire(n_bytes=N_BYTES))
        with job.mirror as mirror:
            runs = self._runs()
            summary = run_download(job, RunOptions(force=True, n_workers=2, min_free_bytes=0))
            self.asked |= dict.fromkeys(self._runs() - runs, job.fingerprint)
            assert summary.exit_code == 0
            assert mirror.list_names("tmp") == []
        self.harmed.clear()
        self.check()
        banned = self.banned()
        recorded = read_records(self.root)
        stored = {each for each, record in recorded.items() if record["outcome"] == "stored"}
        wanted = {item.photo_id for item in self.items} - banned
        assert stored == wanted, (
            f"{[recorded[each] for each in stored - wanted]} are too many, "
            f"{[recorded.get(each) for each in wanted - stored]} too few"
        )


def take_walk(root: Path, seed: int, n_steps: int) -> Walk:
    """A whole walk.

    Raises
    ------
    AssertionError
        With the steps that led to it as notes.
    """
    walk = Walk(root, random.Random(seed))
    taken: list[str] = []
    try:
        for _ in range(n_steps):
            taken.append(walk.step())
        walk.finish()
    except BaseException as error:
        error.add_note(f"seed {seed}, after {len(taken)} steps: {' '.join(taken[-12:])}")
        raise
    return walk


def main() -> None:
    folder, seed, n_steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    root = folder / f"walk-{seed}"
    walk = take_walk(root, seed, n_steps)
    print(seed, walk.n_steps.total(), dict(walk.n_steps))
    shutil.rmtree(root)


if __name__ == "__main__":
    main()
