"""Metadata files with one line in a hundred spoilt, every kind of damage in turn."""

from __future__ import annotations

import bz2
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

#: One line in so many is spoilt.
EVERY: Final = 100

_DAMAGES: Final[tuple[Callable[[list[bytes]], list[bytes]], ...]] = (
    lambda columns: columns[:-1],  # one column short
    lambda columns: [*columns, b"more"],
    lambda columns: [b"" if column.isdigit() else column for column in columns],  # no id
    lambda columns: [column + b"x" if column.isdigit() else column for column in columns],
    lambda columns: [*columns[:-1], columns[-1] + b"\xff"],  # no UTF-8
    lambda columns: [b""],  # an empty line
    lambda columns: [b"<html>", b"</html>"][: len(columns)],
)


def damage_files(source: Path, target: Path) -> int:
    """Write spoilt copies of all bz2 files of a directory.

    Returns
    -------
    int
        Lines that were spoilt.
    """
    target.mkdir(parents=True, exist_ok=True)
    n_spoilt = 0
    for path in sorted(source.glob("*.bz2")):
        with bz2.open(path) as lines, bz2.open(target / path.name, "wb") as out:
            for line, is_spoilt in _spoilt(lines):
                out.write(line)
                n_spoilt += is_spoilt
    return n_spoilt


def _spoilt(lines: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    damages = itertools.cycle(_DAMAGES)
    for number, line in enumerate(lines):
        if number % EVERY != EVERY // 2:
            yield line, False
        else:
            columns = line.rstrip(b"\n").split(b"\t")
            yield b"\t".join(next(damages)(columns)) + b"\n", True
