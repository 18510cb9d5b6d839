"""Parsed rows written again: the same bytes, or a mark that says they would not be."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.rows import joined, line_v1, line_v2, one_chunk
from yfcc.metadata.columns import Rows
from yfcc.metadata.dataset import parse_dataset
from yfcc.metadata.encode import encode_dataset, encode_pack
from yfcc.metadata.layouts import COLUMNS_V1, COLUMNS_V2, Pack
from yfcc.metadata.packs import parse_pack


def encode_again(rows: Rows, pack: Pack | None, columns: tuple[str, ...]) -> list[bytes]:
    table = rows.table
    if pack:
        (batch,) = table.combine_chunks().to_batches() or [None]
        return encode_pack(batch["photo_id"], batch["value"], pack).to_pylist() if batch else []
    kinds = pc.if_else(pc.equal(table["marker"], 1), "video", "photo")
    items = table.append_column("media_kind", kinds).combine_chunks()
    return [
        line for batch in items.to_batches() for line in encode_dataset(batch, columns).to_pylist()
    ]


def check(
    lines: list[bytes], pack: Pack | None = None, columns: tuple[str, ...] = COLUMNS_V2
) -> list[bool]:
    """Which lines are marked; of the others every byte comes out again."""
    chunk = one_chunk(joined(lines))
    rows, _ = parse_pack(chunk, pack) if pack else parse_dataset(chunk, columns)
    raw = rows.raw_lines().to_pylist()
    again = encode_again(rows, pack, columns) if len(rows) else []
    for line, got, is_odd in zip(raw, again, rows.is_odd.tolist(), strict=True):
        assert is_odd or got == line
    return rows.is_odd.tolist()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {
            "title": "%E3%81%82+%2B+100%25%00.-_*",
            "description": "%0A%EF%BF%BD%7E%2A".replace("%2A", "*"),
        },
        {"title": "", "description": "", "user_tags": "", "machine_tags": ""},
        {"user_tags": "a%2Cb,,+,c", "machine_tags": "ns%3Ap%3Dv,"},
        {"date_taken": "null"},
        {"date_taken": "1864-07-04 12:00:00.0"},
        {"date_taken": "0001-01-01 00:00:00.0"},
        {"date_taken": "9999-12-31 23:59:59.0"},
        {"date_taken": "2004-02-29 23:59:59.0", "date_uploaded": "0"},
        {"date_uploaded": "-1"},
        {"date_uploaded": "", "server_id": "", "farm_id": "", "secret": ""},
        {"longitude": "", "latitude": "", "accuracy": ""},
        {"longitude": "-1.2E-5", "latitude": "9.0E-6"},
        {"longitude": "0.0", "latitude": "-4.56789E-4"},
        {"longitude": "-180.0", "latitude": "89.999999"},
        {"longitude": "0.001", "latitude": "0.00123456789012"},
        {"marker": "1", "extension": "", "page_url": "http://a b\r\"'"},
    ],
)
def test_what_the_dataset_writes_is_written_again_without_a_mark(changes):
    assert check([line_v2(5, **changes)]) == [False]
    assert check([line_v1(5, **changes)], columns=COLUMNS_V1) == [False]


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "%c3%a9"},
        {"title": "%C3%a9"},
        {"title": "%41"},
        {"title": "a%20b"},
        {"title": "a b"},
        {"title": "a,b"},
        {"title": "a:b"},
        {"title": "~"},
        {"title": "100%"},
        {"title": "%4"},
        {"title": "%GG"},
        {"title": "%FF"},
        {"title": "é"},
        {"user_nickname": "a/b"},
        {"user_tags": "ok,%2c"},
        {"user_tags": "ok,%FF"},
        {"machine_tags": "ns:pred=value"},
        {"date_taken": ""},
        {"date_taken": "2011-03-04 05:06:07"},
        {"date_taken": "2011-03-04 05:06:07.5"},
        {"date_taken": "2011-03-04 05:06:07.00"},
        {"date_uploaded": "01300000000"},
        {"date_uploaded": "-0"},
        {"accuracy": "016"},
        {"server_id": "00"},
        {"marker": "01"},
        {"longitude": "139.700000"},
        {"longitude": "139"},
        {"longitude": "-0.0"},
        {"longitude": "1.2e-5"},
        {"longitude": "0.000012"},
        {"longitude": "12.0E-6"},
        {"longitude": "0139.7"},
        {"longitude": "1.2345678901234567"},
        {"photo_hash": ""},
    ],
)
def test_what_is_spelt_in_another_way_is_marked(changes):
    neighbours = [line_v2(1, 0), line_v2(5, 1, **changes), line_v2(9, 2)]
    assert check(neighbours) == [False, True, False]


@pytest.mark.parametrize(
    ("pack", "value", "is_odd"),
    [
        (Pack.AUTOTAGS, "", False),
        (Pack.AUTOTAGS, "cat:0.5000,black background:1.0000,o'x-y:z:0.9510", False),
        (Pack.AUTOTAGS, "cat:0.5", True),
        (Pack.AUTOTAGS, "cat:0.50000", True),
        (Pack.AUTOTAGS, "cat:00.500", True),
        (Pack.AUTOTAGS, "cat:1e-001", True),
        (Pack.AUTOTAGS, "cat:0.5000,cat:0.5000", True),
        (Pack.EXIF, "", False),
        (Pack.EXIF, "Exif+IFD0.Make:A%2CB%3A%0A,b.c:,d.e:%C2%B0", False),
        (Pack.EXIF, "a.b:1,c.d:2,a.b:3", True),
        (Pack.EXIF, "a.b:1,a.b:1", True),
        (Pack.EXIF, "a.b:x:y", True),
        (Pack.EXIF, "a.b:%c2%b0", True),
        (Pack.EXIF, "a.b:%FF,c.d:1", True),
        (Pack.EXIF, "a.%FF:1,c.d:1", True),
        (Pack.PLACES, "", False),
        (Pack.PLACES, "28:Br%C3%BBl%C3%A9+%2C:Special Administrative Region,0:x:Zone", False),
        (Pack.PLACES, "028:Bern:Town", True),
        (Pack.PLACES, "28:Bern/Biel:Town", True),
        (Pack.PLACES, "28:Bern:a:Town", True),
        (Pack.PLACES, "28:%FF:Town", True),
        (Pack.HASH, "", False),
        (Pack.HASH, "0123456789abcdef", False),
    ],
)
def test_lines_of_packs_are_written_again_or_marked(pack, value, is_odd):
    plain = {Pack.AUTOTAGS: "a:0.5000", Pack.EXIF: "a.b:c", Pack.PLACES: "1:A:B"}.get(pack, "")
    lines = [f"{i}\t{v}".encode() for i, v in ((1, plain), (2, value), (3, plain))]
    assert check(lines, pack) == [False, is_odd, False]


TEXT = st.text(
    st.sampled_from("aZ09.-_*+%~ ,:/é2CcfF")
    | st.characters(exclude_characters="\t\n\r", exclude_categories=["Cs"]),
    max_size=12,
)
NUMBER = st.from_regex(re.compile(r"\A-?[0-9]{1,3}\.[0-9]{1,7}(E-[0-9]{1,2})?\Z", re.ASCII))


@settings(max_examples=300, deadline=None)
@given(title=TEXT, tags=TEXT, degrees=NUMBER | st.floats(-180, 180).map(repr))
@example(title="%", tags="%,", degrees="1.0E-3")
@example(title="", tags=",", degrees="9999999.5")
def test_no_line_of_the_dataset_comes_out_otherwise_without_a_mark(title, tags, degrees):
    check([line_v2(5, title=title, user_tags=tags, longitude=degrees)])


@settings(max_examples=300, deadline=None)
@given(pack=st.sampled_from([Pack.AUTOTAGS, Pack.EXIF, Pack.PLACES]), value=TEXT)
@example(pack=Pack.AUTOTAGS, value=",a:0.5000")
@example(pack=Pack.AUTOTAGS, value=":")
def test_no_line_of_a_pack_comes_out_otherwise_without_a_mark(pack, value):
    check([f"5\t{value}".encode()], pack)


def test_every_score_of_four_digits_survives_32_bits():
    value = ",".join(f"c{n}:{n / 10_000:.4f}" for n in range(10_001))
    assert check([f"5\t{value}".encode()], Pack.AUTOTAGS) == [False]


def test_slices_of_columns_are_written_as_they_are():
    lines = [f"{i}\ta{i}.b:c%2C{i},d.e:f".encode() for i in range(1, 9)]
    rows, _ = parse_pack(one_chunk(joined(lines)), Pack.EXIF)
    batch = rows.table.combine_chunks().to_batches()[0].slice(3, 4)
    assert encode_pack(batch["photo_id"], batch["value"], Pack.EXIF).to_pylist() == lines[3:7]
    assert rows.slice(3, 7).raw_lines(np.array([1])).to_pylist() == [lines[4]]
    assert rows.raw_lines(np.zeros(0, np.int64)).type == pa.binary()
