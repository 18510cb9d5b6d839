"""What a word is, for the index and for what is asked; and that the compiled loops agree."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.word_catalogs import Texts
from yfcc.catalog.text_query import Term, parse_words
from yfcc.catalog.text_search import unpack_levels, unpack_lines
from yfcc.catalog.text_segment import Segment
from yfcc.catalog.text_tokens import LONGEST, fold, tokenize, tokenize_tag
from yfcc.errors import UsageError

#: Letters of many scripts, marks that belong to the one before, and what parts words.
ALPHABETS = (
    "aAbz019 ",
    "éÉèüßøłœıİñ" + "e\u0301o\u0308",
    "\u0433\u0451\u0419\u0416 \u03a3\u03c2\u03b1\u03ac",
    "\u05e9\u05c1\u05dc\u05d5\u05dd \u0645\u064e\u0631\u062d\u0628\u0627 \u0662\u0660",
    "東京都の猫がかガカ゛ーｶﾞ\u304b\u3099々 ",
    "서울에서\u1112\u1161\u11ab ",
    "กรุงเทพ้ ๒๕ ພາສາ ខ្មែរ မြန်မာ ",
    "हिन्दी क़्षेत्र বাংলা ",
    "-_.,:;!?'’\"#@/\\()[]{}<>=+*&^%$~`|\n\t\x00\u200b\u200d\ufeff\u2028",
    "①㈱㌖ﷺ½℃™ﬁ𝒜🐈👍🏽\U00020000\U0010ffff\ufffd",
)
TEXT = st.text(st.sampled_from("".join(ALPHABETS)) | st.characters(exclude_categories=["Cs"]))
TAGS = st.lists(TEXT, max_size=3)


def indexed(items: list[Texts]) -> dict[str, list[int]]:
    """Items by token, as a segment packs them."""
    segment = Segment(100)
    texts = [
        [each.title, each.description, *(each.user_tags or ()), *(each.machine_tags or ())]
        for each in items
    ]
    lines = np.arange(100, 100 + 3 * len(items), 3)
    segment.add(lines, pa.array(texts, pa.list_(pa.string())))
    found = {}
    for row in segment.packed().to_pylist():
        packed = unpack_lines(row["lines"])
        assert len(packed) == row["n_items"] == len(unpack_levels(row["levels"], row["n_items"]))
        found[row["token"]] = (packed // 3).tolist()
    assert list(found) == sorted(found, key=str.encode)
    assert segment.n_postings == sum(map(len, found.values()))
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Café CAFE\u0301 cafe", ["cafe", "cafe", "cafe"]),
        ("Straße, Łódź; Ærø; Iğdır", ["strasse", "lodz", "aero", "igdir"]),
        ("O'Neil's IMG_0042.JPG", ["o", "neil", "s", "img", "0042", "jpg"]),
        ("٢٠١٢ ２０１２ ²", ["2012", "2012", "2"]),
        ("Ёлка ΣΊΣΥΦΟΣ", ["елка", "σισυφοσ"]),
        ("שָׁלוֹם مَرْحَبًا", ["שלום", "مرحبا"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー", "ー"]),
        ("ｶﾞ か\u3099 が", ["ガ", "が", "が"]),
        ("한국 \u1112\u1161\u11ab", ["한국", "국", "한"]),
        ("Tokyo東京2020", ["tokyo", "東京", "京", "2020"]),
        ("กรุง", ["กร", "รุ", "ุง", "ง"]),
        ("हिन्दी", ["हिन्दी"]),
        ("co\u00adop zero\u200bwidth a\u200db", ["coop", "zero", "width", "ab"]),
        ("-- !? \x00 🐈", []),
        ("x" * 100, ["x" * LONGEST]),
    ],
)
def test_words_of_a_text(text, wanted):
    assert tokenize(text) == wanted
    assert tokenize(unicodedata.normalize("NFD", text)) == wanted
    assert set(indexed([Texts(title=text)])) == set(wanted)


@pytest.mark.parametrize(
    ("tag", "wanted"),
    [
        ("New York", ["new", "york", "newyork"]),
        ("newyork", ["newyork"]),
        ("東京 tower", ["東京", "京", "tower"]),
        ("a b c d", ["a", "b", "c", "d", "abcd"]),
        ("a b c d e", ["a", "b", "c", "d", "e"]),
    ],
)
def test_a_tag_of_several_words_is_one_word_too(tag, wanted):
    assert tokenize_tag(tag) == wanted
    assert set(indexed([Texts(user_tags=[tag])])) == set(wanted)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.builds(Texts, TEXT | st.none(), TEXT | st.none(), TAGS, TAGS), max_size=4))
@example([Texts("ﷺ" * 50, "㌖" * 40, ["ﷺ ﷺ ", "a b"])])
@example([Texts(None, None, None), Texts("", "x" * 200)])
def test_the_compiled_loops_find_the_same_words(items):
    wanted: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        for token in item.tokens():
            wanted.setdefault(token, []).append(number)
    assert indexed(items) == wanted


@settings(max_examples=200, deadline=None)
@given(TEXT)
def test_every_word_of_a_text_finds_it(text):
    tokens = set(tokenize(text))
    for word in fold(text).split():
        for clause in parse_words(f'"{word}"').wanted:
            assert any(is_met(term, tokens) for term in clause.terms)
    assert fold(fold(text)) == fold(text)


def is_met(term: Term, tokens: set[str]) -> bool:
    if term.is_prefix:
        return any(token.startswith(term.token) for token in tokens)
    return term.token in tokens


def test_room_grows_with_the_words():
    """More words, longer ones and more postings than there is room for at first."""
    n_items, n_words = 300, 120
    items = [
        Texts(
            description=" ".join(
                f"word{(7 * item + word) % 30_000}x{'y' * 20}{item}" for word in range(n_words)
            )
        )
        for item in range(n_items)
    ]
    found = indexed(items)
    assert len(found) == n_items * n_words
    assert all(len(numbers) == 1 for numbers in found.values())


def test_lists_of_items_are_packed_without_loss():
    segment = Segment(0)
    lines = np.cumsum([0, 1, 127, 128, 129, 16_383, 16_384, 70_000, 3_000_000])
    rows = [["cat", "a cat, a dog"]] * len(lines)
    segment.add(lines, pa.array(rows, pa.list_(pa.string())))
    (cat,) = [row for row in segment.packed().to_pylist() if row["token"] == "cat"]
    assert unpack_lines(cat["lines"]).tolist() == lines.tolist()
    assert len(set(unpack_levels(cat["levels"], len(lines)).tolist())) == 1


@pytest.mark.parametrize("text", ["", "   ", "!? -- ...", "-dog", '"" -"new york"', "🐈"])
def test_nothing_to_look_for_is_refused_with_what_is_expected(text):
    with pytest.raises(UsageError, match="expected words, like"):
        parse_words(text)


def test_an_open_quote_is_refused():
    with pytest.raises(UsageError, match="lacks its second"):
        parse_words('"new york')


def test_words_one_after_another_may_be_one_in_a_tag():
    new, york = parse_words("New York").wanted
    assert {term.token for term in new.terms} == {"new", "newyork"}
    assert {term.token for term in york.terms} == {"york", "newyork"}
    assert not parse_words("New York").phrases
    assert all(len(clause.terms) == 1 for clause in parse_words('"New York"').wanted)
