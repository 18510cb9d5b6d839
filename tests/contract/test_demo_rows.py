"""The synthetic rows have the form of the true ones, traps included."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from hashlib import md5
from urllib.parse import unquote_plus

import pytest

from yfcc.demo.rows import SORTED_BY_ID, V1, RowChunk, SampleShape, iter_row_chunks
from yfcc.demo.tables.cameras import CAMERAS
from yfcc.demo.tables.gazetteer import CITIES, COUNTRIES
from yfcc.demo.traps import TRAPS

N_ITEMS = 2_000
TEXT_COLUMNS = (4, 7, 8, 9)


@cache
def chunk() -> RowChunk:
    (only,) = iter_row_chunks(N_ITEMS, seed=1)
    return only


@cache
def rows() -> list[list[str]]:
    return [line.split("\t") for line in chunk().dataset.decode("ascii").split("\n")[:-1]]


@cache
def pack(name: str) -> dict[str, str]:
    lines = getattr(chunk(), name).decode("ascii").split("\n")[:-1]
    return dict(line.split("\t") for line in lines)


def java_encoded(text: str) -> str:
    plain = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_*"
    return "".join(
        chr(byte) if byte in plain else "+" if byte == 0x20 else f"%{byte:02X}"
        for byte in text.encode("utf-8")
    )


def decoded(column: int) -> list[str]:
    return [unquote_plus(row[column]) for row in rows()]


def test_every_row_has_25_columns_and_its_line_number():
    assert {len(row) for row in rows()} == {25}
    assert [row[0] for row in rows()] == [str(number) for number in range(N_ITEMS)]
    assert chunk().n_rows == N_ITEMS


def test_text_is_encoded_as_java_does_and_decodes_to_what_it_was():
    pieces = [row[column] for row in rows() for column in TEXT_COLUMNS]
    pieces += [piece for row in rows() for column in (10, 11) for piece in row[column].split(",")]
    # One trap is encoded NUL, U+FFFD and the like: all valid UTF-8.
    assert all(java_encoded(unquote_plus(piece, errors="strict")) == piece for piece in pieces)


def test_hash_is_the_md5_of_the_download_url_without_zero_padding():
    hashes = {row[16]: row[2] for row in rows()}
    for url, photo_hash in hashes.items():
        assert photo_hash == "".join(f"{byte:x}" for byte in md5(url.encode()).digest())
    assert {len(photo_hash) for photo_hash in hashes.values()} > {29, 30, 31, 32}


def test_ids_are_unique_and_unordered_and_have_2_to_11_digits():
    ids = [int(row[1]) for row in rows()]
    assert len(set(ids)) == N_ITEMS
    assert ids not in (sorted(ids), sorted(ids, reverse=True))
    assert {len(row[1]) for row in rows()} >= {2, 3, 4, 5, 8, 9, 10, 11}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name.replace(" ", "-"))
def test_a_small_sample_has_every_trap(trap):
    columns = {
        "nickname": 4, "taken": 5, "uploaded": 6, "device": 7, "title": 8, "description": 9,
        "tags": 10, "machine_tags": 11, "longitude": 12, "latitude": 13, "accuracy": 14,
        "server": 19, "secret": 21, "secret_original": 22,
    }  # fmt: skip
    for name, text in trap.fields.items():
        assert rows()[trap.row][columns[name]] == text


def test_text_comes_in_many_scripts():
    text = "".join(decoded(8) + decoded(9) + decoded(4))
    latin, cyrillic, greek = "[éüñç]", "[а-я]", "[α-ω]"
    arabic, hebrew, hindi, thai = "[\u0627-\u064a]", "[א-ת]", "[\u0904-\u0939]", "[\u0e01-\u0e2e]"
    han, kana, hangul, emoji = "[一-龥]", "[ぁ-ゖ]", "[가-힣]", "[\U0001f300-\U0001faff]"
    for script in (
        latin, cyrillic, greek, arabic, hebrew, hindi, thai, han, kana, hangul, emoji
    ):  # fmt: skip
        assert re.search(script, text), script


def test_descriptions_hold_line_ends_markup_and_links():
    text = "".join(decoded(9))
    assert "\n\n" in text
    assert "<b>" in text
    assert '<a href="http://www.example.org/' in text


def test_the_longest_line_is_about_as_long_as_the_true_longest():
    longest = max(map(len, chunk().dataset.split(b"\n")))
    assert 197_000 < longest < 198_000


def test_shares_are_those_of_the_dataset():
    licences = Counter(
        row[18].removeprefix("http://creativecommons.org/licenses/") for row in rows()
    )
    assert set(licences) == {
        "by/2.0/", "by-sa/2.0/", "by-nd/2.0/", "by-nc/2.0/", "by-nc-sa/2.0/", "by-nc-nd/2.0/"
    }  # fmt: skip
    assert licences["by-nc-sa/2.0/"] / N_ITEMS == pytest.approx(0.29, abs=0.04)
    assert licences["by-nd/2.0/"] / N_ITEMS == pytest.approx(0.05, abs=0.02)
    assert sum(row[12] != "" for row in rows()) / N_ITEMS == pytest.approx(0.483, abs=0.04)
    assert sum(row[24] == "1" for row in rows()) / N_ITEMS == pytest.approx(0.0079, abs=0.006)
    assert sum(not value for value in pack("autotags").values()) / N_ITEMS == pytest.approx(
        0.043, abs=0.02
    )
    assert {row[23] for row in rows()} == {"jpg", "png", "gif"}


def test_urls_are_put_together_from_the_other_columns():
    for row in rows():
        photo_id, nsid, server, farm, secret, original, marker = (
            row[index] for index in (1, 3, 19, 20, 21, 22, 24)
        )
        assert re.fullmatch(r"\d{7,9}@N0\d", nsid)
        assert re.fullmatch(r"[0-9a-f]{10}", secret)
        assert re.fullmatch(r"[0-9a-f]{10}", original)
        if marker == "1":
            assert row[15] == f"http://www.flickr.com/videos/{nsid}/{photo_id}/"
            assert row[16] == f"{row[15]}play/orig/{original}"
        else:
            assert row[15] == f"http://www.flickr.com/photos/{nsid}/{photo_id}/"
            assert row[16] == f"http://farm{farm}.staticflickr.com/{server}/{photo_id}_{secret}.jpg"


def test_positions_are_all_three_or_none_and_some_in_scientific_notation():
    for row in rows():
        assert len({bool(text) for text in row[12:15]}) == 1
        if row[12]:
            assert -180 <= float(row[12]) <= 180
            assert -90 <= float(row[13]) <= 90
            assert 1 <= int(row[14]) <= 16
    assert any("E-" in row[12] for row in rows())


def test_packs_list_every_id_in_the_order_of_the_dataset():
    for name in ("autotags", "exif", "places"):
        assert list(pack(name)) == [row[1] for row in rows()]
        assert "" in pack(name).values()


def test_autotags_are_sorted_scored_and_raw():
    concepts = set()
    most = 0
    for value in filter(None, pack("autotags").values()):
        items = value.split(",")
        most = max(most, len(items))
        assert items == sorted(items)
        for item in items:
            concept, score = item.rsplit(":", 1)
            concepts.add(concept)
            assert re.fullmatch(r"0\.[5-9]\d{3}|1\.0000", score)
    assert len(concepts) > 500
    for mark in " '-":
        assert any(mark in concept for concept in concepts)
    assert 15 < most <= 65


def test_an_exif_item_has_one_raw_colon_and_is_in_sorted_place():
    recurring = empty = 0
    for value in filter(None, pack("exif").values()):
        items = value.split(",")
        assert items == sorted(items)
        keys = [item.split(":")[0] for item in items]
        recurring += len(keys) > len(set(keys))
        for item in items:
            key, text = item.split(":")
            empty += text == ""
            category, tag = key.split(".")
            for piece in (category, tag, text):
                assert piece == java_encoded(unquote_plus(piece)) or "." in piece
    assert recurring
    assert empty


def test_capture_device_is_what_the_exif_says():
    by_model = {camera.model: camera.device for camera in CAMERAS}
    n_compared = 0
    for row in rows():
        if found := re.search(r"Exif\+IFD0\.Model:([^,]*)", pack("exif")[row[1]]):
            assert unquote_plus(row[7]) == by_model[unquote_plus(found[1])]
            n_compared += 1
    assert n_compared > 500


def test_places_go_from_fine_to_coarse_and_agree_with_the_position():
    types = set()
    for row in rows():
        places = [entry.split(":") for entry in pack("places")[row[1]].split(",") if entry]
        if not places:
            continue
        types |= {kind for _, _, kind in places}
        assert all(woeid.isdecimal() for woeid, _, _ in places)
        assert places[-1][2] == "Timezone"
        assert places[-2][2] in {kind for _, kind in COUNTRIES.values()}
        town = next(unquote_plus(name) for _, name, kind in places if kind == "Town")
        city = next(city for city in CITIES if city.name == town)
        assert city.west - 0.001 <= float(row[12]) <= city.west + city.width + 0.001
        assert city.south - 0.001 <= float(row[13]) <= city.south + city.height + 0.001
        assert unquote_plus(places[-2][1]) == city.country
        assert unquote_plus(places[-1][1]) == city.timezone
    assert types >= {"Suburb", "Zip", "Town", "County", "State", "Country", "Timezone"}
    assert "Special Administrative Region" in types


def test_the_same_seed_gives_the_same_rows_and_a_short_sample_is_the_head_of_a_long_one():
    (short,) = iter_row_chunks(300, seed=1)
    for name in ("dataset", "autotags", "exif", "places"):
        assert getattr(chunk(), name).startswith(getattr(short, name))
    (other,) = iter_row_chunks(300, seed=2)
    assert not set(other.places.splitlines()) & set(chunk().places.splitlines())


def test_v1_has_23_columns_and_a_hash_pack():
    (v1,) = iter_row_chunks(50, 1, V1)
    for line, hashed, row in zip(
        v1.dataset.splitlines(), v1.hashes.splitlines(), rows(), strict=False
    ):
        assert line.decode().split("\t") == [row[1], *row[3:]]
        assert hashed.decode().split("\t") == row[1:3]


def test_packs_may_leave_out_empty_rows_miss_some_and_have_orphans():
    (sparse,) = iter_row_chunks(N_ITEMS, 1, SORTED_BY_ID)
    assert not any(line.endswith(b"\t") for line in sparse.exif.splitlines())
    shape = SampleShape(missing_share=0.1, orphan_share=0.05)
    (torn,) = iter_row_chunks(N_ITEMS, 1, shape)
    ids = {row[1] for row in rows()}
    listed = [line.split(b"\t")[0].decode() for line in torn.places.splitlines()]
    assert len(ids - set(listed)) / N_ITEMS == pytest.approx(0.1, abs=0.03)
    assert len(set(listed) - ids) / N_ITEMS == pytest.approx(0.05, abs=0.03)


def test_some_cats_in_japan_may_be_used_commercially():
    autotags, places = pack("autotags"), pack("places")
    cats = [
        int(row[0])
        for row in rows()
        if re.search("(^|,)cat:", autotags[row[1]]) and ":Japan:Country" in places[row[1]]
        if "/by/" in row[18] or "/by-sa/" in row[18]
    ]
    assert len([number for number in cats if number < 300]) >= 2
    assert len(cats) > 5
