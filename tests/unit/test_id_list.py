"""Lists of items: what each line names, and that the quick way and the rules agree."""

from __future__ import annotations

import bz2
import gzip
import random
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yfcc.catalog import id_list
from yfcc.catalog.id_list import iter_listed, parse_listed
from yfcc.errors import SourceDamaged, UsageError
from yfcc.metadata.lines import LineChunk
from yfcc.metadata.unpack.pieces import position

HASH = "0123456789abcdef0123456789abcdef"


def listed(path: Path) -> list[int | str]:
    """Every id and hash of a list, in its order."""
    rows = [row for batch in iter_listed(path) for row in batch.to_pylist()]
    assert all((row["photo_id"] is None) != (row["photo_hash"] is None) for row in rows)
    return [row["photo_id"] or row["photo_hash"] for row in rows]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("4207153986", 4207153986),
        ("1", 1),
        ("9223372036854775807", 2**63 - 1),
        ("4207153986\r", 4207153986),
        ("  4207153986  ", 4207153986),
        ("4207153986\tA title\tby", 4207153986),
        ("4207153986,A title", 4207153986),
        ("4207153986; A title", 4207153986),
        ("4207153986 A title", 4207153986),
        ('"4207153986","A, title"', 4207153986),
        (HASH, HASH),
        (HASH.upper(), HASH),
        (HASH[:16], HASH[:16]),
        (f"{HASH},4207153986", HASH),
        # Digits alone, too many for an id.
        ("9223372036854775808", "9223372036854775808"),
        # CLIP's form, and the dataset's own.
        (f"17\t4207153986\t{HASH}", 4207153986),
        (f"0\t4207153986\t{HASH[:17]}\t1@N00\tann", 4207153986),
        # Only with tabs, and only if the third is a hash.
        (f"17,4207153986,{HASH}", 17),
        ("17\t4207153986\tA title", 17),
        ("", None),
        ("   ", None),
        ("# a comment", None),
        ("#", None),
    ],
)
def test_a_line_names_an_item_or_nothing(line: str, named: int | str | None) -> None:
    assert parse_listed(line.encode()) == named


@pytest.mark.parametrize(
    "line",
    [
        *("0", "007", "-7", "+7", "1_000", "1.5", "1e3", "\u0661\u0662", "12a", "x"),
        *("photo_id", "<html>", "http://www.flickr.com/photos/1@N00/4207153986/"),
        *(HASH[:15], HASH + "0", "g" * 32, "4207153986\x0b", "4207153986\x001"),
        *('"4207153986', "99999999999999999999999999999999999"),
    ],
)
def test_a_line_that_is_neither_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"\A'"):
        parse_listed(line.encode())


@pytest.mark.parametrize("header", ["photo_id", "photo_id,title", '"photo_hash"', "ID\ttitle"])
def test_a_header_is_one_in_the_first_line_only(header: str) -> None:
    assert parse_listed(header.encode(), is_first=True) is None
    with pytest.raises(ValueError, match=r"\A'"):
        parse_listed(header.encode())


LINES = st.one_of(
    st.integers(1, 10**20).map(str),
    st.integers(16, 32).flatmap(
        lambda n: st.text(alphabet="0123456789abcdefABCDEF", min_size=n, max_size=n)
    ),
    st.tuples(st.integers(0, 10**8), st.integers(1, 10**19), st.integers(0, 2**128 - 1)).map(
        lambda row: f"{row[0]}\t{row[1]}\t{row[2]:032x}"
    ),
)
TAILS = st.sampled_from(["", "\r", "\tx", ",x", "; x", " ", "\t\r", ",\t", '"', " #"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(LINES, TAILS), min_size=1, max_size=6))
def test_the_quick_way_finds_what_the_rules_say(rows: list[tuple[str, str]]) -> None:
    lines = [(line + tail).encode() for line, tail in rows]
    data = b"".join(line + b"\n" for line in lines)
    chunk = LineChunk("ids.txt", data, len(lines), 1, 0, position(0, 0))
    try:
        wanted = [parse_listed(line) for line in lines]
    except ValueError:
        with pytest.raises(UsageError):
            id_list._batch_of(chunk)
        return
    found = id_list._batch_of(chunk).to_pylist()
    assert [row["photo_id"] or row["photo_hash"] for row in found] == [
        name for name in wanted if name is not None
    ]


@pytest.mark.parametrize("form", ["id", "hash", "clip"])
def test_plain_lists_need_no_step_a_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # 15 million lines one by one would take minutes.
    monkeypatch.delattr(id_list, "_batch_by_line")
    line = {"id": "420715{}", "hash": HASH[:-6] + "{:06x}", "clip": "{0}\t420{0}\t" + HASH}[form]
    data = "".join(line.format(number) + "\n" for number in range(50)).encode()
    chunk = LineChunk("ids.txt", data, 50, 0, 0, position(0, 0))
    batch: pa.RecordBatch = id_list._batch_of(chunk)
    assert batch.num_rows == 50
    assert batch.column("photo_hash" if form == "hash" else "photo_id").null_count == 0


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("ids.txt", lambda data: data),
        ("ids.tsv.bz2", bz2.compress),
        ("ids.gz", gzip.compress),
        ("ids.zst", lambda data: pa.compress(data, codec="zstd", asbytes=True)),
        # Told by the bytes, whatever the name.
        ("ids.csv", bz2.compress),
    ],
)
def test_a_list_may_be_packed(name: str, pack, tmp_path: Path) -> None:
    numbers = random.Random(3).sample(range(1, 10**10), 2_000)
    text = "".join(f"{number}\n" for number in numbers[:-1]) + str(numbers[-1])
    path = tmp_path / name
    path.write_bytes(pack(text.encode()))
    assert listed(path) == numbers


def test_comments_blank_lines_marks_and_both_kinds_may_mix(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(b"\xef\xbb\xbfphoto_id,x\r\n# mine\r\n\r\n12,a\r\n" + HASH.encode() + b"\r\n7")
    assert listed(path) == [12, HASH, 7]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1\n2\nthree\n4\n", "line 3: expected a photo id (digits) or a photo hash"),
        (b"# list\n\n\n-5\n", "line 4"),
        (b"1\n2\nx\x1b[31m\n", r"got 'x\x1b[31m'"),
        (b"\xff\xfe1\x002\x00", "line 1: expected a photo id or hash, got text in UTF-16"),
        (b"\n<!doctype html>\n", "line 1: expected a photo id or hash, got a web page."),
        (b"12, 13, 14", "line 1: expected one photo id a line, got several in one line."),
        (b"", "empty"),
        (b"1" * 100 + b"\n", "line 1: expected a photo id (digits) or a photo hash"),
        (b"1\n" * 9 + b"1" * (5 << 20), "line 10: expected a photo id or hash, got a line of"),
    ],
)
def test_junk_is_refused_with_its_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        listed(path)
    assert str(caught.value).startswith(f"--ids {path}")
    assert said in str(caught.value)


def test_a_table_of_one_row_is_no_list_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt"
    for text, wanted in (("12,13", 12), ("photo_id,x,y\n12,13,14\n", 12), ("12\t13\t14\n", 12)):
        path.write_text(text)
        assert listed(path) == [wanted]


def test_a_line_number_counts_through_all_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "ids.txt.bz2"
    good = "".join(f"{number}\n" for number in range(10**9, 10**9 + 900_000))
    path.write_bytes(bz2.compress((good + "junk\n" + good[:1000]).encode(), 1))
    with pytest.raises(UsageError, match=r"line 900001: .* got 'junk'"):
        listed(path)


def test_no_file_and_half_a_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        listed(tmp_path / "ids.txt")
    with pytest.raises(UsageError, match="a directory"):
        listed(tmp_path)
    half = tmp_path / "ids.bz2"
    half.write_bytes(bz2.compress(b"12345\n" * 1000)[:-8])
    with pytest.raises(SourceDamaged):
        listed(half)
