"""The selection flags: what each chooses, what each refuses, and that text stays text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from yfcc.catalog.saved import selection_of
from yfcc.catalog.schema import create_tables, create_views
from yfcc.catalog.select import LICENSES, Selection
from yfcc.errors import UsageError

ROWS = """
INSERT INTO items BY NAME
SELECT 0 AS line_number, 10 AS photo_id, 'by' AS license, 'photo' AS media_kind,
    139.5 AS longitude, 35.6 AS latitude, 16 AS accuracy,
    TIMESTAMP '2012-02-16 09:56:37' AS date_taken, TIMESTAMP '2012-03-01 00:00:00' AS date_uploaded,
    ['Cat', 'o''neil'] AS user_tags, '1@N00' AS user_nsid, 'Canon EOS "5D"' AS capture_device,
    MAP {'cat': 0.8::FLOAT, 'black dog': 0.6::FLOAT} AS autotags,
    [{'woeid': 1, 'name': 'Tokyo', 'type': 'Town'},
     {'woeid': 23424856, 'name': 'Japan', 'type': 'Country'}] AS places, 1 AS shard
UNION ALL BY NAME
SELECT 1 AS line_number, 11 AS photo_id, 'by-nc-nd' AS license, 'video' AS media_kind,
    179.5 AS longitude, -17.0 AS latitude, 3 AS accuracy,
    TIMESTAMP '2012-12-31 23:59:59' AS date_taken, TIMESTAMP '1970-01-01' AS date_uploaded,
    ['cat', 'dog'] AS user_tags, 'all' AS user_nsid, 'all' AS capture_device,
    MAP {'dog': 1.0::FLOAT} AS autotags,
    [{'woeid': 7, 'name': 'Japan', 'type': 'Town'},
     {'woeid': 8, 'name': 'Fiji', 'type': 'Country'}] AS places, 2 AS shard
UNION ALL BY NAME
SELECT 2 AS line_number, 12 AS photo_id, 'by-nc-sa' AS license, 'photo' AS media_kind, 3 AS shard,
    [{'woeid': 10, 'name': 'Côte d''Ivoire', 'type': 'Region'}] AS places
UNION ALL BY NAME
SELECT 3 AS line_number, 13 AS photo_id, 'by-nd' AS license, 'photo' AS media_kind,
    -179.5 AS longitude, -17.0 AS latitude, 16 AS accuracy,
    TIMESTAMP '2013-01-01' AS date_taken, 4 AS shard,
    [{'woeid': 9, 'name': 'all', 'type': 'Country'}] AS places
"""
ALL = [10, 11, 12, 13]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        create_tables(made)
        create_views(made)
        made.execute(ROWS)
        yield made


def chosen(connection: duckdb.DuckDBPyConnection, **flags) -> list[int]:
    condition = Selection(**flags).sql()
    rows = connection.execute(f"SELECT photo_id FROM items WHERE {condition} ORDER BY photo_id")
    return [row[0] for row in rows.fetchall()]


def test_without_flags_everything_is_selected(connection):
    assert Selection().sql() == "true"
    assert chosen(connection) == ALL
    assert Selection().conditions() == {}


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"where": "accuracy = 16"}, [10, 13]),
        ({"where": "photo_id = 10 OR photo_id = 11"}, [10, 11]),
        ({"where": "photo_id = 10 -- the first"}, [10]),
        ({"license": ("by",)}, [10]),
        ({"license": ("by-nd", "by-nc-nd")}, [11, 13]),
        ({"commercial": True}, [10, 13]),
        ({"derivatives": True}, [10, 12]),
        ({"commercial": True, "derivatives": True}, [10]),
        ({"media": "photo"}, [10, 12, 13]),
        ({"media": "video"}, [11]),
        ({"media": "all"}, ALL),
        ({"bbox": "139,35,140,36"}, [10]),
        ({"bbox": "139.5,35.6,139.5,35.6"}, [10]),
        ({"bbox": " 139, 35, 140, 36 "}, [10]),
        ({"bbox": "-180,-90,180,90"}, [10, 11, 13]),
        ({"bbox": "170,-20,-170,-10"}, [11, 13]),
        ({"bbox": "179.9,-20,-179,-10"}, [13]),
        ({"bbox": "179.5,-17,-179.5,-17"}, [11, 13]),
        ({"bbox": "180,-20,-180,-10"}, []),
        ({"bbox": "140,-90,139,90"}, [11, 13]),
        ({"bbox": "1e1,-9e1,1.8e2,-1e-5"}, [11]),
        ({"country": "Japan"}, [10]),
        ({"country": "jAPAN"}, [10]),
        ({"country": "8"}, [11]),
        ({"country": "1"}, []),
        ({"country": "JÁPAN"}, [10]),
        ({"country": "japa\u0301n"}, [10]),
        ({"country": " Japan "}, [10]),
        ({"place": "Cote d'Ivoire"}, [12]),
        ({"place": "CÔTE D'IVOIRE"}, [12]),
        ({"place": "Japan"}, [10, 11]),
        ({"place": "tokyo"}, [10]),
        ({"place": "7"}, [11]),
        ({"place": "99999999999999999999999"}, []),
        ({"taken": "2012-02-16..2012-02-16"}, [10]),
        ({"taken": "2012-01-01..2012-12-31"}, [10, 11]),
        ({"taken": "2012-01-01..2012-12-31T23:59:59"}, [10]),
        ({"taken": "..2012-12-30"}, [10]),
        ({"taken": "2012-12-31.."}, [11, 13]),
        ({"taken": "2013-01-01.."}, [13]),
        ({"taken": "2012-02-16T09:56:37..2012-02-16T09:56:38"}, [10]),
        ({"taken": "20120101..20121231"}, [10, 11]),
        ({"taken": "2012..2012"}, [10, 11]),
        ({"taken": "2012-02..2012-11"}, [10]),
        ({"taken": "2012-12.."}, [11, 13]),
        ({"taken": "2012-12..2012"}, [11]),
        ({"taken": " 2012-02-16T09:00 .. 2012-02-16 "}, [10]),
        ({"taken": "..9999"}, [10, 11, 13]),
        ({"taken": "2012-12-31..9999-12-31"}, [11, 13]),
        ({"uploaded": "..1970-01-01"}, [11]),
        ({"uploaded": "2012-03-01..2012-03-01"}, [10]),
        ({"uploaded": "2012-03-01T01:00:00+01:00.."}, [10]),
        ({"tag": ("cat",)}, [11]),
        ({"tag": ("Cat",)}, [10]),
        ({"tag": ("o'neil",)}, [10]),
        ({"tag": ("cat", "dog")}, [11]),
        ({"tag": ("cat", "Cat")}, []),
        ({"autotag": ("cat",)}, [10]),
        ({"autotag": ("black dog",)}, [10]),
        ({"autotag": ("cat>0.8",)}, []),
        ({"autotag": ("cat>=0.8",)}, [10]),
        ({"autotag": ("cat=0.8",)}, [10]),
        ({"autotag": ("cat<=0.8",)}, ALL),
        ({"autotag": ("cat < 0.8",)}, [11, 12, 13]),
        ({"autotag": ("cat", "cat < 0.81")}, [10]),
        ({"autotag": ("dog<0.1",)}, [10, 12, 13]),
        ({"autotag": ("cat>0.7", "dog<0.1")}, [10]),
        ({"autotag": ("!dog<0.1",)}, [11]),
        ({"autotag": ("dog=0",)}, [10, 12, 13]),
        ({"autotag": ("dog > .9",)}, [11]),
        ({"autotag": ("!dog",)}, [10, 12, 13]),
        ({"autotag": ("!cat>0.9",)}, ALL),
        ({"autotag": ("!dog", "!cat")}, [12, 13]),
        ({"autotag": ("cat>0.5", "black dog<=0.6")}, [10]),
        ({"autotag": ("dog", "!cat>0.9", "!black dog")}, [11]),
        ({"user": "1@N00"}, [10]),
        ({"user": "2@N00"}, []),
        ({"device": 'canon eos "5d"'}, [10]),
        ({"lines": "1-2"}, [11, 12]),
        ({"lines": "3-"}, [13]),
        ({"lines": "-1"}, [10, 11]),
        ({"lines": "2-2"}, [12]),
        ({"lines": "2-99999999999999999999999"}, [12, 13]),
        ({"country": "1" * 5000}, []),
        ({"media": "photo", "license": ("by", "by-nc-nd"), "lines": "0-3"}, [10]),
        ({"where": "photo_id = 10 OR photo_id = 11", "media": "video"}, [11]),
        ({"where": ""}, ALL),
    ],
)
def test_a_flag_selects_what_it_says(connection, flags, wanted):
    assert chosen(connection, **flags) == wanted


@pytest.mark.parametrize("flag", ["user", "device", "country", "place"])
def test_a_name_that_is_all_is_a_name(connection, flag):
    assert chosen(connection, **{flag: "all"}) == ([13] if flag in ("country", "place") else [11])


@pytest.mark.parametrize("flag", ["tag", "autotag"])
def test_a_tag_that_is_all_is_a_tag(connection, flag):
    assert chosen(connection, **{flag: ("all",)}) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"license": ("bye",)}, "Did you mean by?"),
        ({"license": ("by", "by-nc-dn")}, "Did you mean by-nc-nd?"),
        ({"license": ("BY-SA",)}, "by-sa"),
        ({"license": ("gpl",)}, ", ".join(LICENSES)),
        ({"media": "photos"}, "photo, video or all"),
        ({"bbox": "1,2,3"}, "W,S,E,N"),
        ({"bbox": "1,2,3,4,5"}, "W,S,E,N"),
        ({"bbox": "a,b,c,d"}, "W,S,E,N"),
        ({"bbox": "nan,0,1,1"}, "finite"),
        ({"bbox": "0,0,inf,1"}, "finite"),
        ({"bbox": "0,0,1e999,1"}, "finite"),
        ({"bbox": "0,10,1,5"}, "Did you mean 0,5,1,10?"),
        ({"bbox": "0,-91,1,5"}, "from -90 to 90"),
        ({"bbox": "-181,0,1,5"}, "from -180 to 180"),
        ({"bbox": "35,139,36,140"}, "Did you mean 139,35,140,36?"),
        ({"bbox": "36,140,35,139"}, "Did you mean 140,35,139,36?"),
        ({"bbox": "0,-95,1,95"}, "The order is W,S,E,N."),
        ({"taken": "2012"}, "FROM..TO, like 2012-01-01..2012-12-31. Did you mean 2012..2012?"),
        ({"taken": "2012-06..2012-05"}, "after TO"),
        ({"taken": "2012-02-30.."}, "2012-02-16T09:56:37: day is out of range for month."),
        ({"taken": "2012-00.."}, "month must be in 1..12"),
        ({"taken": "2012-01-00.."}, "day is out of range for month"),
        ({"taken": "2012-W07.."}, "weeks are not understood"),
        ({"taken": "2012-02-16T09:56:37+09:00.."}, "cameras write their local time"),
        ({"taken": ".."}, "FROM..TO"),
        ({"taken": "2012-02-30.."}, "2012-02-16"),
        ({"taken": "yesterday..today"}, "--taken"),
        ({"taken": "2013-01-01..2012-01-01"}, "after TO"),
        ({"uploaded": "x.."}, "--uploaded"),
        ({"uploaded": "0001-01-01T00:00:00+10:00.."}, "2012-02-16"),
        ({"license": ("CC-BY",)}, "Did you mean by?"),
        ({"sample": 10**20}, "at most 1,000,000,000,000"),
        ({"autotag": ("cat>2",)}, "from 0 to 1"),
        ({"autotag": ("cat>-1",)}, "a score from 0 to 1"),
        ({"autotag": ("cat>",)}, "a score from 0 to 1"),
        ({"autotag": ("cat>0.5.5",)}, "no score"),
        ({"autotag": (">0.5",)}, "a concept like"),
        ({"autotag": ("!",)}, "a concept like"),
        ({"autotag": ("cat==0.5",)}, "a concept like"),
        ({"autotag": ("cat\n>0.5\n",)}, "a concept like"),
        ({"lines": "5"}, "A-B"),
        ({"lines": "-"}, "A-B"),
        ({"lines": "9-3"}, "after B"),
        ({"lines": "a-b"}, "A-B"),
        ({"lines": "1-2\n"}, "A-B"),
        ({"sample": 0}, "at least 1"),
        ({"sample": -5}, "at least 1"),
        ({"per": "license"}, "needs --sample N"),
    ],
)
def test_a_bad_value_is_a_usage_error_that_says_what_is_expected(flags, said):
    with pytest.raises(UsageError) as caught:
        Selection(**flags).sql()
    (flag,) = flags
    assert str(caught.value).startswith(f"--{flag} ")
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


HOSTILE = [
    "'; DROP TABLE items; --",
    "' OR '1'='1",
    "') OR true --",
    "x' UNION SELECT 1 --",
    "\\' OR 1=1 --",
    "''",
    "'",
    '"; DELETE FROM items; --',
    "/*",
    "--",
    ";",
    "{0}",
    "%s ? $1",
    "x\n; DROP TABLE items",
    "\u2019 OR 1=1",
    "$$; DROP TABLE items; $$",
    "E'\\'",
    ")",
]


@pytest.mark.parametrize("flag", ["country", "place", "tag", "autotag", "user", "device"])
def test_sql_in_a_text_flag_is_text(connection, flag):
    for text in HOSTILE:
        value = (text,) if flag in ("tag", "autotag") else text
        try:
            found = chosen(connection, **{flag: value})
        except UsageError:
            assert flag == "autotag", text  # comparisons are part of its form
        else:
            assert found == [], text
        assert chosen(connection) == ALL, text


@pytest.mark.parametrize("flag", ["license", "media", "bbox", "taken", "uploaded", "lines"])
def test_sql_in_a_flag_of_a_fixed_form_is_refused(flag):
    for text in HOSTILE:
        value = (text,) if flag == "license" else text
        with pytest.raises(UsageError):
            Selection(**{flag: value}).sql()


@pytest.mark.parametrize("text", ["'; DROP TABLE items; --", "O'Hara", "a\\b", "NUL\0", "ü\u2028x"])
def test_a_hostile_value_that_is_in_the_catalog_is_found(connection, text):
    connection.execute("BEGIN")
    try:
        connection.execute(
            "UPDATE items SET user_nsid = $1, capture_device = $1, user_tags = [$1], "
            "autotags = MAP {$1: 0.9::FLOAT}, "
            "places = [{'woeid': 5, 'name': $1, 'type': 'Country'}] WHERE photo_id = 12",
            [text],
        )
        for flag in ("user", "device", "country", "place"):
            assert chosen(connection, **{flag: text}) == [12]
        for flag in ("tag", "autotag"):
            assert chosen(connection, **{flag: (text,)}) == [12]
    finally:
        connection.execute("ROLLBACK")


def test_conditions_are_told_by_their_flag():
    selection = Selection(license=("by",), tag=("a", "b"))
    assert list(selection.conditions()) == ["--license", "--tag"]
    more = replace(selection, media="photo")
    assert len(more.conditions()) == 3


def drawn(seed: int, n_items: int, ids: list[int] = ALL) -> list[int]:
    """A sample, by a rule of one's own."""
    by_hash = sorted(ids, key=lambda i: hashlib.md5(f"{i}:{seed}".encode()).hexdigest())
    return sorted(by_hash[:n_items])


def test_a_sample_is_the_same_everywhere_and_another_for_another_seed(connection):
    for seed in range(8):
        assert chosen(connection, sample=2, seed=seed) == drawn(seed, 2)
    assert len({tuple(drawn(seed, 2)) for seed in range(8)}) > 2


def test_a_sample_is_drawn_from_what_the_other_flags_select(connection):
    photos = [10, 12, 13]
    assert chosen(connection, sample=2, seed=5, media="photo") == drawn(5, 2, photos)
    assert chosen(connection, sample=9, media="photo") == photos
    selection = Selection(sample=2, media="photo")
    assert list(selection.conditions()) == ["--media", "--sample"]
    assert selection.without_sample() == Selection(media="photo")


def test_a_list_of_ids_is_a_table_of_the_catalog():
    assert "listed_items" in Selection(ids="ids.txt").sql()


def test_a_column_to_share_a_sample_out_is_one_of_a_few():
    with pytest.raises(UsageError) as caught:
        Selection(sample=5, per="licence").conditions()
    assert str(caught.value) == (
        "--per licence: expected one of license, media_kind, extension, country, capture_device, "
        "user_nsid, taken_year, uploaded_year. Did you mean license?"
    )


def drawn_in_rounds(seed: int, n_items: int, strata: dict[int, object]) -> list[int]:
    """Items by stratum, each in the order of their MD5, dealt out one round after the other."""

    def digest(photo_id: int) -> str:
        return hashlib.md5(f"{photo_id}:{seed}".encode()).hexdigest()

    piles = [
        sorted((i for i in strata if strata[i] == value), key=digest)
        for value in set(strata.values())
    ]
    found: list[int] = []
    while len(found) < n_items and any(piles):
        found += sorted((pile.pop(0) for pile in piles if pile), key=digest)
    return sorted(found[:n_items])


@pytest.mark.parametrize("n_items", [1, 2, 3, 4, 9])
@pytest.mark.parametrize(
    ("per", "strata"),
    [
        ("license", {10: "by", 11: "by-nc-nd", 12: "by-nc-sa", 13: "by-nd"}),
        ("media_kind", {10: "photo", 11: "video", 12: "photo", 13: "photo"}),
        ("country", {10: "Japan", 11: "Fiji", 12: None, 13: "all"}),
        ("capture_device", {10: 'Canon EOS "5D"', 11: "all", 12: None, 13: None}),
        ("taken_year", {10: 2012, 11: 2012, 12: None, 13: 2013}),
        ("uploaded_year", {10: 2012, 11: 1970, 12: None, 13: None}),
        ("user_nsid", {10: "1@N00", 11: "all", 12: None, 13: None}),
        ("extension", {10: None, 11: None, 12: None, 13: None}),
    ],
)
def test_a_sample_is_shared_out_evenly_in_rounds(connection, per, strata, n_items):
    for seed in range(4):
        found = chosen(connection, sample=n_items, seed=seed, per=per)
        assert found == drawn_in_rounds(seed, n_items, strata)


def test_parts_tell_every_value_of_every_flag():
    selection = Selection(
        license=("by", "by-sa"),
        commercial=True,
        tag=("a", "b"),
        autotag=("cat>0.8", "!dog"),
        sample=3,
    )
    assert [(part.flag, part.value) for part in selection.parts()] == [
        ("--license", "by,by-sa"),
        ("--commercial", ""),
        ("--tag", "a"),
        ("--tag", "b"),
        ("--autotag", "cat>0.8"),
        ("--autotag", "!dog"),
    ]
    assert selection.flags() == {
        "license": ["by", "by-sa"],
        "commercial": True,
        "tag": ["a", "b"],
        "autotag": ["cat>0.8", "!dog"],
        "sample": 3,
    }
    assert selection.arguments() == [
        "--license=by,by-sa",
        "--commercial",
        "--tag=a",
        "--tag=b",
        "--autotag=cat>0.8",
        "--autotag=!dog",
        "--sample=3",
    ]


def test_a_selection_comes_back_from_its_flags():
    everything = Selection(
        where="photo_id > 5",
        license=("by",),
        derivatives=True,
        media="photo",
        bbox="1,2,3,4",
        country="Japan",
        lines="0-9",
        tag=("x", "y"),
        sample=7,
        seed=3,
        per="license",
    )
    for selection in (everything, Selection(), everything.without_sample()):
        assert selection_of(selection.flags()) == selection


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"colour": "red"}, "flag 'colour' is unknown"),
        ({"license": "by"}, "flag 'license' has the value 'by'"),
        ({"tag": ["a", 1]}, "flag 'tag' has the value"),
        ({"sample": True}, "flag 'sample' has the value True"),
        ({"sample": "5"}, "flag 'sample' has the value '5'"),
        ({"where": None}, "flag 'where' has the value None"),
        ({"commercial": 1}, "flag 'commercial' has the value 1"),
    ],
)
def test_flags_of_another_kind_are_refused(flags, said):
    with pytest.raises(ValueError, match=said):
        selection_of(flags)
