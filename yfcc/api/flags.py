"""Selection flags as keyword arguments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from operator import index
from os import PathLike, fspath
from typing import Any, Final, SupportsIndex, TypedDict, TypeGuard

from yfcc.catalog.select import Selection, literal
from yfcc.errors import UsageError

#: What Python has for the fields of a selection.
_KINDS: Final = {"commercial": bool, "derivatives": bool, "sample": int, "seed": int}
#: Characters of a value; no name that an item has is nearly as long.
_LONGEST: Final = 2_000
#: Ids of a list that is written into the condition.
_MOST_IDS: Final = 10_000
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_HASH: Final = re.compile(r"[0-9a-f]{16,32}")
_EXPECTED: Final = {str: "text", bool: "True or False", int: "a whole number"}


class Flags(TypedDict, total=False):
    """The flags of ``yfcc download``, without their dashes.

    ``license`` is text with commas, or several codes; ``tag`` and ``autotag`` are one or several,
    of which an item has to have all. ``bbox`` is text or four numbers, west, south, east, north;
    ``country`` and ``place`` are a name or the number of a WOEID. ``ids`` is the path of a list, or
    up to 10,000 photo ids or hashes, which become part of ``where``.
    """

    where: str | None
    license: str | Iterable[str]
    commercial: bool
    derivatives: bool
    media: str
    bbox: str | Sequence[float] | None
    country: str | int | None
    place: str | int | None
    taken: str | None
    uploaded: str | None
    tag: str | Iterable[str]
    autotag: str | Iterable[str]
    text: str | None
    user: str | None
    device: str | None
    lines: str | None
    ids: str | PathLike[str] | Iterable[int | str] | None
    sample: int | None
    seed: int
    per: str | None


def make_selection(flags: Flags) -> Selection:
    """The selection that flags mean.

    Raises
    ------
    UsageError
        No such flag, or a value of another kind than the flag's.

    Examples
    --------
    >>> make_selection({"license": "by,by-sa", "autotag": "cat>0.8"}).license
    ('by', 'by-sa')
    >>> make_selection({"bbox": (138.9, 35.5, 140, 35.9), "country": 23424856}).bbox
    '138.9,35.5,140,35.9'
    >>> make_selection({"ids": [4207153986, 35768260], "media": "photo"}).where
    '(photo_id IN (35768260, 4207153986))'
    """
    known = [field.name for field in fields(Selection)]
    values: dict[str, Any] = {}
    named: str | None = None
    for name, value in flags.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(known)}."
            raise UsageError(f"no selection flag {name!r}.{hint}")
        if name == "ids" and isinstance(value, Iterable) and not isinstance(value, str | PathLike):
            named = _named(value)
        elif value is not None:
            values[name] = _value(name, value)
    if named is not None:
        where = values.get("where")
        values["where"] = named if where is None else f"{named} AND (\n{where}\n)"
    return Selection(**values)


def _named(ids: Iterable[object]) -> str:
    """The condition that items have one of some photo ids or hashes."""
    numbers, hashes = set[int](), set[str]()
    for each in ids:
        if _is_whole(each) and 0 < index(each) < 2**63:
            numbers.add(index(each))
        elif isinstance(each, str) and _ID.fullmatch(each):
            numbers.add(int(each))
        elif isinstance(each, str) and _HASH.fullmatch(each):
            hashes.add(each)
        else:
            raise UsageError(f"--ids: {each!r:.100}: expected a photo id or a photo hash.")
        if len(numbers) + len(hashes) > _MOST_IDS:
            raise UsageError(
                f"--ids: expected at most {_MOST_IDS:,} ids here, got more. Write them to a file, "
                "one a line, and give its path."
            )
    parts = []
    if numbers:
        parts.append(f"photo_id IN ({', '.join(map(str, sorted(numbers)))})")
    if hashes:
        parts.append(f"photo_hash IN ({', '.join(map(literal, sorted(hashes)))})")
    if not parts:
        raise _nothing("ids")
    return f"({' OR '.join(parts)})"


def _value(name: str, value: object) -> object:
    """A flag's value as a selection has it."""
    if name in ("license", "tag", "autotag"):
        return _several(name, value)
    if name == "ids" and isinstance(value, PathLike):
        value = fspath(value)
    elif name == "bbox" and isinstance(value, Sequence) and not isinstance(value, str):
        value = ",".join(map(str, value))
    elif name in ("country", "place") and _is_whole(value):
        value = str(value)
    return _checked(name, value)


def _several(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = value.split(",") if name == "license" else [value]
    elif not isinstance(value, Iterable):
        raise UsageError(
            f"--{name} {value!r}: expected text, or several, got {type(value).__name__}."
        )
    found = [str(_checked(name, each)) for each in value]
    if name != "license":
        return tuple(found)
    codes = tuple(filter(None, map(str.strip, found)))
    if not codes:
        raise _nothing(name)
    return codes


def _checked(name: str, value: object) -> object:
    """A value of the flag's kind; text of no characters would select everything."""
    kind = _KINDS.get(name, str)
    if kind is int and _is_whole(value):
        return index(value)
    if type(value) is not kind:
        raise UsageError(
            f"--{name} {value!r}: expected {_EXPECTED[kind]}, got {type(value).__name__}."
        )
    if isinstance(value, str):
        _check_text(name, value)
    return value


def _check_text(name: str, text: str) -> None:
    """Refuse what is no text, and what no item can have."""
    if not text and name != "license":
        raise _nothing(name)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"--{name} {text[:100]!a}: expected text in UTF-8, got other bytes."
        ) from error
    if len(text) > _LONGEST and name not in ("where", "ids"):
        raise UsageError(
            f"--{name} {text[:40]}…: expected at most {_LONGEST:,} characters, got {len(text):,}."
        )


def _is_whole(value: object) -> TypeGuard[SupportsIndex]:
    """Whether it is a whole number, also one of NumPy's."""
    return isinstance(value, SupportsIndex) and not isinstance(value, bool)


def _nothing(name: str) -> UsageError:
    return UsageError(
        f"--{name}: expected a value, got none. Leave the flag out to select whatever its value."
    )
