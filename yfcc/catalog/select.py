"""A selection: what the flags mean in SQL. Pure; nothing here opens a catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from yfcc.catalog.select_rules import LICENSES, LISTED, RULES, literal
from yfcc.catalog.select_sample import check_sample, draw
from yfcc.model import N_SHARDS

__all__ = ["LICENSES", "LISTED", "IdList", "Part", "Selection", "draw", "in_shards", "literal"]

#: Fields that together are one flag.
_OF_SAMPLE: Final = ("sample", "seed", "per")


@dataclass(frozen=True, slots=True)
class Part:
    """One value of one flag.

    Attributes
    ----------
    flag : str
        ``--autotag``.
    value : str
        As the user gives it, ``cat>0.8``; empty for a flag without value.
    sql : str
        A condition over ``items``.
    """

    flag: str
    value: str
    sql: str


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
        Name, of any case and with or without its accents, or WOEID.
    taken, uploaded : str, optional
        ``FROM..TO``, dates or times, TO not included unless it is a whole day; either may lack.
    tag : tuple of str
        User tags, all of them.
    autotag : tuple of str
        ``cat``, ``cat>0.8``, ``!dog``; all of them.
    text : str, optional
        Words in title, description or tags, see :mod:`yfcc.catalog.text_query`. The condition
        names a view that a catalog makes of its index of words.
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
    per : str, optional
        The sample is shared out evenly among the values of this column, one of
        :data:`~yfcc.catalog.select_sample.STRATA`.
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
    text: str | None = None
    user: str | None = None
    device: str | None = None
    lines: str | None = None
    ids: str | None = None
    sample: int | None = None
    seed: int = 0
    per: str | None = None

    def parts(self) -> list[Part]:
        """One condition for each value of each flag that is set, but for the sample's.

        Raises
        ------
        UsageError
            A value that is not of its flag's form.
        """
        check_sample(self.sample, self.per)
        found = []
        for flag in fields(self):
            if flag.name in _OF_SAMPLE or self._is_unset(flag.name):
                continue
            value = getattr(self, flag.name)
            if flag.name == "license":
                found.append(Part("--license", ",".join(value), RULES["license"](value)))
                continue
            for each in value if isinstance(value, tuple) else (value,):
                text = "" if each is True else str(each)
                found.append(Part(f"--{flag.name}", text, RULES[flag.name](each)))
        return found

    def conditions(self) -> dict[str, str]:
        """SQL conditions by the flag they come from; none for a flag that is not set.

        Raises
        ------
        UsageError
            A value that is not of its flag's form.
        """
        found: dict[str, list[str]] = {}
        for part in self.parts():
            found.setdefault(part.flag, []).append(part.sql)
        joined = {flag: " AND ".join(conditions) for flag, conditions in found.items()}
        if self.sample is not None:
            drawn = draw(self.sample, self.seed, all_of(joined.values()), per=self.per)
            joined["--sample"] = f"photo_id IN ({drawn})"
        return joined

    def sql(self) -> str:
        """One condition over ``items``; ``true`` if every item is selected."""
        return all_of(self.conditions().values())

    def without_sample(self) -> Selection:
        """What the sample is drawn from."""
        return replace(self, sample=None, seed=0, per=None)

    def flags(self) -> dict[str, Any]:
        """The flags that are set, by name, in values that JSON knows."""
        return {
            flag.name: list(value) if isinstance(value, tuple) else value
            for flag in fields(self)
            if not self._is_unset(flag.name)
            for value in [getattr(self, flag.name)]
        }

    def arguments(self) -> list[str]:
        """The flags that are set, as a command line has them."""
        found: list[str] = []
        for name, value in self.flags().items():
            values = [",".join(value)] if name == "license" else value
            for each in values if isinstance(values, list) else [values]:
                # As one word: a value may begin like a flag.
                found.append(f"--{name}" if each is True else f"--{name}={each}")
        return found

    def _is_unset(self, name: str) -> bool:
        value = getattr(self, name)
        return not value or (name == "media" and value == "all")


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


def all_of(conditions: Iterable[str]) -> str:
    """One condition of several; ``true`` of none."""
    return " AND ".join(f"({condition})" for condition in conditions) or "true"


def in_shards(shards: Collection[int] | None) -> str:
    """Condition that a row is of one of the shards; None stands for all.

    A bit a shard: of thousands of numbers in a list DuckDB makes a plan for 40 ms, and looks each
    row up in a table.

    Examples
    --------
    >>> in_shards([1, 4095])[:12] + "…" + in_shards([1, 4095])[-30:]
    "get_bit('010…001'::BIT, shard::INTEGER) = 1"
    """
    if shards is None:
        return "true"
    bits = bytearray(b"0" * N_SHARDS)
    for shard in shards:
        bits[shard] = ord("1")
    return f"get_bit('{bits.decode()}'::BIT, shard::INTEGER) = 1"
