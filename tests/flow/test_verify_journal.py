"""The progress of a verification survives what it may, and never speaks of what was not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.fault_counts import count_cases
from tests.fakes.forgetting import SECOND, fill, tombstone
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_disk import RecordingDisk
from tests.fakes.mirror_items import make_items
from yfcc.mirror.findings import VerifySummary
from yfcc.mirror.forget import forget
from yfcc.mirror.root import open_mirror
from yfcc.mirror.verify import VerifyOptions, verify_mirror

ITEMS = make_items(40)


class KilledError(Exception):
    """Ends a verification where it is."""


def verify_partly(root: Path, manifest: Path | None = None) -> None:
    """Verify until half of the items are read."""

    def stop(summary: VerifySummary) -> None:
        if summary.n_items >= len(ITEMS) // 2:
            raise KilledError

    with open_mirror(root) as mirror, pytest.raises(KilledError):
        verify_mirror(mirror, VerifyOptions(manifest=manifest), stop)


def test_a_journal_that_is_done_is_emptied_durably(tmp_path: Path) -> None:
    fill(tmp_path)
    journal = str(tmp_path / "ledger" / "verify.jsonl")
    disk = RecordingDisk()
    with open_mirror(tmp_path, disk) as mirror:
        verify_mirror(mirror)
        of_verify = [name for name, path in disk.calls if path == journal]
        assert of_verify[-2:] == ["truncate", "fdatasync"]
        # Begun anew, it must not come back as the one before.
        assert of_verify[:3] == ["truncate", "fdatasync", "write"]
        disk.calls.clear()
        forget(mirror, [tombstone(SECOND)])
    assert [name for name, path in disk.calls if path == journal] == ["truncate", "fdatasync"]


@pytest.mark.parametrize("damage", [b"\0" * 200, b"f" * 200])
def test_a_manifest_that_lost_bytes_to_a_power_cut_is_written_anew(
    tmp_path: Path, damage: bytes
) -> None:
    root, manifest = tmp_path / "mirror", tmp_path / "sha256"
    download(root, ITEMS)
    with open_mirror(root) as mirror:
        verify_mirror(mirror, VerifyOptions(manifest=manifest))
    expected = sorted(manifest.read_text().splitlines())
    manifest.unlink()
    verify_partly(root, manifest)
    part = manifest.with_name("sha256.part")
    content = part.read_bytes()
    middle = len(content) // 2
    part.write_bytes(content[:middle] + damage + content[middle + len(damage) :])
    with open_mirror(root) as mirror:
        summary = verify_mirror(mirror, VerifyOptions(manifest=manifest))
    assert sorted(manifest.read_text().splitlines()) == expected
    assert 0 < summary.n_items_resumed < len(ITEMS) // 2
    assert summary.n_items == len(ITEMS)
    count_cases(1)


@pytest.mark.parametrize("damage", [b"\0" * 100, b"x"])
def test_lines_after_one_that_a_power_cut_tore_do_not_count(tmp_path: Path, damage: bytes) -> None:
    download(tmp_path, ITEMS)
    verify_partly(tmp_path)
    journal = tmp_path / "ledger" / "verify.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) > 4
    lines[2] = damage + lines[2][len(damage) :]
    journal.write_bytes(b"".join(lines))
    with open_mirror(tmp_path) as mirror:
        summary = verify_mirror(mirror)
    assert 0 < summary.n_items_resumed < len(ITEMS) // 4
    assert (summary.n_items, summary.damages) == (len(ITEMS), [])
