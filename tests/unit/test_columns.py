"""Lines split at tabs only; what is no row is kept whole, with its line, byte and reason."""

from __future__ import annotations

from itertools import accumulate

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.rows import one_chunk
from yfcc.metadata.columns import parse_ids, split_rows

quick = settings(max_examples=40, deadline=None, database=None, derandomize=True)
ABC = ("a", "b", "c")


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_split(lines: list[bytes], *, first_line: int = 7, raw_offset: int = 1000) -> None:
    """Compare with splitting in plain Python: rows, numbers, offsets, rejects."""
    chunk = one_chunk(
        b"".join(line + b"\n" for line in lines), first_line=first_line, raw_offset=raw_offset
    )
    rows, rejects = split_rows(chunk, ABC)
    starts = [raw_offset, *accumulate((len(line) + 1 for line in lines), initial=raw_offset)][1:]
    good = [n for n, line in enumerate(lines) if line.count(b"\t") == 2 and is_utf8(line)]
    bad = [n for n in range(len(lines)) if n not in good]
    table = zip(*(column.to_pylist() for column in rows.raw.itercolumns()), strict=True)
    assert [list(row) for row in table] == [lines[n].split(b"\t") for n in good]
    assert rows.line_numbers.tolist() == [first_line + n for n in good]
    assert rows.byte_offsets.tolist() == [starts[n] for n in good]
    assert [rows.raw_line(row) for row in range(len(rows))] == [lines[n] for n in good]
    assert [(r.line_number, r.byte_offset, r.raw) for r in rejects] == [
        (first_line + n, starts[n], lines[n]) for n in bad
    ]
    for reject in rejects:
        assert reject.file == "made-up"
        n_columns = reject.raw.count(b"\t") + 1
        if is_utf8(reject.raw):
            assert f"expected 3 columns, got {n_columns}" in reject.reason
        else:
            assert "UTF-8" in reject.reason


@pytest.mark.parametrize(
    "field",
    [
        "plain",
        "",
        "a\rb",
        "\r",
        "\r\r",
        "end\r",
        "nul\0nul",
        '"quoted"',
        '"open',
        "it's",
        'a""b',
        "\\t",
        "\\",
        "#comment",
        "null",
        "NULL",
        "NaN",
        "\u0085",
        "\u2028",
        "\u2029",
        "\x0b",
        "\x0c",
        "\x1c\x1d\x1e",
        "\ufeff",
        "ü",
        "\U0001f408",
        " blanks ",
        "a,b;c|d",
    ],
)
def test_whatever_stands_in_a_field_is_data(field):
    for at in [0, 1, 2]:
        row = [b"1", b"2", b"3"]
        row[at] = field.encode()
        check_split([b"\t".join(row)])
        check_split([b"x\ty\tz", b"\t".join(row), b"x\ty\tz"])


def test_empty_columns_at_either_end_are_data():
    check_split([b"\t\t", b"\tb\t", b"a\t\t", b"\t\tc"])


@pytest.mark.parametrize("wrong", [b"", b"a", b"a\tb", b"a\tb\tc\td", b"\t\t\t", b"\r", b'"'])
def test_another_number_of_columns_is_a_reject(wrong):
    for where in ["alone", "first", "between", "last", "often"]:
        fine = [b"1\t2\t3", b"44\t\t6"]
        lines = {
            "alone": [wrong],
            "first": [wrong, *fine],
            "between": [fine[0], wrong, fine[1]],
            "last": [*fine, wrong],
            "often": [wrong, wrong, *fine, wrong, fine[0], wrong, wrong],
        }[where]
        check_split(lines)


def test_empty_lines_are_rejects_and_move_nothing():
    check_split([b"", b"1\t2\t3", b"", b"", b"4\t5\t6", b""])


@pytest.mark.parametrize("wrong", [b"a\rb", b"a\rb\tc", b"\r\n".strip(b"\n"), b"a\tb\tc\td\r"])
def test_a_carriage_return_in_a_line_of_wrong_width_is_kept_as_it_is(wrong):
    check_split([b"1\t2\t3\r", wrong, b"4\t\r\t6"])


@pytest.mark.parametrize("wrong", [b"\xff", b"a\tb\t\xc3", b"\xed\xa0\x80\t\t", b"\x80\x81\t1\t2"])
def test_a_line_that_is_no_utf8_is_a_reject(wrong):
    check_split([wrong])
    check_split([b"1\t2\t3", wrong, b"4\t\r\t6", "ü\t\t".encode(), wrong, b"a", b"7\t8\t9"])


def test_a_byte_order_mark_is_data_at_the_start_of_a_chunk_too():
    mark = "\ufeff".encode()
    check_split([mark + b"1\t2\t3", b"4\t5\t6"])
    check_split([b"4\t5\t6", mark + b"1\t2\t3", b"4\t5\t6"])
    check_split([mark])


def test_no_lines_are_no_rows():
    check_split([])


def test_nothing_but_rejects_leaves_no_rows():
    check_split([b"a", b"b"])
    check_split([b"\xff"])


field = st.one_of(
    st.sampled_from([b"", b"\r", b'"', b"\xff", b"\xc3\xbc", b"\0", b"\xef\xbb\xbf", b"x" * 50]),
    st.binary(max_size=6).map(lambda raw: raw.replace(b"\n", b"").replace(b"\t", b"")),
)
line = st.one_of(
    st.lists(field, min_size=3, max_size=3), st.lists(field, min_size=1, max_size=5)
).map(b"\t".join)


@quick
@given(st.lists(line, max_size=10))
@example([b"", b"1\t2\t3"])
@example([b"\r", b"1\t2\t3"])
def test_any_lines_split_as_python_splits(lines):
    check_split(lines)


def ids_of(values: list[bytes]) -> list[int | None]:
    ids, is_id = parse_ids(pa.chunked_array([pa.array(values, pa.binary())]))
    return [i if good else None for i, good in zip(ids.tolist(), is_id.tolist(), strict=True)]


GOOD_IDS = [b"1", b"9", b"10", b"6900010002", b"1" + b"0" * 18, b"9223372036854775807"]
BAD_IDS = [
    b"",
    b"0",
    b"00",
    b"007",
    b"-1",
    b"-0",
    b"+7",
    b" 8",
    b"8 ",
    b"8\r",
    b"8\0",
    b"1_000",
    b"1,000",
    b"1e3",
    b"1.0",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9" * 300,
    b"0x10",
    b"0xFFFFFFFFF",
    b"0x1FFFFFFFFF",
    b"0XABCDEF012",
    "\u0661\u0662".encode(),
    "\uff11".encode(),
    b"null",
    b"abc",
    b"\xef\xbb\xbf1",
]


@pytest.mark.parametrize("value", GOOD_IDS)
def test_an_id_is_a_number_without_ornaments(value):
    assert ids_of([value]) == [int(value)]
    assert ids_of([b"abc", value]) == [None, int(value)]


def test_what_only_resembles_an_id_is_none():
    for value in BAD_IDS:
        assert ids_of([value]) == [None]
        assert ids_of([b"12", value, b"13"]) == [12, None, 13]


def test_the_neighbours_of_a_value_do_not_matter():
    mixed = [each for pair in zip(BAD_IDS, GOOD_IDS * 5, strict=False) for each in pair]
    assert ids_of(mixed) == [ids_of([value])[0] for value in mixed]


@quick
@given(
    st.lists(
        st.one_of(st.integers(-5, 2**64).map(str), st.text("0123456789+-_ xXeE.", max_size=12))
    )
)
def test_ids_are_what_the_rule_says(values):
    def rule(value: str) -> int | None:
        is_form = value.isascii() and value.isdigit() and value[:1] != "0" and len(value) <= 19
        return int(value) if is_form and int(value) < 2**63 else None

    assert ids_of([v.encode() for v in values]) == [rule(v) for v in values]
