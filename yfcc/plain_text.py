"""Untrusted text made harmless: titles and names that strangers wrote, to be shown to people."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: Characters that reorder a line for the eye: a title must not change what stands beside it.
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: What JSON leaves as it is of both: DEL, C1, separators, and those that reorder.
_OBEYED: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{''.join(sorted(_BIDI))}]")
#: Control characters, lone surrogates, separators of lines and of paragraphs.
_CONTROLS: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))


def safe_text(value: object) -> str:
    r"""A value on one line, without control or reordering characters.

    Examples
    --------
    >>> safe_text("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    text = str(value)
    if text.isprintable():  # what reorders is not printable either
        return text
    return "".join(
        _code(character) if _is_control(character) or character in _BIDI else character
        for character in text
    )


def without_controls(text: str) -> str:
    r"""A text on one line, without control characters; those that reorder stay.

    For places where what reorders cannot reach beyond the text: cells, isolated elements.

    Examples
    --------
    >>> without_controls("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    if text.isprintable():
        return text
    return "".join(_code(character) if _is_control(character) else character for character in text)


def escape_json(text: str) -> str:
    r"""JSON whose texts have no character that a terminal obeys, or that reorders a line.

    Examples
    --------
    >>> escape_json('{"title": "a\x9b31m"}')
    '{"title": "a\\u009b31m"}'
    """
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_blank(text: str | None) -> bool:
    r"""Whether there is nothing to see in a text.

    Examples
    --------
    >>> is_blank(" \u200b")
    True
    """
    return not any(each.isprintable() and not each.isspace() for each in text or "")


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _CONTROLS


def _code(character: str) -> str:
    if character == "\n":
        return "\\n"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
