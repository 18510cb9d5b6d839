"""What commands print: tables for people, JSON for programs; untrusted text made harmless."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.table import Table

#: Characters that reorder a line for the eye: a title must not change what stands beside it.
_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def safe_text(value: object) -> str:
    r"""A value on one line, without control or reordering characters.

    Examples
    --------
    >>> safe_text("a\x1b[31m\nb")
    'a\\x1b[31m\\nb'
    """
    text = str(value)
    if text.isprintable() and text.isascii():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\n":
        return "\\n"
    code = ord(character)
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def today() -> str:
    """The date of this moment, UTC, as ``2026-11-21``."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    import orjson  # noqa: PLC0415

    typer.echo(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2).decode())


def print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on standard output: framed on a terminal, tab-separated elsewhere."""
    if not sys.stdout.isatty():
        typer.echo("\t".join(names))
        for row in rows:
            typer.echo("\t".join(safe_text(_plain(value)) for value in row))
        return
    from rich.console import Console  # noqa: PLC0415 - 0.1 s that --help need not pay

    Console().print(_framed(names, rows))


def _framed(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table()
    is_number = [
        bool(rows) and all(isinstance(row[column], int | float | None) for row in rows)
        for column in range(len(names))
    ]
    for name, is_right in zip(names, is_number, strict=True):
        table.add_column(Text(name), justify="right" if is_right else "left")
    for row in rows:
        # Text, not str: rich would read brackets in a title as markup.
        table.add_row(*(Text(safe_text(_pretty(value))) for value in row))
    return table


def _plain(value: object) -> object:
    return "" if value is None else value


def _pretty(value: object) -> object:
    if value is None:
        return "·"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return value
