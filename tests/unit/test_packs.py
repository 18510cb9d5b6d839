"""Rows of the packs: what belongs to an item, whole or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.fakes.rows import joined, one_chunk
from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import LineChunk, Reject
from yfcc.metadata.packs import VALUE_KINDS, parse_pack


def parse(pack: Pack, lines: list[bytes]) -> tuple[list[tuple[int, Any]], list[Reject]]:
    rows, rejects = parse_pack(one_chunk(joined(lines)), pack)
    assert len(rows) + len(rejects) == len(lines)
    assert rows.table["value"].type == VALUE_KINDS[pack]
    rows.table.validate(full=True)
    pairs = zip(rows.table["photo_id"].to_pylist(), rows.table["value"].to_pylist(), strict=True)
    return list(pairs), rejects


def value_of(pack: Pack, text: str) -> Any:
    """The value of a line, the same alone and beside a refused one."""
    line = f"5\t{text}".encode()
    rows, rejects = parse(pack, [line])
    assert rejects == []
    among, rejects = parse(pack, [b"1\t?", line, b"2\t?"])
    assert [reject.line_number for reject in rejects] == [0, 2]
    assert among == rows
    return rows[0][1]


def check_refused(pack: Pack, text: str, reason: str) -> None:
    """The whole line is refused, alone and among others, and comes out as it was."""
    line = f"5\t{text}".encode()
    fine = {Pack.HASH: b"6\t0123456789abcdef", Pack.PLACES: b"6\t7:a:b"}.get(pack, b"6\ta.b:0.5")
    for lines in ([line], [fine, line, fine]):
        rows, (reject,) = parse(pack, lines)
        assert len(rows) == len(lines) - 1
        assert reject.raw == line
        assert reject.reason.startswith(reason)
        assert reject.line_number == lines.index(line)
        assert reject.byte_offset == (0 if len(lines) == 1 else len(fine) + 1)


def f32(number: float) -> float:
    return float(np.float32(number))


def test_autotags_map_concepts_to_scores():
    assert value_of(Pack.AUTOTAGS, "black background:0.9510,cat:1.0000,the sky's-end:0.5") == [
        ("black background", f32(0.951)),
        ("cat", 1.0),
        ("the sky's-end", 0.5),
    ]


@pytest.mark.parametrize(
    "concept", ["a:b", "a::b", '"quoted"', "100%", "%41", "a+b", "ü", " cat", "cat "]
)
def test_a_concept_is_raw_text_up_to_the_last_colon(concept):
    assert value_of(Pack.AUTOTAGS, f"{concept}:0.5") == [(concept, 0.5)]


def test_autotags_that_are_no_pairs_are_refused_whole():
    for text in [
        *("cat", "cat:", "cat:x", "cat:0.5,", ",cat:0.5", "cat:0.5,,dog:0.5", "cat:0.5,dog", ","),
        *("cat:nan", "cat:inf", "cat:1e400", "cat:0.5 ", "cat: 0.5", "cat:0,5", "cat:0x1p1"),
    ]:
        check_refused(Pack.AUTOTAGS, text, "autotags: expected concept:score pairs")


@pytest.mark.parametrize("text", ["cat:-0.5", "cat:+0.5", "cat:.5", "cat:5.", "cat:1e-2", "cat:7"])
def test_a_score_is_judged_alone_as_among_others(text):
    line = f"5\t{text}".encode()
    assert parse(Pack.AUTOTAGS, [line, b"6\tcat:?"])[0] == parse(Pack.AUTOTAGS, [line])[0]


def test_a_concept_stands_once_with_its_first_score():
    assert value_of(Pack.AUTOTAGS, "cat:0.75,dog:0.5,cat:0.5") == [("cat", 0.75), ("dog", 0.5)]


def test_exif_maps_decoded_tags_to_decoded_values():
    assert value_of(
        Pack.EXIF,
        "Exif+IFD0.Date%2FTime:2010%3A06%3A20+22%3A17%3A10,GPS.Lat:47%C2%B0+38%27,A.B:1%2C2",
    ) == [
        ("Exif IFD0.Date/Time", "2010:06:20 22:17:10"),
        ("GPS.Lat", "47° 38'"),
        ("A.B", "1,2"),
    ]


def test_encoded_colons_and_commas_do_not_separate():
    assert value_of(Pack.EXIF, "A%3A.B%2C:c%3Ad%2Ce%25") == [("A:.B,", "c:d,e%")]


def test_a_recurring_exif_key_keeps_all_its_values_in_order():
    assert value_of(Pack.EXIF, "A.B:1,C.D:x,A.B:2,E.F:y,A.B:1,C.D:z") == [
        ("A.B", "1\n2\n1"),
        ("C.D", "x\nz"),
        ("E.F", "y"),
    ]


def test_exif_keys_that_are_equal_once_decoded_are_one():
    assert value_of(Pack.EXIF, "A%20B.C:1,A+B.C:2") == [("A B.C", "1\n2")]


def test_recurring_keys_of_one_row_leave_other_rows_alone():
    lines = [b"1\tA.B:1", b"2\tA.B:1,A.B:2,C.D:3", b"3\t", b"4\tC.D:9,A.B:4", b"5\tA.B:5,A.B:6"]
    assert parse(Pack.EXIF, lines) == (
        [
            (1, [("A.B", "1")]),
            (2, [("A.B", "1\n2"), ("C.D", "3")]),
            (3, None),
            (4, [("C.D", "9"), ("A.B", "4")]),
            (5, [("A.B", "5\n6")]),
        ],
        [],
    )


def test_recurring_keys_beside_a_refused_row_stay_right():
    lines = [b"1\tA.B:1,A.B:2", b"2\tA.B", b"3\tA.B:3,A.B:4"]
    rows, (reject,) = parse(Pack.EXIF, lines)
    assert rows == [(1, [("A.B", "1\n2")]), (3, [("A.B", "3\n4")])]
    assert reject.raw == lines[1]


def test_an_exif_value_may_be_empty_and_may_hold_colons():
    assert value_of(Pack.EXIF, "A.B:,C.D:1:2") == [("A.B", ""), ("C.D", "1:2")]


@pytest.mark.parametrize("text", ["A.B", "A.B:1,", ",A.B:1", "A.B:1,C.D", "A.B:1,,C.D:2"])
def test_exif_without_a_colon_is_refused_whole(text):
    check_refused(Pack.EXIF, text, "exif: expected Category.Tag:Value pairs")


def test_places_are_triples_fine_to_coarse():
    assert value_of(
        Pack.PLACES,
        "12:Bern%2C+Old+Town:Town,7:Hong+Kong:Special Administrative Region,"
        "28350896:Europe%2FDublin:Timezone",
    ) == [
        {"woeid": 12, "name": "Bern, Old Town", "type": "Town"},
        {"woeid": 7, "name": "Hong Kong", "type": "Special Administrative Region"},
        {"woeid": 28350896, "name": "Europe/Dublin", "type": "Timezone"},
    ]


def test_a_place_may_lack_its_name():
    assert value_of(Pack.PLACES, "7::Town") == [{"woeid": 7, "name": "", "type": "Town"}]


def test_places_that_are_no_triples_are_refused_whole():
    for text in [
        *("7", "7:Bern", "x:Bern:Town", ":Bern:Town", "7:Bern:Town,", "7:Bern:Town,8:Rome"),
        *("1.5:a:b", "9223372036854775808:a:b", "1_0:a:b", " 7:a:b", "-7:a:b", "0x1F:a:b"),
    ]:
        check_refused(Pack.PLACES, text, "places: expected woeid:Name:Type triples")


def test_a_hash_is_hex_of_16_to_32_digits():
    assert value_of(Pack.HASH, "0123456789abcdef") == "0123456789abcdef"
    assert value_of(Pack.HASH, "f" * 32) == "f" * 32


@pytest.mark.parametrize("text", ["f" * 15, "f" * 33, "0123456789ABCDEF", "g" * 20, "f" * 16 + " "])
def test_what_is_no_hash_is_refused(text):
    check_refused(Pack.HASH, text, "hash: expected 16 to 32 lower-case hex digits")


@pytest.mark.parametrize("pack", Pack)
def test_an_empty_value_is_null(pack):
    assert parse(pack, [b"5\t"]) == ([(5, None)], [])


@pytest.mark.parametrize("pack", Pack)
def test_a_row_without_an_id_is_a_reject_whatever_its_value(pack):
    for bad_id in [b"", b"0", b"x", b"+7", b"0xFFFFFFFFF", b"9223372036854775808"]:
        for value in (b"", b"?"):
            rows, (reject,) = parse(pack, [bad_id + b"\t" + value])
            assert rows == []
            assert "photo id" in reject.reason


@pytest.mark.parametrize("pack", Pack)
def test_another_width_is_a_reject(pack):
    for wrong in [b"", b"5", b"5\ta:0.5\t", b"5\ta\tb\rc", b"\xff\t"]:
        fine = {Pack.HASH: b"6\t0123456789abcdef", Pack.PLACES: b"6\t7:a:b"}.get(
            pack, b"6\ta.b:0.5"
        )
        rows, (reject,) = parse(pack, [fine, wrong, fine])
        assert [photo_id for photo_id, _ in rows] == [6, 6]
        assert (reject.line_number, reject.byte_offset, reject.raw) == (1, len(fine) + 1, wrong)


@pytest.mark.parametrize("pack", Pack)
def test_no_lines_are_no_rows_of_the_right_kind(pack):
    assert parse(pack, []) == ([], [])
    long_line = Reject("f", 3, 70, "line of 5,000,000 bytes", b"xxx")
    chunk = LineChunk("f", b"", 1, 3, 70, BlockPosition(32), long_line)
    rows, rejects = parse_pack(chunk, pack)
    assert rejects == [long_line]
    assert rows.table["value"].type == VALUE_KINDS[pack]


def test_a_slice_of_rows_keeps_its_values():
    lines = [b"1\tA.B:1", b"2\t", b"3\tA.B:3,A.B:4", b"4\tC.D:5"]
    rows, _ = parse_pack(one_chunk(joined(lines)), Pack.EXIF)
    cut = rows.slice(1, 3)
    assert cut.table["value"].to_pylist() == [None, [("A.B", "3\n4")]]
    assert [cut.raw_line(row) for row in range(2)] == lines[1:3]
