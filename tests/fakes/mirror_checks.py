"""What has to hold of a mirror at any moment, read with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.fakes.mirror_items import FINGERPRINT, FakeAcquire, ListSource, media_bytes
from yfcc.mirror.disk import Disk
from yfcc.mirror.opening import create_any
from yfcc.mirror.plan import plan_download
from yfcc.mirror.root import open_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.totals import RunProgress, RunSummary
from yfcc.mirror.verify import verify_mirror
from yfcc.model import Item, id_prefix

#: The columns of ``downloads``, in the contract's order.
COLUMNS = [
    *("photo_id", "outcome", "source", "url", "path", "n_bytes", "sha256", "content_type"),
    *("width", "height", "http_status", "attempts", "first_error", "fetched_at"),
    *("x_robots_tag", "shard", "n_trailing_bytes", "has_zero_run", "evidence"),
]


def download(
    root: Path | str,
    items: list[Item],
    acquire: FakeAcquire | None = None,
    disk: Disk | None = None,
    stop: StopRequest | None = None,
    report: Callable[[RunProgress], None] | None = None,
    **options: object,
) -> RunSummary:
    """One run over items that are the whole selection."""
    source = ListSource(items)
    with create_any(root, disk=disk) as mirror:
        plan = plan_download(source.count_by_shard())
        job = DownloadJob(mirror, source, plan, acquire or FakeAcquire(), FINGERPRINT)
        return run_download(job, RunOptions(**{"n_workers": 4, **options}), stop, report)


def media_file(root: Path, photo_id: int, extension: str = "jpg") -> Path:
    first, second = id_prefix(photo_id)
    return root / "media" / first / second / f"{photo_id}.{extension}"


def read_records(root: Path) -> dict[int, dict]:
    """Latest committed record of every item, read the slow way."""
    latest = {}
    for path in sorted(root.glob("ledger/*.jsonl")):
        waiting: list[bytes] = []
        for line in path.read_bytes().splitlines(keepends=True):
            if line.startswith(b'{"commit":') and line.endswith(b"\n"):
                if _is_seal_of(line, waiting):
                    records = [_filled(json.loads(each)) for each in waiting]
                    latest.update({record["photo_id"]: record for record in records})
                waiting = []
            else:
                waiting.append(line)
    return latest


def _is_seal_of(line: bytes, waiting: list[bytes]) -> bool:
    try:
        seal = json.loads(line)["commit"]
        return (seal["n"], seal["crc32"]) == (len(waiting), zlib.crc32(b"".join(waiting)))
    except (ValueError, KeyError, TypeError):
        return False  # a flipped bit


def _filled(line: dict) -> dict:
    """A record with what is left out of its line."""
    record = {name: line.get(name) for name in COLUMNS} | line
    first, second = id_prefix(record["photo_id"])
    if extension := record.pop("extension", None):
        record["path"] = f"media/{first}/{second}/{record['photo_id']}.{extension}"
    if record["shard"] is None:
        record["shard"] = int(first + second) * 2_654_435_761 % 2**32 >> 20
    return record


def whole_on_disk(root: Path) -> set[int]:
    """Items with media and JSON; whatever has a final name has to be whole."""
    media, documents = set(), set()
    for path in root.glob("media/*/*/*"):
        assert path.is_file()
        assert not path.is_symlink()
        photo_id = int(path.stem)
        if path.suffix == ".json":
            assert json.loads(path.read_bytes())["photo_id"] == photo_id
            documents.add(photo_id)
        else:
            assert path.suffix == ".jpg"
            content = path.read_bytes()
            assert content == media_bytes(photo_id, len(content)), "a torn file"
            media.add(photo_id)
    assert media <= documents, "bytes that no JSON names"
    return media & documents


def check_invariants(root: Path) -> None:
    """Ledger within disk, no torn file, nothing that verify would object to."""
    on_disk = whole_on_disk(root)
    records = read_records(root)
    stored = {each["photo_id"]: each for each in records.values() if each["outcome"] == "stored"}
    assert set(stored) <= on_disk, "recorded, but not there"
    for record in stored.values():
        content = (root / record["path"]).read_bytes()
        assert len(content) == record["n_bytes"]
        assert hashlib.sha256(content).hexdigest() == record["sha256"]
    with open_mirror(root) as mirror:
        assert verify_mirror(mirror).damages == []
