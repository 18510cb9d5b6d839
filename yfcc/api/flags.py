"""Selection flags as keyword arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from os import PathLike, fspath
from typing import Any, Final, TypedDict, cast

from yfcc.catalog.select import Selection
from yfcc.errors import UsageError

_TUPLES: Final = ("license", "tag", "autotag")


class Flags(TypedDict, total=False):
    """The flags of ``yfcc download``, without their dashes.

    ``license`` is text with commas, or several codes; ``tag`` and ``autotag`` are one or several,
    of which an item has to have all.
    """

    where: str | None
    license: str | Iterable[str]
    commercial: bool
    derivatives: bool
    media: str
    bbox: str | None
    country: str | None
    place: str | None
    taken: str | None
    uploaded: str | None
    tag: str | Iterable[str]
    autotag: str | Iterable[str]
    text: str | None
    user: str | None
    device: str | None
    lines: str | None
    ids: str | PathLike[str] | None
    sample: int | None
    seed: int
    per: str | None


def make_selection(flags: Flags) -> Selection:
    """The selection that flags mean.

    Raises
    ------
    UsageError
        No such flag.

    Examples
    --------
    >>> make_selection({"license": "by,by-sa", "autotag": "cat>0.8"}).license
    ('by', 'by-sa')
    """
    known = [field.name for field in fields(Selection)]
    values: dict[str, Any] = dict(cast("dict[str, Any]", flags))
    for name, value in values.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(known)}."
            raise UsageError(f"no selection flag {name!r}.{hint}")
        if name in _TUPLES:
            values[name] = _several(name, value)
        elif name == "ids" and value is not None:
            values[name] = fspath(value)
    return Selection(**values)


def _several(name: str, value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, str):
        return tuple(value)
    return tuple(filter(None, map(str.strip, value.split(",")))) if name == "license" else (value,)
