"""The commands that change a mirror: what each begins with, does, and leaves when it is through.

``python -m tests.fakes.mirror_commands NAME ROOT`` carries one out.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.forgetting import SECOND, fill, tombstone
from tests.fakes.mirror_checks import check_invariants, download, media_file, read_records
from tests.fakes.mirror_items import make_items
from yfcc.errors import YfccError
from yfcc.mirror.committer import GroupLimits
from yfcc.mirror.disk import Disk
from yfcc.mirror.forget import forget
from yfcc.mirror.repair import repair_mirror
from yfcc.mirror.root import open_mirror
from yfcc.mirror.run_file import iter_runs
from yfcc.mirror.status import read_status
from yfcc.mirror.tombstones import read_removals
from yfcc.mirror.verify import VerifyOptions

ITEMS = make_items(7)
#: Enough of them in one directory for a ledger of several commits.
NEIGHBOURS = make_items(8, first_id=5_000_000_000, step=3)
#: What a record tells of the run that wrote it, and not of the item; the JSON has its time.
_OF_RUNS = {
    *("fetched_at", "run_id", "attempts", "http_status", "first_error", "last_error"),
    "document_crc32",
}


@dataclass(frozen=True)
class Command:
    """A command, and how it is tried.

    Attributes
    ----------
    prepare : callable
        Makes the mirror that it finds.
    run : callable
        Does it.
    finish : callable
        What a user does after it was broken off, until nothing is left to do.
    check : callable
        What holds of a mirror in which it was broken off.
    """

    prepare: Callable[[Path], object]
    run: Callable[[Path, Disk], object]
    finish: Callable[[Path], object]
    check: Callable[[Path], object]


def _download(root: Path, disk: Disk | None = None) -> None:
    limits = GroupLimits(n_records=3)
    download(root, ITEMS, disk=disk, n_workers=1, limits=limits, min_free_bytes=0)


def _check_download(root: Path) -> None:
    if root.joinpath("mirror.json").exists():
        check_invariants(root)


def _forget(root: Path, disk: Disk | None = None) -> None:
    with open_mirror(root, disk) as mirror:
        forget(mirror, [tombstone(SECOND)])


def _check_forget(root: Path) -> None:
    with open_mirror(root) as mirror:
        is_begun = bool(read_removals(mirror).known)
    if not is_begun:
        check_invariants(root)
        assert read_records(root)[SECOND]["outcome"] == "stored"


def _fill_and_damage(root: Path) -> None:
    download(root, [*ITEMS, *NEIGHBOURS], limits=GroupLimits(n_records=2), n_workers=1)
    missing, changed, bare = (media_file(root, item.photo_id) for item in ITEMS[:3])
    missing.unlink()
    changed.write_bytes(b"x" + changed.read_bytes()[1:])
    bare.with_suffix(".json").unlink()
    ledger = root / "ledger" / f"{NEIGHBOURS[0].shard:03x}.jsonl"
    content = bytearray(ledger.read_bytes())
    content[40] ^= 1
    ledger.write_bytes(content)


def _repair(root: Path, disk: Disk | None = None) -> None:
    with open_mirror(root, disk) as mirror:
        repair_mirror(mirror, VerifyOptions(manifest=root.with_suffix(".sha256")))


def _check_repair(root: Path) -> None:
    """No damaged item is out of sight: recorded as stored, and so found, or to be fetched again."""
    records = read_records(root)
    for item in ITEMS[3:]:
        assert records[item.photo_id]["outcome"] == "stored"
        assert media_file(root, item.photo_id).exists()
    for item in ITEMS[:3]:
        record = records[item.photo_id]
        if record["outcome"] == "failed":
            assert (record["path"], record["sha256"]) == (None, None)
            continue
        assert record["outcome"] == "stored"
    manifest = root.with_suffix(".sha256")
    if manifest.exists():  # it is there whole, and names nothing that is damaged
        for line in manifest.read_text().splitlines():
            digest, _, path = line.partition("  ")
            if not any(str(item.photo_id) in path for item in ITEMS[:3]):
                assert hashlib.sha256((root / path).read_bytes()).hexdigest() == digest


def _finish_repair(root: Path) -> None:
    _repair(root)
    download(root, [*ITEMS, *NEIGHBOURS], min_free_bytes=0)
    root.with_suffix(".sha256").unlink()


COMMANDS = {
    "download": Command(lambda _: None, _download, _download, _check_download),
    "forget": Command(fill, _forget, _forget, _check_forget),
    "repair": Command(_fill_and_damage, _repair, _finish_repair, _check_repair),
}


def state_of(root: Path) -> dict[str, dict[Any, Any]]:
    """All that a mirror holds, but for what tells one run from another."""
    files: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        # Whoever checks a mirror leaves an empty journal of it.
        if name.startswith("ledger/runs/") or name == "ledger/verify.jsonl":
            continue
        if path.is_dir():
            files[name] = "a directory"
        elif name.startswith("media/"):
            content = path.read_bytes()
            if path.suffix == ".json":
                document = json.loads(content)
                document["media"].pop("fetched_at")
                files[name] = document
            else:
                files[name] = hashlib.sha256(content).hexdigest()
        else:
            files[name] = "a file"
    records = {
        photo_id: {name: value for name, value in record.items() if name not in _OF_RUNS}
        for photo_id, record in sorted(read_records(root).items())
    }
    with open_mirror(root) as mirror:
        removals = read_removals(mirror)
        for run in iter_runs(mirror):
            run.check()
        status = read_status(mirror)
    outcomes = Counter(record["outcome"] for record in records.values())
    assert status.outcomes == outcomes
    assert status.n_bytes == sum(record["n_bytes"] or 0 for record in records.values())
    return {
        "files": files,
        "records": records,
        "removals": {key: key in removals.pending for key in removals.known},
    }


def main(name: str, root: Path) -> int:
    """The exit code of a command, as the user would see it."""
    try:
        COMMANDS[name].run(root, Disk())
    except YfccError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
