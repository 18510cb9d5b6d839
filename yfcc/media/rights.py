"""What an answer's headers say about using its content.

Read are ``X-Robots-Tag`` (a de-facto standard, with the words ``noai`` and ``noimageai`` that
DeviantArt added, and ``noml``), ``tdm-reservation`` and ``tdm-policy`` (W3C TDMRep, final report of
10 May 2024) and ``Content-Usage`` (IETF AIPREF drafts attach and vocab; RFC 9651 dictionary); where
an answer says nothing of reservations, what the site's ``tdmrep.json`` does.

Whatever cannot be read and still has one of the words is taken as a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from yfcc.media.headers import Headers
from yfcc.media.httpdate import parse_date
from yfcc.media.tdmrep import TdmDeclaration

#: Our product token, as in the User-Agent and in robots.txt.
PRODUCT: Final = "yfcc"

RIGHTS_HEADERS: Final = ("x-robots-tag", "tdm-reservation", "tdm-policy", "content-usage")

_WORDS: Final = ("noai", "noimageai", "noml", "noindex", "noimageindex")

#: ``none`` is short for ``noindex, nofollow``.
_REFUSALS: Final = frozenset((*_WORDS, "none"))

#: Words that are rules too, and so no robot's name.
_OTHER_RULES: Final = frozenset(
    ("all", "index", "follow", "nofollow", "noarchive", "nocache", "nosnippet", "notranslate")
)

#: One of these in what cannot be read refuses.
_WORD_ANYWHERE: Final = re.compile("|".join(_WORDS) + r"|(?<![a-z0-9_-])none(?![a-z0-9_-])")

#: Names that mean every robot; ``robots`` is that of the HTML element, met in headers too.
_EVERYONE: Final = frozenset(("*", "robots", PRODUCT))

#: So much of a header is kept, of all that came: it is written down for every item.
_MAX_KEPT: Final = 4000

_TOKEN: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LIMIT: Final = re.compile(r"max-[a-z-]+[ \t]*:[ \t]*(?:-?[0-9]+|none|standard|large)")
_BOT_NAME: Final = re.compile(r"\*|[a-z0-9][a-z0-9._/-]*(?: [a-z0-9._/-]+)*")
_BLANKS: Final = " \t"

#: Uses that keeping a copy for research serves, over the drafts' versions: today's ``train-ai``,
#: and the wider and older names for training and for mining.
_USES: Final = frozenset(("train-ai", "train-genai", "ai", "genai", "tdm", "bots"))
_DENIALS: Final = frozenset(("n", "no", "?0", "0", "false"))

#: Names and values that can be read; others refuse if one of the uses is named.
_KEY: Final = re.compile(r"[a-z0-9*_.-]*")
_PREFERENCE: Final = re.compile(r"\??[a-z0-9_-]+")
_USE_ANYWHERE: Final = re.compile(rf"(?<![a-z0-9_-])(?:{'|'.join(_USES)})(?![a-z0-9_-])")
_QUOTED: Final = " \t\"'"


@dataclass(frozen=True, slots=True)
class Rights:
    """What the headers of an answer, and of all redirects to it, say.

    Attributes
    ----------
    refusal : str or None
        The statement that asks not to store the content; None if there is none.
    headers : mapping of str to str
        The headers read, by lower-case name, as received; several values with ``, `` between;
        all of them count, and the first 4,000 characters are kept.
        Under ``tdmrep.json`` what the site's file declares, if that counts.
    """

    refusal: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_refused(self) -> bool:
        """Whether the content is not to be stored."""
        return self.refusal is not None


NO_RIGHTS: Final = Rights()


def read_rights(
    headers: Headers, now_utc: datetime, declared: TdmDeclaration | None = None
) -> Rights:
    """What one answer says.

    Parameters
    ----------
    headers : Headers
    now_utc : datetime
        To judge ``unavailable_after`` by.
    declared : TdmDeclaration, optional
        What the site's file declares of the address; a header goes before it.
    """
    received = {name: headers.all(name) for name in RIGHTS_HEADERS if name in headers}
    if declared is not None and not _states_reservation(received.get("tdm-reservation", ())):
        received["tdmrep.json"] = (str(declared),)
    if not received:
        return NO_RIGHTS
    refusal = (
        _first(_robots_refusal(value, now_utc) for value in received.get("x-robots-tag", ()))
        or _first(_tdm_refusal(value) for value in received.get("tdm-reservation", ()))
        or _first(usage_refusal(value) for value in received.get("content-usage", ()))
        or _file_refusal(declared if "tdmrep.json" in received else None)
    )
    joined = {name: _keep(", ".join(values)) for name, values in received.items()}
    return Rights(refusal, MappingProxyType(joined))


def combine_rights(earlier: Rights, later: Rights) -> Rights:
    """The rights of two answers on one way; the most restrictive statement wins."""
    if not later.headers and later.refusal is None:
        return earlier
    headers = dict(earlier.headers)
    for name, value in later.headers.items():
        headers[name] = _keep(f"{headers[name]}, {value}") if name in headers else value
    return Rights(earlier.refusal or later.refusal, MappingProxyType(headers))


def _keep(value: str) -> str:
    return value if len(value) <= _MAX_KEPT else f"{value[:_MAX_KEPT]}…"


def _first(refusals: Iterable[str | None]) -> str | None:
    return next((refusal for refusal in refusals if refusal is not None), None)


def _robots_refusal(value: str, now_utc: datetime) -> str | None:
    """The refusal in one ``X-Robots-Tag``, None if it has none for us.

    A bot's name before a colon applies to all rules after it, also in the middle of a value.
    """
    statement = f"X-Robots-Tag: {value[:500]}"
    lower = value.lower()
    has_word = _WORD_ANYWHERE.search(lower) is not None  # once: a value may have 30,000 pieces
    pieces = [piece.strip(_BLANKS) for piece in lower.split(",")]
    is_ours, i = True, 0
    while i < len(pieces):
        piece = pieces[i]
        i += 1
        bot, rule = _split_bot(piece)
        if bot is not None:
            is_ours = bot.partition("/")[0] in _EVERYONE
        if rule.startswith("unavailable_after"):
            is_past, n_more = _read_unavailable_after(rule, pieces[i : i + 1], now_utc)
            i += n_more
            if is_past and is_ours:
                return statement
        elif not _is_readable(rule):
            if has_word:
                return statement
        elif is_ours and _is_refusal(rule):
            return statement
    return None


def _split_bot(piece: str) -> tuple[str | None, str]:
    """A bot's name, if the piece begins with one, and the rule."""
    name, colon, rest = piece.partition(":")
    name = name.strip(_BLANKS)
    if not colon or name == "unavailable_after" or name.startswith("max-"):
        return None, piece
    # A rule's word in the place of a name is no name: leave the piece as it is, unreadable.
    is_rule = name in _OTHER_RULES or any(word in name for word in _REFUSALS)
    if _BOT_NAME.fullmatch(name) is None or is_rule:
        return None, piece
    return name, rest.strip(_BLANKS)


def _is_readable(rule: str) -> bool:
    return not rule or any(known.fullmatch(rule) for known in (_TOKEN, _LIMIT))


def _is_refusal(rule: str) -> bool:
    if ":" in rule:
        return False  # max-image-preview:none
    return rule in _REFUSALS or any(word in rule for word in _WORDS)


def _read_unavailable_after(rule: str, rest: list[str], now_utc: datetime) -> tuple[bool, int]:
    """Whether the date is past, or no date, and how many further pieces belong to it.

    A date may have a comma after its day of the week.
    """
    text = rule.removeprefix("unavailable_after").strip(_BLANKS).removeprefix(":").strip(_BLANKS)
    moment = parse_date(text)
    if moment is not None:
        return moment <= now_utc, 0
    if rest and _WEEKDAY.fullmatch(text):
        moment = parse_date(f"{text}, {rest[0]}")
        if moment is not None:
            return moment <= now_utc, 1
    return True, 0


_WEEKDAY: Final = re.compile(r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?")


def _tdm_refusal(value: str) -> str | None:
    """TDMRep: 1 reserves the rights, 0 does not, anything else says nothing."""
    if any(piece.strip(_BLANKS) == "1" for piece in value.split(",")):
        return f"tdm-reservation: {value[:500]}"
    return None


def _states_reservation(values: Iterable[str]) -> bool:
    """Whether headers hold a value that goes before the file: no other one counts as set."""
    return any(piece.strip(_BLANKS) in {"0", "1"} for each in values for piece in each.split(","))


def _file_refusal(declared: TdmDeclaration | None) -> str | None:
    return f"tdmrep.json, {declared}" if declared is not None and declared.is_reserved else None


def usage_refusal(value: str) -> str | None:
    """The refusal in one ``Content-Usage``, None if it has none.

    Stricter than the drafts, where the last of equal keys wins, ``n`` has to be a token, and what
    cannot be read says nothing: one denial is enough, however it is spelled.
    """
    for member in value.lower().split(","):
        key, equals, preference = member.partition(";")[0].partition("=")
        key = key.strip(_QUOTED)
        if key in _USES:
            is_denied = bool(equals) and _is_denial(preference.strip(_QUOTED))
        else:
            is_denied = _KEY.fullmatch(key) is None and _USE_ANYWHERE.search(key) is not None
        if is_denied:
            return f"Content-Usage: {value[:500]}"
    return None


def _is_denial(preference: str) -> bool:
    return preference in _DENIALS or _PREFERENCE.fullmatch(preference) is None
