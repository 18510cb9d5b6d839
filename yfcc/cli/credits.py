"""``yfcc credits``: title, author, source and licence of every item."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.options import (
    DEFAULT_CATALOG,
    DEFAULT_MIRROR,
    CatalogOption,
    JsonOption,
    MirrorOption,
    QuietOption,
)
from yfcc.cli.output import print_json, print_table, safe_text
from yfcc.cli.selection import tell_missing, with_selection

if TYPE_CHECKING:
    from yfcc.share.credits import Credit, CreditCounts


class CreditsFormat(StrEnum):
    """Forms of the list."""

    TEXT = "text"
    CSV = "csv"
    HTML = "html"
    JSON = "json"


@with_selection
def list_credits(  # noqa: PLR0913 - each is a flag
    *,
    mirror: MirrorOption = DEFAULT_MIRROR,
    catalog: CatalogOption = DEFAULT_CATALOG,
    from_catalog: Annotated[
        bool, typer.Option("--from-catalog", help="Every selected item, stored or not.")
    ] = False,
    format: Annotated[  # noqa: A002
        CreditsFormat, typer.Option(help="Form of the list.")
    ] = CreditsFormat.TEXT,
    out: Annotated[str, typer.Option("--out", help="A file; - is standard output.")] = "-",
    skip_incomplete: Annotated[
        bool,
        typer.Option(
            "--skip-incomplete",
            help="Leave out items without author, source or licence, and name them.",
        ),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Write title, author, source and licence of every stored item: complete, or not at all."""
    from yfcc.share.credit_lists import describe_gap, save_credits  # noqa: PLC0415 - 0.3 s

    # On standard output the list itself is the one JSON document.
    kind = CreditsFormat.JSON if json and out == "-" else format

    def tell(credit: Credit, missing: tuple[str, ...]) -> None:
        if not quiet:
            typer.echo(safe_text(f"left out: {describe_gap(credit, missing)}"), err=True)

    source = None if from_catalog else mirror
    with _open_credits(source, catalog, selection) as found:
        counts = save_credits(found, out, kind.value, tell if skip_incomplete else None)
    if out == "-":
        return
    if json:
        print_json(_document(counts, out, kind))
    elif not quiet:
        print_table(("licence", "items"), [*counts.by_name.items(), ("credited", counts.n_written)])
        typer.echo(f"{counts.n_written:,} credits in {out}")
        if counts.n_incomplete:
            typer.echo(f"{counts.n_incomplete:,} incomplete items left out", err=True)


@contextmanager
def _open_credits(
    mirror: str | None, catalog: Path, selection: Selection
) -> Iterator[Iterator[Credit]]:
    """The credits that are asked for; the catalog is opened only where it is needed."""
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415 - duckdb
    from yfcc.mirror.opening import open_any  # noqa: PLC0415
    from yfcc.share.credit_lists import credits_of_selected, credits_of_stored  # noqa: PLC0415
    from yfcc.share.stored import iter_stored  # noqa: PLC0415

    with ExitStack() as stack:
        if mirror is None:
            opened = stack.enter_context(Catalog(catalog))
            tell_missing(opened, selection)
            yield credits_of_selected(opened, selection)
            return
        place = open_any(mirror)
        stack.callback(place.close)
        is_all = selection == Selection()
        chosen = None if is_all else stack.enter_context(Catalog(catalog))
        if chosen is not None:
            tell_missing(chosen, selection)
        yield credits_of_stored(iter_stored(place, chosen, selection))


def _document(counts: CreditCounts, out: str, kind: CreditsFormat) -> dict[str, object]:
    return {
        "out": out,
        "format": kind.value,
        "n_written": counts.n_written,
        "n_incomplete": counts.n_incomplete,
        "by_license": counts.by_name,
    }
