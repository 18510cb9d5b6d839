"""The stored items of a mirror, wherever it lies: in order, checked, none that was forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import yfcc
from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_items, media_bytes
from tests.fakes.mirror_places import MirrorPlace
from yfcc.errors import VerifyError
from yfcc.mirror.opening import open_any
from yfcc.model import Outcome, id_prefix
from yfcc.share.stored import StoredCounts, StoredItem, iter_stored


def mirrored(place: MirrorPlace, n_items: int = 24) -> list[int]:
    """Ids of the stored items of a new mirror, in their order; some others are gone."""
    items = make_items(n_items, step=7)
    gone = {item.photo_id for item in items[::6]}
    acquire = FakeAcquire(lambda i: Outcome.GONE if i in gone else Outcome.STORED)
    download(place.address if place.is_bucket else Path(place.address), items, acquire)
    stored = [item for item in items if item.photo_id not in gone]
    stored.sort(key=lambda item: (item.shard, id_prefix(item.photo_id), item.photo_id))
    return [item.photo_id for item in stored]


def path_of(photo_id: int, extension: str) -> str:
    return f"media/{'/'.join(id_prefix(photo_id))}/{photo_id}.{extension}"


def test_each_stored_item_comes_once_in_order_with_bytes_and_json(place: MirrorPlace) -> None:
    expected = mirrored(place)
    counts = StoredCounts()
    with open_any(place.address) as mirror:
        found = []
        for item in iter_stored(mirror, counts=counts):
            found.append(item.photo_id)
            assert item.read_media() == media_bytes(item.photo_id)
            assert item.document == json.loads(place.read(path_of(item.photo_id, "json")))
            assert item.extension == "jpg"
    assert found == expected
    assert counts == StoredCounts(len(expected), len(expected), 0, 0)


def test_items_come_with_their_bytes(place: MirrorPlace) -> None:
    expected = mirrored(place)
    with yfcc.open_mirror(place.address) as mirror:
        given = [(item.photo_id, content) for item, content in mirror.with_media()]
        assert given == [(photo_id, media_bytes(photo_id)) for photo_id in expected]
        place.write(path_of(expected[3], "jpg"), b"")
        with pytest.raises(VerifyError, match=f"item {expected[3]}, .* expected 3000 bytes"):
            list(mirror.with_media())


def test_no_byte_is_given_that_is_not_as_recorded(place: MirrorPlace) -> None:
    torn, changed, missing, other, *_ = mirrored(place)
    place.write(path_of(torn, "jpg"), media_bytes(torn)[:-1])
    place.write(path_of(changed, "jpg"), media_bytes(changed)[:-1] + b"!")
    place.remove(path_of(missing, "jpg"))
    place.write(path_of(other, "json"), place.read(path_of(torn, "json")))

    def say(item: StoredItem) -> str:
        try:
            _ = item.document
            item.read_media()
        except VerifyError as error:
            return str(error)
        return ""

    with open_any(place.address) as mirror:
        said = {item.photo_id: say(item) for item in iter_stored(mirror, with_documents=False)}
    damaged = {photo_id: text for photo_id, text in said.items() if text}
    assert damaged.keys() == {torn, changed, missing, other}
    for photo_id, text in damaged.items():
        assert f"item {photo_id}, " in text
        assert "expected 3000 bytes" in text or photo_id == other
        assert "got " in text
        assert "yfcc verify --repair" in text
    assert "got 2999 bytes" in said[torn]
    assert "no file" in said[missing]


def test_records_that_are_lost_are_not_passed_over_without_a_word(place: MirrorPlace) -> None:
    mirrored(place)
    path = next(path for path in place.list("ledger/") if path.endswith(".jsonl"))
    content = bytearray(place.read(path))
    content[20] ^= 1
    place.write(path, bytes(content))
    with (
        open_any(place.address) as mirror,
        pytest.raises(VerifyError, match=r"ledger/[0-9a-f]{3}.* without a seal.*--repair"),
    ):
        list(iter_stored(mirror))


@pytest.mark.parametrize("mark", ["id", "sha256"])
def test_a_removal_counts_from_the_moment_it_is_durable(place: MirrorPlace, mark: str) -> None:
    expected = mirrored(place)
    removed = expected.pop(3)
    value = {"id": removed, "sha256": place.records()[removed]["sha256"]}[mark]
    line = {mark: value, "reason": "owner-request", "date": "2026-11-21"}
    place.write("ledger/tombstones.jsonl", json.dumps(line).encode() + b"\n")
    counts = StoredCounts()
    with open_any(place.address) as mirror:
        assert [item.photo_id for item in iter_stored(mirror, counts=counts)] == expected
    assert counts.n_forgotten == 1
