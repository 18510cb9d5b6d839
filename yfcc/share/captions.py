"""Captions: what an author wrote of an item, as it stands and cleaned.

A caption is the title and the description, or the tags where there is neither. Half of the
dataset's titles are names that a camera gave: they say nothing of a picture, and models learn
them by heart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from typing import Any, Final

_SPACE: Final = re.compile(r"\s+")
_DOMAINS: Final = "com|org|net|info|edu|gov|co\\.uk|de|fr|it|es|nl|jp|ca|com\\.au|com\\.br"
#: No part is tried from more than one place: texts have up to 64 KB.
_URL: Final = re.compile(
    r"(?i)(?<![a-z])(?:https?|ftp)://\S+|(?<![\w.-])www\.\S+|"
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}|"
    rf"(?<![\w.@-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}(?:{_DOMAINS})\b(?:/\S*)?"
)
_HIDDEN: Final = re.compile(r"(?i)<(script|style)\b[^<>]*>[^<]*</\1\s*>|<!--[^>]*>")
_TAG: Final = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)\b[^<>]*>")
_BLOCKS: Final = frozenset(
    ("br", "p", "div", "li", "ul", "ol", "tr", "td", "hr", "h1", "h2", "h3", "img", "blockquote")
)
#: A name of a file has fewer characters.
_LONGEST_NAME: Final = 80
#: What a removed address or tag leaves behind: brackets around nothing, blanks before a full stop.
_EMPTY_BRACKETS: Final = re.compile(r"\(\s*\)|\[\s*\]|<\s*>|\"\s*\"")
_BLANK_BEFORE_STOP: Final = re.compile(r"\s+([.,;:!?])(?=\s|$)")
_BLANKS_AND_JOINTS: Final = " \t\n-–—|·•,;:"  # noqa: RUF001 - dashes

#: How cameras, phones and scanners name files. Of these no one gives a picture the name of.
_CODES: Final = (
    "_?img|_?mg|_?dsc|dscf|dscn|dsci|dscc|pict|imgp|cimg|sany|hpim|kif|sdc|gopr|mvi|mov|vid|rimg|"
    "dcp|dcam|dji|crw|pano|p|pa|pb|pc|r|s|sam|wp|gp|ex|cr"
)
#: These are words too, or parts of one: a number behind them makes them a file's name.
_WORDS: Final = (
    "image|picture|pic|photo|foto|video|clip|scan|screen ?shot|snapshot|file|capture|panorama|hdr"
)
_ENDINGS: Final = "jpe?g|png|gif|tiff?|cr2|nef|mov|mp4|avi"
_CAMERA_NAME: Final = re.compile(
    r"(?i)(?:copy of )?(?:\d{0,4}[_\-])?"
    rf"(?:(?:{_CODES})[_\-.#]?\d{{3,}}|(?:{_WORDS})[_\-. #(]*\d+)"
    r"[\d_\-.()]*(?: ?\(\d+\))?[a-z]?"
    r"(?:[_\- ]*(?:edit(?:ed)?|copy|crop(?:ped)?|web|hdr|bw|small|resized?))*"
    rf"(?:\.(?:{_ENDINGS}))?"
)
#: Nothing but digits and what stands between them: counters, dates, times.
_ONLY_NUMBERS: Final = re.compile(
    r"(?i)[\d\s_\-.,:/()#]*\d[\d\s_\-.,:/()#]*(?:am|pm)?"
    rf"(?:\.(?:{_ENDINGS}))?"
)
_NO_NAME: Final = re.compile(
    r"(?i)[\s(\[\"'<_\-.]*(?:untitled|un-?titled|no ?title|no ?name|unnamed|sans titre|ohne titel|"
    r"sin t[ií]tulo|sem t[ií]tulo|senza titolo|zonder titel|無題|无题|image|photo|picture|snapshot)"
    r"[\s)\]\"'>_\-.]*(?:[#(]?\s*\d+\s*\)?)?"
)


def build_caption(metadata: Mapping[str, Any]) -> str:
    """The caption of an item as its author wrote it; empty if nothing was written.

    Parameters
    ----------
    metadata : mapping
        The dataset's fields, as in an item's JSON.
    """
    return "\n".join(filter(None, _texts(metadata))) or ", ".join(_tags(metadata))


def build_clean_caption(metadata: Mapping[str, Any]) -> str:
    """The caption without markup, addresses and names of files; empty if nothing is left."""
    clean = "\n".join(_without_repeats(map(clean_text, _texts(metadata))))
    return clean or ", ".join(_without_repeats(map(clean_text, _tags(metadata))))


def _texts(metadata: Mapping[str, Any]) -> Sequence[str]:
    return metadata.get("title") or "", metadata.get("description") or ""


def _tags(metadata: Mapping[str, Any]) -> Sequence[str]:
    return metadata.get("user_tags") or ()


def clean_text(text: str) -> str:
    """A text without markup and addresses, on one line; empty if it is a name that says nothing.

    Examples
    --------
    >>> clean_text('My <b>cat</b> &amp; I (<a href="http://example.org/">here</a>)')
    'My cat & I (here)'
    >>> clean_text("IMG_0520.JPG")
    ''
    """
    if "<" in text or "&" in text:
        text = _strip_markup(text)
    text = _EMPTY_BRACKETS.sub(" ", _URL.sub(_what_stays, text))
    text = _BLANK_BEFORE_STOP.sub(r"\1", _SPACE.sub(" ", text)).strip(_BLANKS_AND_JOINTS)
    return "" if is_boilerplate(text) else text


def is_boilerplate(text: str) -> bool:
    """Whether a text is the name that a camera or a program gave, or none.

    Examples
    --------
    >>> [is_boilerplate(each) for each in ("DSC01234", "2009-08-01 12.30.05", "Room 101")]
    [True, True, False]
    """
    if not any(map(str.isalnum, text)):
        return True
    return len(text) <= _LONGEST_NAME and any(
        form.fullmatch(text) for form in (_CAMERA_NAME, _ONLY_NUMBERS, _NO_NAME)
    )


def _without_repeats(texts: Iterable[str]) -> list[str]:
    """The texts that say something, each once."""
    return list(dict.fromkeys(filter(None, texts)))


def _what_stays(address: re.Match[str]) -> str:
    """Of an address in brackets, the bracket."""
    has_bracket = address[0].endswith((")", "]")) and not re.search(r"[(\[]", address[0])
    return f" {address[0][-1]}" if has_bracket else " "


def _strip_markup(text: str) -> str:
    """What a browser would show."""
    text = _TAG.sub(lambda tag: " " if tag[1].lower() in _BLOCKS else "", _HIDDEN.sub(" ", text))
    return unescape(text)
