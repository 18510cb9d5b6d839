"""What commands print: tables for people, JSON for programs; untrusted text made harmless."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from yfcc.plain_text import escape_json, safe_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["print_json", "print_table", "safe_text", "today"]


_answers_in_json = False


def answer_in_json() -> None:
    """Have errors be JSON too: the settings file asks for it, not the command line."""
    global _answers_in_json  # noqa: PLW0603 - of the process, as standard output is
    _answers_in_json = True


def answers_in_json() -> bool:
    """Whether standard output is to have one JSON document, whatever happens."""
    return _answers_in_json or "--json" in sys.argv


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Print the end of a command whose exit code counts, whether or not anybody reads it."""
    try:
        yield
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # what waits to be written would fail again at the exit
                with suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def today() -> str:
    """The date of this moment, UTC, as ``2026-11-21``."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    import orjson  # noqa: PLC0415

    text = orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2).decode()
    typer.echo(escape_json(text))


def print_table(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on standard output: framed on a terminal, tab-separated elsewhere."""
    if not sys.stdout.isatty():
        typer.echo("\t".join(map(safe_text, names)))
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
        table.add_column(Text(safe_text(name)), justify="right" if is_right else "left")
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
