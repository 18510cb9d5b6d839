"""Captions as authors wrote them, and cleaned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.share.captions import build_caption, build_clean_caption, clean_text, is_boilerplate


@pytest.mark.parametrize(
    "name",
    [
        *("IMG_0520", "img_0520.jpg", "DSC01234", "DSC_0001-2", "_MG_1234", "_DSC4411", "P1010101"),
        *("DSCF0001 copy", "IMGP0012 edited", "CIMG2211", "MVI_0007.AVI", "100_0123", "scan4179"),
        *("untitled", "Untitled (3)", "(no title)", "Sans titre", "photo", "Picture 001", "image"),
        *("20090801_122311", "2009-08-01 12.30.05", "1984", "#12", "- - -", "Copy of IMG_1234"),
    ],
)
def test_names_that_a_camera_gave_say_nothing(name: str) -> None:
    assert is_boilerplate(name)
    assert clean_text(f" {name}\n") == ""


@pytest.mark.parametrize(
    "title",
    [
        *("Route 66", "Room 101", "Apollo 11", "P-51 Mustang", "R2D2", "Sam 2010", "Paris 2010"),
        *("Image of the day", "Picture of a cat", "file under 10", "7 Brücken", "東京2011", "U2"),
        *("Photographer", "Clipper", "A4", "Video killed the radio star", "scanner darkly"),
    ],
)
def test_titles_that_say_something_stay(title: str) -> None:
    assert clean_text(title) == title


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("My <b>cat</b> &amp; I", "My cat & I"),
        ('See <a href="http://example.org/a?b=c">my page</a>!', "See my page!"),
        ("One<br/>two<p>three</p>four", "One two three four"),
        ("<style>b { color: red }</style>Red", "Red"),
        ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
        ("More at http://example.org/x_(y) .", "More at."),
        ("Taken with (www.example.com) love", "Taken with love"),
        ("see flickr.com/photos/someone for more", "see for more"),
        ("Write to ann.b+c@mail.example.org, please", "Write to, please"),
        ("  two\n\n lines\t ", "two lines"),
        ("etc. and so on... and e.g. this", "etc. and so on... and e.g. this"),
    ],
)
def test_markup_and_addresses_go(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("metadata", "raw", "clean"),
    [
        (
            {"title": "A <i>cat</i>", "description": "It sat.", "user_tags": ["x"]},
            "A <i>cat</i>\nIt sat.",
            "A cat\nIt sat.",
        ),
        ({"title": None, "user_tags": ["a cat", "mat"]}, "a cat, mat", "a cat, mat"),
        ({"title": "IMG_0520", "description": "", "user_tags": ["cat", "1984"]}, "IMG_0520", "cat"),
        ({"title": None, "description": None, "user_tags": None}, "", ""),
        ({"title": "Cat", "description": "Cat"}, "Cat\nCat", "Cat"),
    ],
)
def test_a_caption_is_title_and_description_or_the_tags(
    metadata: dict, raw: str, clean: str
) -> None:
    assert (build_caption(metadata), build_clean_caption(metadata)) == (raw, clean)


@given(st.text(max_size=200))
def test_cleaning_ends_and_leaves_one_line(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned == " ".join(cleaned.split())
    assert len(cleaned) <= len(text) * 2  # a few named characters are two


@pytest.mark.parametrize("text", ["(" * 20_000, "1-" * 20_000, "a." * 20_000, "<" * 20_000])
def test_long_texts_take_no_time_to_speak_of(text: str) -> None:
    clean_text(text)
