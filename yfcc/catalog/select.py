"""A selection: what the flags mean in SQL. Pure; nothing here opens a catalog."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final

from yfcc.errors import UsageError

#: Licences of the dataset, and what they permit (https://creativecommons.org/licenses/).
LICENSES: Final = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")
#: The table that a catalog makes of an ``ids`` file.
LISTED: Final = "listed_items"
_COMPARISONS: Final = ("<=", ">=", "<", ">", "=")
_AUTOTAG_FORM: Final = re.compile(r"\A(!?)([^<>=!]+?)\s*(?:(<=|>=|<|>|=)\s*([0-9.]+))?\Z")
_LINES_FORM: Final = re.compile(r"\A([0-9]*)-([0-9]*)\Z")


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters over ``items``, joined with AND; the fields are the flags.

    Attributes
    ----------
    where : str, optional
        A SQL condition over the columns of ``items``.
    license : tuple of str
        ``by`` to ``by-nc-nd``.
    commercial, derivatives : bool
        Only licences that permit commercial use, or changed copies.
    media : str
        ``photo``, ``video`` or ``all``.
    bbox : str, optional
        ``W,S,E,N`` in degrees; W may exceed E, across the date line.
    country, place : str, optional
        Name (of any case) or WOEID.
    taken, uploaded : str, optional
        ``FROM..TO``, dates or times, TO not included unless it is a whole day; either may lack.
    tag : tuple of str
        User tags, all of them.
    autotag : tuple of str
        ``cat``, ``cat>0.8``, ``!dog``; all of them.
    user, device : str, optional
        NSID; name of the capture device, of any case.
    lines : str, optional
        ``A-B``, line numbers from 0, both included.
    ids : str, optional
        A file with photo ids or hashes, see :mod:`yfcc.catalog.id_list`. The condition names a
        table that a catalog makes of it.
    sample : int, optional
        So many of the items that all other flags select, drawn by chance; all of them if they
        are fewer. The same for the same catalog, flags and seed, on any machine.
    seed : int
        Another seed draws another sample.
    """

    where: str | None = None
    license: tuple[str, ...] = ()
    commercial: bool = False
    derivatives: bool = False
    media: str = "all"
    bbox: str | None = None
    country: str | None = None
    place: str | None = None
    taken: str | None = None
    uploaded: str | None = None
    tag: tuple[str, ...] = ()
    autotag: tuple[str, ...] = ()
    user: str | None = None
    device: str | None = None
    lines: str | None = None
    ids: str | None = None
    sample: int | None = None
    seed: int = 0

    def conditions(self) -> dict[str, str]:
        """SQL conditions by the flag they come from; none for a flag that is not set.

        Raises
        ------
        UsageError
            A value that is not of its flag's form.
        """
        found: dict[str, list[str]] = {}
        for flag in fields(self):
            value = getattr(self, flag.name)
            is_default = not value or (flag.name == "media" and value == "all")
            if is_default or flag.name in ("sample", "seed"):
                continue
            rule = _RULES[flag.name]
            values = value if isinstance(value, tuple) and flag.name != "license" else (value,)
            found[f"--{flag.name}"] = [rule(each) for each in values]
        joined = {flag: " AND ".join(conditions) for flag, conditions in found.items()}
        if self.sample is not None:
            joined["--sample"] = _sample(self.sample, self.seed, _all_of(joined))
        return joined

    def sql(self) -> str:
        """One condition over ``items``; ``true`` if every item is selected."""
        return _all_of(self.conditions())

    def without_sample(self) -> Selection:
        """What the sample is drawn from."""
        return replace(self, sample=None)


@dataclass(frozen=True, slots=True)
class IdList:
    """What a list holds, and how much of it the catalog has.

    Attributes
    ----------
    path : str
        The file.
    n_listed : int
        Different ids and hashes.
    n_found : int
        Of those, the ones that name an item of the catalog.
    sha256 : str
        Of the list itself, whatever its form: the different ids in ascending order, then the
        hashes, each with a newline.
    """

    path: str
    n_listed: int
    n_found: int
    sha256: str

    @property
    def n_missing(self) -> int:
        """Ids and hashes that the catalog lacks."""
        return self.n_listed - self.n_found


def _all_of(conditions: Mapping[str, str]) -> str:
    return " AND ".join(f"({condition})" for condition in conditions.values()) or "true"


def literal(value: str) -> str:
    """A SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def _where(text: str) -> str:
    # A comment at its end must not swallow what comes behind.
    return f"\n{text}\n"


def _license(codes: tuple[str, ...]) -> str:
    for code in codes:
        if code not in LICENSES:
            near = get_close_matches(code, LICENSES, n=1)
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
    if south > north or abs(south) > 90 or abs(north) > 90 or max(abs(west), abs(east)) > 180:
        raise UsageError(
            f"--bbox {text}: expected longitudes from -180 to 180 and latitudes from -90 to 90, "
            "south before north. The order is W,S,E,N."
        )
    latitudes = f"latitude BETWEEN {south!r} AND {north!r}"
    if west <= east:
        return f"longitude BETWEEN {west!r} AND {east!r} AND {latitudes}"
    return f"(longitude >= {west!r} OR longitude <= {east!r}) AND {latitudes}"


def _country(name: str) -> str:
    return f"{_place(name, kind='Country')}"


def _place(name: str, *, kind: str | None = None) -> str:
    if name.isascii() and name.isdigit():
        test = f"place.woeid = {int(name)}"
    else:
        test = f"lower(place.name) = lower({literal(name)})"
    if kind:
        test += f" AND place.type = {literal(kind)}"
    return f"len(list_filter(places, lambda place: {test})) > 0"


def _taken(text: str) -> str:
    return _period("date_taken", "--taken", text)


def _uploaded(text: str) -> str:
    return _period("date_uploaded", "--uploaded", text)


def _period(column: str, flag: str, text: str) -> str:
    first, dots, last = text.partition("..")
    if not dots or not (first or last):
        raise UsageError(f"{flag} {text}: expected FROM..TO, like 2012-01-01..2012-12-31.")
    conditions = []
    if first:
        conditions.append(f"{column} >= TIMESTAMP '{_moment(flag, first)}'")
    if last:
        end = _moment(flag, last) + (timedelta(days=1) if _is_day(last) else timedelta())
        conditions.append(f"{column} < TIMESTAMP '{end}'")
    if first and last and _moment(flag, first) > _moment(flag, last):
        raise UsageError(f"{flag} {text}: FROM lies after TO.")
    return " AND ".join(conditions)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _moment(flag: str, text: str) -> datetime:
    """A date or time; one with an offset becomes UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{flag} {text}: expected a date like 2012-02-16 or 2012-02-16T09:56:37."
        ) from error
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _tag(tag: str) -> str:
    return f"list_contains(user_tags, {literal(tag)})"


def _autotag(text: str) -> str:
    match = _AUTOTAG_FORM.match(text)
    if not match:
        raise UsageError(
            f"--autotag {text}: expected a concept like cat, cat>0.8 or !dog, with "
            f"one of {' '.join(_COMPARISONS)} before a score from 0 to 1."
        )
    negated, concept, comparison, score = match.groups()
    try:
        number = float(score) if score else None
    except ValueError as error:
        raise UsageError(f"--autotag {text}: {score} is no score from 0 to 1.") from error
    if number is not None and not 0 <= number <= 1:
        raise UsageError(f"--autotag {text}: expected a score from 0 to 1, got {score}.")
    found = f"autotags[{literal(concept.strip())}]"
    # Scores are 32-bit: 0.8 as DOUBLE would lie a hair beside the stored one.
    test = (
        f"{found} IS NOT NULL"
        if number is None
        else (f"coalesce({found} {comparison} CAST({number!r} AS FLOAT), false)")
    )
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
        conditions.append(f"line_number >= {int(first)}")
    if last:
        conditions.append(f"line_number <= {int(last)}")
    return " AND ".join(conditions)


def _ids(_: str) -> str:
    return f"photo_id IN (SELECT photo_id FROM {LISTED})"


def _sample(n_items: int, seed: int, condition: str) -> str:
    if n_items < 1:
        raise UsageError(f"--sample {n_items}: expected a number of items, at least 1.")
    return f"photo_id IN ({draw(n_items, seed, condition)})"


def draw(n_items: int, seed: int, condition: str, columns: str = "photo_id") -> str:
    """A query for the items of a sample: those whose MD5 of ``photo_id:seed`` comes first.

    Nothing else decides, neither threads nor shards nor the order of the rows; others can draw
    the same sample with any tool that has MD5.
    """
    return (
        f"SELECT {columns} FROM items WHERE {condition} "
        f"ORDER BY md5(photo_id || ':{seed}'), photo_id LIMIT {n_items}"
    )


_RULES: Final[dict[str, Callable[[Any], str]]] = {
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
    "user": _user,
    "device": _device,
    "lines": _lines,
    "ids": _ids,
}
