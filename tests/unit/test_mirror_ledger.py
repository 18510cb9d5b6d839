"""Which lines of a ledger count."""

from __future__ import annotations

import zlib
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.mirror.ledger import (
    Committed,
    Seal,
    decode_seal,
    encode_seal,
    find_committed,
    seal_lines,
)
from yfcc.mirror.record import Record, decode_record, encode_record
from yfcc.model import Outcome, shard_of

RECORD = Record(
    photo_id=4207153986,
    outcome=Outcome.STORED,
    source="s3",
    url='https://bucket.example/"quoted"\n{"commit":',
    path="media/420/715/4207153986.jpg",
    n_bytes=3_000,
    sha256="ab" * 32,
    content_type="image/jpeg",
    width=500,
    height=375,
    http_status=200,
    attempts=2,
    first_error="503",
    fetched_at="2026-11-21T08:27:45.123Z",
    x_robots_tag=None,
    shard=shard_of(4207153986),
    run_id="run-1",
    rights={"Content-Usage": "train-ai=n"},
)


def commit(*photo_ids: int) -> bytes:
    return seal_lines(b"".join(encode_record(replace(RECORD, photo_id=each)) for each in photo_ids))


def ids_in(content: bytes) -> list[int]:
    return [orjson.loads(line)["photo_id"] for line in find_committed(content).iter_lines()]


THREE = commit(1, 2) + commit(3) + commit(4, 5, 6)


def test_a_record_is_one_line_and_comes_back() -> None:
    line = encode_record(RECORD)
    assert line.count(b"\n") == 1
    assert decode_record(line) == RECORD


def test_fields_of_a_later_version_are_left_out() -> None:
    assert decode_record(encode_record(RECORD).replace(b"{", b'{"new":[1],', 1)) == RECORD


@pytest.mark.parametrize("line", [b"[1]", b"{}", b'{"photo_id":1', b"", b'{"outcome":"odd"}'])
def test_other_lines_are_no_records(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON's error is one of them
        decode_record(line)


def test_a_seal_comes_back() -> None:
    seal = Seal(2, 7, {"stored": 2}, 6_000)
    assert decode_seal(encode_seal(seal)[:-1]) == seal
    assert (
        len(encode_seal(Seal(10**6, 2**32, dict.fromkeys(map(str, Outcome), 10**9), 10**15))) < 1000
    )


def test_the_seal_says_what_is_known_of_the_shard() -> None:
    lines = b"".join(
        encode_record(each)
        for each in (
            replace(RECORD, photo_id=1),
            replace(RECORD, photo_id=2),
            replace(RECORD, photo_id=1, outcome=Outcome.FAILED, n_bytes=None),
        )
    )
    seal = decode_seal(seal_lines(lines)[len(lines) : -1])
    assert seal == Seal(3, zlib.crc32(lines), {"failed": 1, "stored": 1}, 3_000)


def test_all_commits_of_a_whole_file_count() -> None:
    found = find_committed(THREE)
    assert ids_in(THREE) == [1, 2, 3, 4, 5, 6]
    assert (found.end, found.n_damaged_bytes) == (len(THREE), 0)
    assert found.seal == Seal(3, zlib.crc32(found.records[-1]), {"stored": 3}, 9_000)
    assert find_committed(b"") == replace(found, records=[], end=0, seal=None)


def as_parsed(found: Committed) -> tuple[dict[int, str], dict[int, int]]:
    """Outcomes and sizes, read the slow way."""
    latest = {each.photo_id: each for each in map(decode_record, found.iter_lines())}
    stored = {each for each, record in latest.items() if record.outcome == "stored"}
    return (
        {photo_id: record.outcome for photo_id, record in latest.items()},
        {photo_id: latest[photo_id].n_bytes or 0 for photo_id in stored},
    )


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.sampled_from([outcome for outcome in Outcome if outcome != "already_stored"]),
            st.integers(0, 10),
            st.text() | st.sampled_from([RECORD.url, '"photo_id":7,"outcome":"gone"']),
        )
    )
)
def test_outcomes_and_sizes_are_those_of_the_latest_records(written) -> None:
    lines = [
        encode_record(
            replace(
                RECORD,
                photo_id=photo_id,
                outcome=outcome,
                n_bytes=n_bytes if outcome == "stored" else None,
                first_error=text,
                rights={"photo_id": text, text: "7"},
            )
        )
        for photo_id, outcome, n_bytes, text in written
    ]
    found = find_committed(seal_lines(b"".join(lines[:3])) + seal_lines(b"".join(lines[3:])))
    assert (found.read_outcomes(), found.read_sizes()) == as_parsed(found)


def test_records_in_another_form_are_understood_too() -> None:
    spaced = b'{"outcome": "gone", "photo_id": 7}\n' + encode_record(replace(RECORD, photo_id=8))
    found = find_committed(spaced + encode_seal(Seal(2, zlib.crc32(spaced), {}, 0)))
    assert found.read_outcomes() == {7: Outcome.GONE, 8: Outcome.STORED}


def test_what_follows_from_the_id_or_is_unknown_takes_no_room() -> None:
    assert orjson.loads(encode_record(replace(RECORD, first_error=None, rights={}))) == {
        **{name: getattr(RECORD, name) for name in ("photo_id", "outcome", "source", "url")},
        **{name: getattr(RECORD, name) for name in ("n_bytes", "sha256", "content_type", "width")},
        **{name: getattr(RECORD, name) for name in ("height", "http_status", "attempts")},
        **{name: getattr(RECORD, name) for name in ("fetched_at", "run_id")},
        "extension": "jpg",
    }


@pytest.mark.parametrize("path", ["media/420/715/4207153986.exe", "elsewhere/4207153986.jpg"])
def test_a_path_that_no_item_can_have_is_kept_as_it_is(path: str) -> None:
    record = replace(RECORD, path=path, shard=(RECORD.shard + 1) % 4096)
    assert decode_record(encode_record(record)) == record


def test_records_of_earlier_versions_with_nulls_and_paths_are_read() -> None:
    line = orjson.dumps({**orjson.loads(orjson.dumps(RECORD)), "x_robots_tag": None})
    assert b"null" in line
    assert decode_record(line) == RECORD


def test_a_torn_tail_is_ignored_wherever_it_is_torn() -> None:
    ends = [len(commit(1, 2)), len(commit(1, 2) + commit(3)), len(THREE)]
    for n_bytes in range(len(THREE) + 1):
        found = find_committed(THREE[:n_bytes])
        whole = [end for end in ends if end <= n_bytes]
        assert found.end == (whole[-1] if whole else 0)
        assert found.n_damaged_bytes == 0
        assert len(found.records) == len(whole)


@given(st.integers(0, len(THREE) - 1), st.integers(0, 7))
def test_a_flipped_bit_costs_its_commit_at_most_two_and_invents_nothing(at: int, bit: int) -> None:
    content = bytearray(THREE)
    content[at] ^= 1 << bit
    found = ids_in(bytes(content))
    assert set(found) <= {1, 2, 3, 4, 5, 6}
    assert len(find_committed(bytes(content)).records) >= 1


def test_a_damaged_commit_is_told_from_a_torn_one() -> None:
    content = bytearray(THREE)
    content[20] ^= 1
    found = find_committed(bytes(content))
    assert ids_in(bytes(content)) == [3, 4, 5, 6]
    assert (found.end, found.n_damaged_bytes) == (len(THREE), len(commit(1, 2)))


def test_pages_that_never_reached_the_disk_make_no_commit() -> None:
    content = THREE[: len(commit(1, 2))] + bytes(300) + THREE[len(commit(1, 2)) + 300 :]
    assert ids_in(content) == [1, 2, 4, 5, 6]
