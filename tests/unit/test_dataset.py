"""Rows of the dataset: numbers, dates and positions, and what is refused with its reason."""

from __future__ import annotations

from datetime import datetime
from itertools import accumulate
from typing import Any

import pytest

from tests.fakes.rows import joined, line_v1, line_v2, one_chunk
from yfcc.errors import SourceDamaged
from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.dataset import parse_dataset
from yfcc.metadata.layouts import COLUMNS_V1, COLUMNS_V2, columns_of
from yfcc.metadata.lines import LineChunk, Reject


def parse(
    lines: list[bytes], columns: tuple[str, ...] = COLUMNS_V2, **more: Any
) -> tuple[list[dict[str, Any]], list[Reject]]:
    rows, rejects = parse_dataset(one_chunk(joined(lines)), columns, **more)
    assert len(rows) == rows.table.num_rows == rows.raw.num_rows
    assert len(rows) + len(rejects) == len(lines)
    return rows.table.to_pylist(), rejects


def value_of(field: str, text: str) -> Any:
    """The value of a field, the same alone and among refused neighbours."""
    line = line_v2(5, 0, **{field: text})
    alone, rejects = parse([line])
    assert rejects == []
    bad = line_v2(6, 1, **{field: "?"}) if field in REFUSING else line_v2("x", 1)
    among, rejects = parse([bad, line, bad])
    assert [reject.line_number for reject in rejects] == [0, 2]
    assert among == alone
    return alone[0][field]


def reason_of(field: str, text: str) -> str:
    """Why a field is refused, the same alone and among neighbours, with line and byte."""
    line, fine = line_v2(5, 0, **{field: text}), line_v2(6, 1)
    rows, rejects = parse([line])
    assert rows == []
    assert (rejects[0].line_number, rejects[0].byte_offset, rejects[0].raw) == (0, 0, line)
    rows, among = parse([fine, line_v2("x", 1), line, fine])
    assert len(rows) == 2
    assert (among[1].line_number, among[1].raw) == (2, line)
    assert among[1].byte_offset == len(joined([fine, line_v2("x", 1)]))
    assert among[1].reason == rejects[0].reason
    return rejects[0].reason


NUMBERS = ["line_number", "accuracy", "server_id", "farm_id", "marker", "longitude", "latitude"]
REFUSING = {*NUMBERS, "photo_id", "date_taken", "date_uploaded"}


def test_a_row_has_every_field_decoded_and_converted():
    ((row,), _) = parse([line_v2(6, 3)])
    assert row["line_number"] == 3
    assert row["photo_id"] == 6
    assert row["user_nickname"] == "ada example"
    assert row["date_taken"] == datetime(2011, 3, 4, 5, 6, 7)  # noqa: DTZ001 - local time
    assert row["date_uploaded"] == datetime(2011, 3, 13, 7, 6, 40)  # noqa: DTZ001 - UTC
    assert row["title"] == "A title & more"
    assert row["description"] == "Two\nlines"
    assert row["user_tags"] == ["one tag", "b,c"]
    assert row["machine_tags"] == ["ns:pred=value"]
    assert (row["longitude"], row["latitude"], row["accuracy"]) == (8.5, -47.25, 16)
    assert row["license_name"] == "Attribution-NonCommercial License"
    assert (row["server_id"], row["farm_id"], row["marker"]) == (2, 1, 0)
    assert set(row) == set(COLUMNS_V2)


def test_an_empty_field_is_null():
    for field in [
        *("photo_hash", "user_nsid", "user_nickname", "date_taken", "date_uploaded", "title"),
        *("capture_device", "description", "user_tags", "machine_tags", "page_url", "extension"),
        *("download_url", "license_name", "license_url", "server_id", "farm_id", "secret"),
        "secret_original",
    ]:
        assert value_of(field, "") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("-1.2E-5", -1.2e-5),
        ("1.2e-5", 1.2e-5),
        ("-81.804885", -81.804885),
        ("0", 0.0),
        ("-0.0", 0.0),
        ("180.0", 180.0),
        ("-1.0", -1.0),
        ("7E1", 70.0),
        ("5.0E-324", 5e-324),
    ],
)
def test_positions_may_have_exponents(text, number):
    assert value_of("longitude", text) == number


def test_no_position_at_all_is_fine():
    (row,), rejects = parse([line_v2(5, longitude="", latitude="", accuracy="")])
    assert (row["longitude"], row["latitude"], row["accuracy"]) == (None, None, None)
    assert rejects == []


@pytest.mark.parametrize(
    "lacking",
    [
        ("longitude",),
        ("latitude",),
        ("accuracy",),
        ("longitude", "latitude"),
        ("latitude", "accuracy"),
    ],
)
def test_half_a_position_is_a_reject(lacking):
    fine = line_v2(6, 1)
    rows, (reject,) = parse([line_v2(5, **dict.fromkeys(lacking, "")), fine])
    assert [row["photo_id"] for row in rows] == [6]
    assert "all three or none" in reject.reason


@pytest.mark.parametrize("text", ["null", ""])
def test_an_unknown_date_taken_is_null(text):
    assert value_of("date_taken", text) is None


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2012-02-16 09:56:37.0", datetime(2012, 2, 16, 9, 56, 37)),  # noqa: DTZ001
        ("1864-01-01 00:00:00.0", datetime(1864, 1, 1)),  # noqa: DTZ001
        ("2023-12-31 23:59:59.0", datetime(2023, 12, 31, 23, 59, 59)),  # noqa: DTZ001
        ("2012-02-29 00:00:00.5", datetime(2012, 2, 29, 0, 0, 0, 500_000)),  # noqa: DTZ001
        ("2012-02-16 09:56:37", datetime(2012, 2, 16, 9, 56, 37)),  # noqa: DTZ001
        ("0001-01-01 00:00:00.0", datetime(1, 1, 1)),  # noqa: DTZ001
    ],
)
def test_dates_of_any_year_are_local_times(text, date):
    assert value_of("date_taken", text) == date


def test_what_is_no_date_is_a_reject():
    for text in [
        *("2012-02-30 00:00:00.0", "2012-13-01 00:00:00.0", "2012-00-10 00:00:00.0", "yesterday"),
        *("2012-02-16 24:00:00.0", "2012-02-16 09:60:37.0", "NULL", "2012-02-16 09:56:37.0 "),
        *("2012-02-16 09:56:37Z", "2012-02-16 09:56:37+01:00", "12012-02-16 09:56:37.0"),
    ]:
        assert "date_taken: expected like 2012-02-16 09:56:37.0" in reason_of("date_taken", text)


@pytest.mark.parametrize(
    "text", ["2012-02-16", "2012-02-16T09:56:37", "2012-02-16 09:56", "2012-02-16 09:56:37.0"]
)
def test_a_date_is_judged_alone_as_among_others(text):
    line, odd = line_v2(5, date_taken=text), line_v2(6, date_taken="yesterday")
    assert len(parse([line, odd])[0]) == len(parse([line])[0])


def test_date_uploaded_0_is_the_epoch():
    assert value_of("date_uploaded", "0") == datetime(1970, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize("field", ["date_uploaded", *NUMBERS])
def test_what_is_no_number_is_a_reject(field):
    for text in ["abc", " 1", "1_000", "--1", "\u0661"]:
        reason = reason_of(field, text)
        assert reason.startswith(f"{field}: expected")
        assert repr(text.encode())[2:6] in reason


@pytest.mark.parametrize("field", ["line_number", "server_id", "farm_id", "date_uploaded"])
def test_a_whole_number_is_written_in_digits(field):
    for text in ["0x10", "0XFF", "1.0", "1e3", "+1"]:
        assert field in reason_of(field, text)


def test_a_position_is_finite():
    for text in ["nan", "inf", "-inf", "Infinity", "1e999", "-1E999", "0x1p3"]:
        assert "latitude" in reason_of("latitude", text)


@pytest.mark.parametrize("field", ["latitude", "accuracy", "server_id"])
def test_a_number_is_judged_alone_as_among_others(field):
    for text in [".5", "5.", "+5", "0x10", "007", "-5", "1e2", "5"]:
        line, odd = line_v2(5, **{field: text}), line_v2(6, **{field: "?"})
        among, alone = parse([line, odd])[0], parse([line])[0]
        assert among == alone


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("accuracy", "99999"),
        ("server_id", "2147483648"),
        ("farm_id", "9" * 30),
        ("marker", "256"),
        ("line_number", "9" * 30),
    ],
)
def test_a_number_that_does_not_fit_is_a_reject(field, text):
    assert field in reason_of(field, text)


@pytest.mark.parametrize("text", ["2", "-1", "", "9"])
def test_a_marker_is_0_or_1(text):
    assert "marker: expected 0 or 1" in reason_of("marker", text)


def test_the_line_number_is_there_in_the_layout_that_has_one():
    assert "line_number" in reason_of("line_number", "")


@pytest.mark.parametrize("text", ["", "0", "007", "+7", "1_000", "0xFFFFFFFFF", str(2**63), "abc"])
def test_a_line_without_an_id_is_a_reject(text):
    rows, (reject,) = parse([line_v2(4, 0), line_v2(text, 1), line_v2(6, 2)])
    assert [row["photo_id"] for row in rows] == [4, 6]
    assert "photo id" in reject.reason
    assert (reject.line_number, reject.raw) == (1, line_v2(text, 1))
    assert reject.byte_offset == len(line_v2(4, 0)) + 1


def test_the_largest_id_is_an_id():
    assert value_of("photo_id", str(2**63 - 1)) == 2**63 - 1


def test_a_line_with_several_faults_is_one_reject_with_the_first():
    rows, (reject,) = parse([line_v2("x", marker="7", latitude="", date_taken="?")])
    assert rows == []
    assert "photo id" in reject.reason


@pytest.mark.parametrize("wrong", [b"", b"one column", line_v1(5), line_v2(5) + b"\t", b"\r"])
def test_a_line_of_the_other_layout_or_none_is_a_reject(wrong):
    lines = [line_v2(4, 0), wrong, line_v2(6, 2)]
    rows, (reject,) = parse(lines)
    assert [row["photo_id"] for row in rows] == [4, 6]
    assert (reject.line_number, reject.byte_offset, reject.raw) == (1, len(lines[0]) + 1, wrong)
    assert f"expected 25 columns, got {wrong.count(bytes([9])) + 1}" in reject.reason


def test_every_line_may_be_a_reject():
    rows, rejects = parse([b"a", b"b"])
    assert rows == []
    assert [reject.raw for reject in rejects] == [b"a", b"b"]


def test_rejects_stand_in_the_order_of_the_file():
    lines = [
        line_v2("x"),
        b"short",
        line_v2(5, marker="2"),
        b"\xff",
        line_v2(6),
        line_v2(7, secret="\0"),
    ]
    rows, rejects = parse(lines)
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    assert [(r.line_number, r.byte_offset, r.raw) for r in rejects] == [
        (n, starts[n], lines[n]) for n in range(4)
    ]
    assert [row["photo_id"] for row in rows] == [6, 7]
    assert rows[1]["secret"] == "\0"


@pytest.mark.parametrize("field", ["title", "description"])
def test_text_is_decoded_once_and_otherwise_left_alone(field):
    for text, value in [
        ("a%0D%0Ab", "a\r\nb"),
        ("a\rb", "a\rb"),
        ('"%22', '""'),
        ("a%00b", "a\0b"),
        ("%C3%BC", "ü"),
        ("%ff", "\ufffd"),
        ("50%+off", "50% off"),
        ("++", "  "),
        ("\u2028", "\u2028"),
        ("%E2%80%A8", "\u2028"),
        ("null", "null"),
    ]:
        assert value_of(field, text) == value


def test_tags_keep_commas_order_and_repetition():
    assert value_of("user_tags", "b,a%2Cc,b,,%2B") == ["b", "a,c", "b", "", "+"]


def test_plain_fields_are_not_decoded():
    assert value_of("page_url", "http://x/%41+b/") == "http://x/%41+b/"


def test_the_layout_without_line_numbers_counts_its_lines():
    lines = [line_v1(5), b"wrong", line_v1("x"), line_v1(8)]
    rows, rejects = parse(lines, COLUMNS_V1, n_lines_before=1000)
    assert [(row["line_number"], row["photo_id"]) for row in rows] == [(1000, 5), (1003, 8)]
    assert [reject.line_number for reject in rejects] == [1, 2]  # in the file
    assert "photo_hash" not in rows[0]


def test_a_later_chunk_counts_on():
    chunk = one_chunk(joined([line_v1(5)]), first_line=30, raw_offset=9_000)
    rows, _ = parse_dataset(chunk, COLUMNS_V1, n_lines_before=1000)
    assert rows.table["line_number"].to_pylist() == [1030]
    assert rows.byte_offsets.tolist() == [9_000]


def test_a_line_that_is_too_long_passes_as_it_is():
    long_line = Reject("f", 3, 70, "line of 5,000,000 bytes", b"xxx")
    chunk = LineChunk("f", b"", 1, 3, 70, BlockPosition(32), long_line)
    rows, rejects = parse_dataset(chunk, COLUMNS_V2)
    assert len(rows) == 0
    assert rejects == [long_line]
    assert set(rows.table.column_names) == set(COLUMNS_V2)


V1, V2 = line_v1(5), line_v2(5)


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ([V1], COLUMNS_V1),
        ([V2], COLUMNS_V2),
        ([b"damaged", V1, V1], COLUMNS_V1),
        ([b"damaged", V2, b""], COLUMNS_V2),
        ([V2, V1, V2, V2], COLUMNS_V2),
        ([V1, V1, V2, V1], COLUMNS_V1),
    ],
)
def test_most_of_the_first_lines_tell_the_layout(lines, columns):
    assert columns_of(lines, "f") == columns


@pytest.mark.parametrize("lines", [[b"a\tb"], [b""], [b"<html>", b"\t" * 23], [V2 + b"\t"]])
def test_lines_of_no_layout_are_no_dataset(lines):
    with pytest.raises(SourceDamaged, match="f: expected lines of 25 columns"):
        columns_of(lines, "f")
