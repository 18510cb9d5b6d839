"""Small pieces with a life of their own: parts, the belt, the committer's limits, the stop."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace

import orjson
import pytest

from tests.fakes.mirror_items import make_item
from tests.unit.test_mirror_ledger import RECORD
from yfcc.errors import InterruptedRun, SourceDamaged
from yfcc.mirror.belt import Belt
from yfcc.mirror.disk import Disk
from yfcc.mirror.document import build_document, parse_media
from yfcc.mirror.part import Part, SpillFile
from yfcc.mirror.stop import StopRequest, stop_on_signals

ITEM = make_item(4207153986)


@pytest.fixture
def part(tmp_path):
    made = []

    def open_spill() -> SpillFile:
        path = tmp_path / f"{len(made)}.part"
        made.append(path)
        return SpillFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL), "0", path.name)

    def drop_spill(spill: SpillFile) -> None:
        os.close(spill.fd)
        (tmp_path / spill.name).unlink()

    part = Part(Disk(), open_spill, drop_spill, memory_bytes=10)
    yield part
    part.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("chunks", [[b""], [b"0123456789"], [b"01234567890"], [b"0123"] * 5])
def test_a_part_holds_what_was_written(part: Part, chunks: list[bytes]) -> None:
    for chunk in chunks:
        part.write(chunk)
    content = b"".join(chunks)
    assert bytes(part.view()) == content
    assert part.n_bytes == len(content)
    assert (part.spill is not None) == (len(content) > 10)
    assert part.view().readonly


def test_a_reset_part_starts_anew(part: Part) -> None:
    for first, second in ((b"a" * 20, b"b"), (b"c", b"d" * 20)):
        part.write(first)
        part.reset()
        part.write(second)
        assert bytes(part.view()) == second
        part.reset()


def test_a_view_that_somebody_keeps_does_no_harm(part: Part) -> None:
    part.write(b"abc")
    view = part.view()
    part.write(b"def")
    assert (bytes(view), bytes(part.view())) == (b"abc", b"abcdef")
    part.write(b"0123456789")
    large = part.view()
    part.reset()
    part.write(b"x")
    assert (bytes(large), bytes(part.view())) == (b"abcdef0123456789", b"x")


def test_the_belt_brings_everything_once() -> None:
    belt: Belt[int] = Belt(3)
    taken: list[int] = []

    def take() -> None:
        while (piece := belt.take()) is not None:
            taken.append(piece)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert all(belt.put(number) for number in range(1, 500))
    belt.finish()
    for thread in threads:
        thread.join(10)
    assert sorted(taken) == list(range(1, 500))
    assert belt.take() is None


def test_a_closed_belt_lets_everybody_go() -> None:
    belt: Belt[int] = Belt(1)
    assert belt.put(1)
    answers: list[object] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(belt.put(2))),
        threading.Thread(target=lambda: answers.append(belt.put(3))),
    ]
    for thread in waiting:
        thread.start()
    belt.close()
    for thread in waiting:
        thread.join(10)
    assert answers == [False, False]
    assert belt.take() is None


def test_the_document_of_the_catalog_is_kept_as_it_is() -> None:
    known = orjson.loads(ITEM.document)
    known["metadata"]["title"] = 'a "quote", \u2028 and \N{PILE OF POO}'
    known["exif"]["GPS.GPSLatitude"] = "1/2\n3"
    item = replace(ITEM, document=orjson.dumps(known).decode())
    document = build_document(item, RECORD)
    found = orjson.loads(document)
    assert document.endswith(b"}\n")
    known["attribution"]["changes"] = "none"
    assert {name: found[name] for name in known} == known
    assert (found["photo_id"], found["schema_version"]) == (4207153986, 1)
    media = parse_media(document, 4207153986)
    assert media is not None
    assert media["path"] == RECORD.path


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"attribution":1}', "null", '{"attribution":{}}']
)
def test_a_document_without_its_members_is_the_catalogs_fault(text: str) -> None:
    with pytest.raises(SourceDamaged, match="item 4207153986"):
        build_document(replace(ITEM, document=text), RECORD)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"photo_id":1,"media":[]}', b'{"photo_id":2,"media":{}}']
)
def test_other_json_is_no_items_json(document: bytes) -> None:
    assert parse_media(document, 1) is None


def test_a_signal_asks_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals(StopRequest()) as stop:
        stop.raise_if_asked()
        signal.raise_signal(signal.SIGTERM)
        assert stop.is_asked
        assert not stop.event.is_set()
        with pytest.raises(InterruptedRun) as stopped:
            stop.raise_if_asked()
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
