"""The rules of the selection flags: a SQL condition of a value, or why it is none. Pure."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any, Final

from yfcc.errors import UsageError

#: Licences of the dataset, and what they permit (https://creativecommons.org/licenses/).
LICENSES: Final = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
#: The table that a catalog makes of an ``ids`` file.
LISTED: Final = "listed_items"
#: The view that a catalog makes of a ``text``.
FOUND: Final = "found_items"
_COMPARISONS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}
_AUTOTAG_FORM: Final = re.compile(r"\A(!?)([^<>=!]+?)\s*(?:(<=|>=|<|>|=)\s*([0-9.]+))?\Z")
#: Digits of a number that 64 bits hold.
_LONGEST_NUMBER: Final = 18
_LARGEST: Final = 2**63 - 1
_LAST_MOMENT: Final = datetime.combine(date.max, time.max)
#: A year, a month or a day.
_DATE_FORM: Final = re.compile(r"\A([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?\Z")
_WITHOUT_DASHES: Final = re.compile(r"\A([0-9]{4})([0-9]{2})([0-9]{2})\Z")
#: What Python says of a text that is no date, and of one that no calendar has.
_SAYS_LITTLE: Final = re.compile("Invalid isoformat|date value out of range")
_LINES_FORM: Final = re.compile(r"\A([0-9]*)-([0-9]*)\Z")


def literal(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def folded(text: str) -> str:
    """A SQL expression for a text without case and accents, as names are compared."""
    return f"lower(strip_accents({text}))"


def _where(text: str) -> str:
    # A comment at its end must not swallow what comes behind.
    return f"\n{text}\n"


def _license(codes: tuple[str, ...]) -> str:
    for code in codes:
        if code not in LICENSES:
            near = get_close_matches(code.lower().removeprefix("cc-"), LICENSES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"--license {code}: expected some of {', '.join(LICENSES)}.{hint}")
    return f"license IN ({', '.join(literal(code) for code in codes)})"


def _commercial(_: bool) -> str:
    return "license IN ('by', 'by-sa', 'by-nd')"


def _derivatives(_: bool) -> str:
    return "license IN ('by', 'by-sa', 'by-nc', 'by-nc-sa')"


def _media(kind: str) -> str:
    if kind not in ("photo", "video"):
        raise UsageError(f"--media {kind}: expected photo, video or all.")
    return f"media_kind = {literal(kind)}"


def _bbox(text: str) -> str:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--bbox {text}: expected W,S,E,N in degrees, like 138.9,35.5,140.0,35.9."
        ) from error
    if not all(math.isfinite(each) for each in (west, south, east, north)):
        raise UsageError(f"--bbox {text}: expected finite degrees.")
    is_on_globe = max(abs(south), abs(north)) <= 90 and max(abs(west), abs(east)) <= 180
    if south > north or not is_on_globe:
        hint = _likelier_box(west, south, east, north)
        raise UsageError(
            f"--bbox {text}: expected longitudes from -180 to 180 and latitudes from -90 to 90, "
            f"south before north. The order is W,S,E,N.{hint}"
        )
    latitudes = f"latitude BETWEEN {south!r} AND {north!r}"
    if west <= east:
        return f"longitude BETWEEN {west!r} AND {east!r} AND {latitudes}"
    return f"(longitude >= {west!r} OR longitude <= {east!r}) AND {latitudes}"


def _likelier_box(west: float, south: float, east: float, north: float) -> str:
    """What may be meant by a box that is none: south and north changed, or latitudes first."""
    for w, s, e, n in ((west, south, east, north), (south, west, north, east)):
        if max(abs(s), abs(n)) <= 90 and max(abs(w), abs(e)) <= 180:
            return f" Did you mean {w:.10g},{min(s, n):.10g},{e:.10g},{max(s, n):.10g}?"
    return ""


def _country(name: str) -> str:
    return _place(name, kind="Country")


def _place(name: str, *, kind: str | None = None) -> str:
    test = is_place(name)
    if kind:
        test += f" AND place.type = {literal(kind)}"
    return f"len(list_filter(places, lambda place: {test})) > 0"


def is_place(name: str) -> str:
    """A condition over ``place``: it has this name or WOEID."""
    if name.isascii() and name.isdigit() and len(name) <= _LONGEST_NUMBER:
        return f"place.woeid = {int(name)}"
    return f"{folded('place.name')} = {folded(literal(name.strip()))}"


def _taken(text: str) -> str:
    return _period("date_taken", "--taken", text)


def _uploaded(text: str) -> str:
    return _period("date_uploaded", "--uploaded", text)


def _period(column: str, flag: str, text: str) -> str:
    first, dots, last = (part.strip() for part in text.partition(".."))
    if not dots or not (first or last):
        hint = f" Did you mean {first}..{first}?" if _DATE_FORM.match(first) else ""
        raise UsageError(f"{flag} {text}: expected FROM..TO, like 2012-01-01..2012-12-31.{hint}")
    conditions = []
    if first:
        start, _ = _span(flag, first)
        conditions.append(f"{column} >= TIMESTAMP '{start}'")
    if last:
        begin, end = _span(flag, last)
        conditions.append(f"{column} < TIMESTAMP '{end}'")
        if first and start > begin and start >= end:
            raise UsageError(f"{flag} {text}: FROM lies after TO.")
    return " AND ".join(conditions)


def _span(flag: str, text: str) -> tuple[datetime, datetime]:
    """When a date or time begins, and before which moment it ends; a time has no length."""
    match = _DATE_FORM.match(text) or _WITHOUT_DASHES.match(text)
    try:
        if not match:
            moment = _moment(flag, text)
            return moment, moment
        month, day = (None if part is None else int(part) for part in match.group(2, 3))
        begin = date(int(match[1]), 1 if month is None else month, 1 if day is None else day)
    except (ValueError, OverflowError) as error:
        reason = "" if _SAYS_LITTLE.match(str(error)) else f": {error}"
        raise UsageError(
            f"{flag} {text}: expected a date like 2012, 2012-02, 2012-02-16 or "
            f"2012-02-16T09:56:37{reason}."
        ) from error
    return datetime.combine(begin, time.min), _end_of(begin, month, day)


def _end_of(begin: date, month: int | None, day: int | None) -> datetime:
    """The moment after a day, a month or a year; the last of all has none after it."""
    try:
        if day:
            after = begin + timedelta(days=1)
        elif month and month < 12:
            after = begin.replace(month=month + 1)
        else:
            after = date(begin.year + 1, 1, 1)
    except (ValueError, OverflowError):
        return _LAST_MOMENT
    return datetime.combine(after, time.min)


def _moment(flag: str, text: str) -> datetime:
    """A time; one with an offset becomes UTC."""
    if "W" in text:
        raise ValueError("weeks are not understood")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment
    if flag == "--taken":
        raise ValueError("without an offset, as cameras write their local time")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _tag(tag: str) -> str:
    return f"list_contains(user_tags, {literal(tag)})"


def split_autotag(text: str) -> tuple[bool, str, str | None, str | None]:
    """Whether it is negated, the concept, the comparison and the score, of ``!cat>0.8``.

    Raises
    ------
    UsageError
        It is not of this form.

    Examples
    --------
    >>> split_autotag("!black dog >= 0.8")
    (True, 'black dog', '>=', '0.8')
    """
    match = _AUTOTAG_FORM.match(text)
    if not match:
        raise UsageError(
            f"--autotag {text}: expected a concept like cat, cat>0.8 or !dog, with "
            f"one of {' '.join(_COMPARISONS)} before a score from 0 to 1; several in several flags."
        )
    negated, concept, comparison, score = match.groups()
    return bool(negated), concept.strip(), comparison, score


def _autotag(text: str) -> str:
    negated, concept, comparison, score = split_autotag(text)
    try:
        number = float(score) if score else None
    except ValueError as error:
        raise UsageError(f"--autotag {text}: {score} is no score from 0 to 1.") from error
    if number is not None and not 0 <= number <= 1:
        raise UsageError(f"--autotag {text}: expected a score from 0 to 1, got {score}.")
    found = f"autotags[{literal(concept)}]"
    test = f"{found} IS NOT NULL"
    if number is not None and comparison:
        # Concepts are listed from 0.5 on: one that an item lacks has a score below, taken as 0.
        is_lacking_chosen = str(_COMPARISONS[comparison](0, number)).lower()
        # Scores are 32-bit: 0.8 as DOUBLE would lie a hair beside the stored one.
        test = f"coalesce({found} {comparison} CAST({number!r} AS FLOAT), {is_lacking_chosen})"
    return f"NOT ({test})" if negated else test


def _user(nsid: str) -> str:
    return f"user_nsid = {literal(nsid)}"


def _device(name: str) -> str:
    return f"lower(capture_device) = lower({literal(name)})"


def _lines(text: str) -> str:
    match = _LINES_FORM.match(text)
    if not match or text == "-":
        raise UsageError(f"--lines {text}: expected A-B, like 0-999.")
    first, last = match.groups()
    if first and last and int(first) > int(last):
        raise UsageError(f"--lines {text}: A lies after B.")
    conditions = []
    if first:
        conditions.append(f"line_number >= {min(int(first), _LARGEST)}")
    if last:
        conditions.append(f"line_number <= {min(int(last), _LARGEST)}")
    return " AND ".join(conditions)


def _ids(_: str) -> str:
    return f"photo_id IN (SELECT photo_id FROM {LISTED})"


def _text(words: str) -> str:
    # Needed by few: what a word is takes its time to load.
    from yfcc.catalog.text_query import parse_words  # noqa: PLC0415

    parse_words(words)
    return f"line_number IN (SELECT line_number FROM {FOUND} WHERE words = {literal(words)})"


#: By field of a selection; of a field with several values the rule takes one at a time.
RULES: Final[dict[str, Callable[[Any], str]]] = {
    "where": _where,
    "license": _license,
    "commercial": _commercial,
    "derivatives": _derivatives,
    "media": _media,
    "bbox": _bbox,
    "country": _country,
    "place": _place,
    "taken": _taken,
    "uploaded": _uploaded,
    "tag": _tag,
    "autotag": _autotag,
    "text": _text,
    "user": _user,
    "device": _device,
    "lines": _lines,
    "ids": _ids,
}
