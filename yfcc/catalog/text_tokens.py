"""What counts as a word: one definition for the index and for what is asked of it.

A text is *folded*, a character at a time: to its compatibility form (NFKC), without case, without
diacritics (``café`` is ``cafe``), digits of any script as ``0`` to ``9``. What is neither letter,
number nor mark separates words. Scripts that put no blanks between words (Han, Kana, Hangul, Thai,
Lao, Khmer, Myanmar and some more) are *dense*: a run of them is cut into overlapping pairs of
characters, and its last character alone, so that every character begins a token.

Vowel signs and tones of South and South East Asia are part of a word and stay; points of Hebrew
and Arabic, which are mostly left out, go.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

#: Another definition needs another number: an index made with a different one is made anew.
DEFINITION: Final = f"1, Unicode {unicodedata.unidata_version}"
#: Of a longer word only the beginning counts.
LONGEST: Final = 48
#: A tag of several words also counts as one word, ``newyork``, up to so many.
MOST_JOINED: Final = 4

#: Scripts without blanks between words, and Hangul, whose words carry their particles.
_DENSE_RANGES: Final = (
    *((0x0E01, 0x0E4E), (0x0E81, 0x0EDF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x17D3)),
    *((0x1950, 0x19DF), (0x1A20, 0x1AAD), (0x1B00, 0x1B4B), (0x2E80, 0x2FDF), (0x3005, 0x3007)),
    *((0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x303C), (0x3041, 0x3096), (0x309D, 0x309F)),
    *((0x30A1, 0x30FA), (0x30FC, 0x312F), (0x3131, 0x318E), (0x31A0, 0x31BF), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0xA48C), (0xA960, 0xA97C), (0xA980, 0xA9C0), (0xA9E0, 0xA9FE)),
    *((0xAA60, 0xAA7F), (0xAC00, 0xD7FB), (0xF900, 0xFAFF), (0x1B000, 0x1B16F)),
    (0x20000, 0x3FFFD),
)
_DENSE: Final = "".join(f"{chr(first)}-{chr(last)}" for first, last in _DENSE_RANGES)
_RUNS: Final = re.compile(f"[{_DENSE}]+|[^ {_DENSE}]+")
_IS_DENSE: Final = re.compile(f"[{_DENSE}]")
#: Characters that belong together with the one before: taken one at a time they would be lost.
COMPOSING: Final = "\u1100-\u11ff\u3099\u309a\ua960-\ua97c\ud7b0-\ud7fb\uff9e\uff9f"
_COMPOSING: Final = re.compile(f"[{COMPOSING}]")
#: Letters that no decomposition leads to the plain ones that people type for them.
_PLAIN: Final = {
    **dict(zip("øłđħ\u0131ŧðŋ", "oldhitdn", strict=True)),
    "æ": "ae",
    "œ": "oe",
    "þ": "th",
}
_ZERO_WIDTH_SPACE: Final = "\u200b"


def is_dense(character: str) -> bool:
    """Whether a folded character belongs to a script without blanks between words."""
    return _IS_DENSE.match(character) is not None


def fold_character(character: str) -> str:
    """What a character becomes: letters and numbers, a blank where words end, or nothing.

    Examples
    --------
    >>> fold_character("É"), fold_character("ß"), fold_character("٣"), fold_character("-")
    ('e', 'ss', '3', ' ')
    """
    kind = unicodedata.category(character)
    if character == _ZERO_WIDTH_SPACE or kind in ("Cc", "Cn", "Co", "Cs"):
        return " "
    if kind == "Cf":
        return ""
    found = []
    for each in unicodedata.normalize("NFKC", character).casefold():
        parts = each if is_dense(each) else unicodedata.normalize("NFKD", each)
        found += [_plain(part) for part in parts]
    return "".join(found)


def _plain(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] == "L":
        return _PLAIN.get(character, character)
    if kind[0] == "N":
        digit = unicodedata.decimal(character, None)
        return character if digit is None else str(digit)
    if kind[0] == "M":
        return "" if _is_diacritic(character, kind) else character
    return "" if kind == "Cf" else " "


def _is_diacritic(character: str, kind: str) -> bool:
    """Whether a mark is left out; its combining class tells (Unicode, 4.3)."""
    place = unicodedata.combining(character)
    if place == 0:  # variation selectors and the grapheme joiner are no letters
        name = unicodedata.name(character, "")
        return kind == "Me" or "VARIATION SELECTOR" in name or "JOINER" in name
    return place in (1, 7, 8) or 10 <= place <= 36 or place >= 200


class _Folding(dict[int, str]):
    """For ``str.translate``: each character is looked at once."""

    def __missing__(self, code: int) -> str:
        self[code] = found = fold_character(chr(code))
        return found


_FOLDING: Final = _Folding()


def composed(text: str) -> str:
    """A text in which no character needs the one before it."""
    if text.isascii() or not _COMPOSING.search(text):
        return text
    return unicodedata.normalize("NFKC", text)


def fold(text: str) -> str:
    """A text as it is compared: folded words and dense runs, blanks between words.

    Examples
    --------
    >>> fold("Café-Crème, 東京!")
    'cafe creme  東京 '
    """
    return composed(text).translate(_FOLDING)


def iter_runs(text: str) -> Iterator[str]:
    """The words and the dense runs of a text, folded, in order; words are not cut."""
    yield from _RUNS.findall(fold(text))


def tokens_of(run: str) -> list[str]:
    """The tokens of one word or dense run.

    Examples
    --------
    >>> tokens_of("cafe"), tokens_of("東京都"), tokens_of("猫")
    (['cafe'], ['東京', '京都', '都'], ['猫'])
    """
    if not is_dense(run[0]):
        return [run[:LONGEST]]
    return [run[at : at + 2] for at in range(len(run))]


def tokenize(text: str) -> list[str]:
    """The tokens of a text, in order.

    Examples
    --------
    >>> tokenize("Ça c'est Zürich 2012!")
    ['ca', 'c', 'est', 'zurich', '2012']
    """
    return [token for run in iter_runs(text) for token in tokens_of(run)]


def tokenize_tag(tag: str) -> list[str]:
    """The tokens of a tag: of several words it also counts as one.

    Examples
    --------
    >>> tokenize_tag("New York")
    ['new', 'york', 'newyork']
    """
    runs = list(iter_runs(tag))
    found = [token for run in runs for token in tokens_of(run)]
    if 1 < len(runs) <= MOST_JOINED and not any(is_dense(run[0]) for run in runs):
        found.append("".join(runs)[:LONGEST])
    return found
