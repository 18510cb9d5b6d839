"""Links and foreign files planted in a mirror lead nowhere."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.forgetting import tombstone
from tests.fakes.mirror_checks import download, read_records
from tests.fakes.mirror_items import FakeAcquire, make_item, make_items
from yfcc.errors import TargetError, UsageError
from yfcc.mirror.findings import Problem
from yfcc.mirror.forget import forget
from yfcc.mirror.root import create_mirror, open_mirror
from yfcc.mirror.totals import RunProgress
from yfcc.mirror.verify import verify_mirror

ITEM = make_item(4207153986)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create_mirror(tmp_path / "mirror").close()
    return tmp_path / "mirror"


@pytest.mark.parametrize("directory", ["media", "media/420", "media/420/715", "ledger", "tmp"])
def test_a_linked_directory_is_refused(root: Path, outside: Path, directory: str) -> None:
    link = root / directory
    if link.exists():
        link.rename(outside / "moved")
        link.symlink_to(outside / "moved")
    else:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(outside)
    with pytest.raises(TargetError, match="symbolic link"):
        download(root, [ITEM])
    assert not list(outside.rglob("*.jpg"))
    assert not list(outside.rglob("*.json"))


@pytest.mark.parametrize("kind", ["link", "dangling", "directory", "fifo"])
@pytest.mark.parametrize("name", ["4207153986.jpg", "4207153986.json"])
def test_what_stands_in_a_files_place_is_replaced_or_refused(
    root: Path, outside: Path, name: str, kind: str
) -> None:
    place = root / "media/420/715" / name
    place.parent.mkdir(parents=True)
    target = outside / "target"
    if kind == "link":
        target.write_bytes(b"precious")
        place.symlink_to(target)
    elif kind == "dangling":
        place.symlink_to(target)
    elif kind == "directory":
        place.mkdir()
    else:
        os.mkfifo(place)
    try:
        download(root, [ITEM])
    except TargetError:
        assert read_records(root) == {}
    else:
        assert place.is_file()
        assert not place.is_symlink()
        with open_mirror(root) as mirror:
            assert verify_mirror(mirror).damages == []
    if kind == "link":
        assert target.read_bytes() == b"precious"
    else:
        assert not target.exists()


def test_a_linked_ledger_file_is_refused(root: Path, outside: Path) -> None:
    target = outside / "ledger"
    target.write_bytes(b"")
    (root / "ledger" / f"{ITEM.shard:03x}.jsonl").symlink_to(target)
    acquire = FakeAcquire()
    with pytest.raises(TargetError, match="symbolic link"):
        download(root, [ITEM], acquire)
    assert target.read_bytes() == b""
    assert not acquire.asked


@pytest.mark.parametrize("name", ["ledger/runs", "ledger/locks", "mirror.json"])
def test_a_link_in_place_of_what_a_run_writes_to_is_refused(
    root: Path, outside: Path, name: str
) -> None:
    (root / name).rename(outside / "moved")
    (root / name).symlink_to(outside / "moved")
    before = sorted(outside.rglob("*"))
    acquire = FakeAcquire()
    with pytest.raises(TargetError, match="symbolic link"):
        download(root, [ITEM], acquire)
    assert not acquire.asked
    assert sorted(outside.rglob("*")) == before


@pytest.mark.parametrize("name", ["tombstones.jsonl", "verify.jsonl"])
def test_a_link_in_place_of_a_list_is_refused(root: Path, outside: Path, name: str) -> None:
    (outside / "target").write_bytes(b"precious\n")
    (root / "ledger" / name).symlink_to(outside / "target")
    write = {
        "verify.jsonl": verify_mirror,
        "tombstones.jsonl": lambda mirror: forget(mirror, [tombstone(1)]),
    }
    with open_mirror(root) as mirror, pytest.raises(TargetError, match="symbolic link"):
        write[name](mirror)
    assert (outside / "target").read_bytes() == b"precious\n"


def test_who_may_read_and_write(tmp_path: Path) -> None:
    modes: dict[str, set[int]] = {"media": set(), "ledger": set(), "folder": set()}

    def look(_progress: RunProgress) -> None:  # while locks are held and parts are written
        for path in root.rglob("*"):
            with suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                kind = path.relative_to(root).parts[0]
                kind = "folder" if stat.S_ISDIR(mode) else "ledger" if kind == "ledger" else "media"
                modes[kind].add(stat.S_IMODE(mode))

    root = tmp_path / "mirror"
    before = os.umask(0)
    try:
        download(root, make_items(20), report=look)
        with open_mirror(root) as mirror:
            forget(mirror, [tombstone(1)])
            verify_mirror(mirror)
    finally:
        os.umask(before)
    assert modes == {"media": {0o644}, "ledger": {0o600}, "folder": {0o755}}
    assert stat.S_IMODE((root / "ledger/tombstones.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "ledger/verify.jsonl").stat().st_mode) == 0o600


def test_verify_does_not_follow_a_link_to_the_right_bytes(root: Path, outside: Path) -> None:
    download(root, [ITEM])
    media = root / "media/420/715/4207153986.jpg"
    media.rename(outside / "moved.jpg")
    media.symlink_to(outside / "moved.jpg")
    with open_mirror(root) as mirror:
        (damage,) = verify_mirror(mirror).damages
    assert damage.problem is Problem.UNREADABLE


def test_a_linked_root_is_the_users_choice(root: Path, outside: Path) -> None:
    link = outside / "link"
    link.symlink_to(root)
    assert download(link, [ITEM]).outcomes == {"stored": 1}
    assert (root / "media/420/715/4207153986.jpg").is_file()


def test_a_folder_that_is_no_mirror_is_said_to_be_none(outside: Path) -> None:
    with pytest.raises(UsageError, match="no mirror"):
        open_mirror(outside)
    with pytest.raises(UsageError, match="no mirror"):
        open_mirror(outside / "missing")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format":2,"n_shards":4096}'])
def test_a_mirror_of_another_format_is_refused(root: Path, content: str) -> None:
    (root / "mirror.json").write_text(content)
    with pytest.raises(UsageError, match="mirror"):
        download(root, [ITEM])
