"""``yfcc search`` and ``yfcc index``: words in titles, descriptions and tags."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from yfcc.catalog.select import Selection
from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption
from yfcc.cli.output import print_json, print_table, safe_text
from yfcc.cli.selection import with_selection
from yfcc.progress import note, silence_notes

if TYPE_CHECKING:
    from yfcc.catalog.text_ranking import Ranking


@with_selection
def search(
    *,
    words: Annotated[
        list[str],
        typer.Argument(
            help="All of them have to be there, in any language. Quotes keep words together, "
            "'\"new york\"'; beach* finds all that begin so; after -- also -word, to be absent."
        ),
    ],
    limit: Annotated[int, typer.Option(min=1, help="Items shown, at most.")] = 20,
    catalog: CatalogOption = DEFAULT_CATALOG,
    json: JsonOption = False,
    quiet: QuietOption = False,
    selection: Selection,
) -> None:
    """Find words in title, description and tags; the best items come first.

    The selection flags narrow down what is found.
    """
    from yfcc.api.catalog import open_catalog  # noqa: PLC0415 - duckdb

    with open_catalog(catalog) as opened:
        found = opened.choose(selection).ranked(limit)
    if json:
        print_json({"words": selection.text, **asdict(found)})
        return
    if found.items:
        print_table(
            ("photo_id", "score", "license", "title"),
            [
                (each.photo_id, f"{each.score:.2f}", each.license, each.title)
                for each in found.items
            ],
        )
    if not quiet:
        _tell(found)


def _tell(found: Ranking) -> None:
    for each in found.lacking:
        typer.echo(safe_text(each.describe()), err=True)
    shown = f", the best {len(found.items):,} of them shown" if found.items else ""
    typer.echo(f"{found.n_items:,} items{shown}", err=True)


def index(
    catalog: CatalogOption = DEFAULT_CATALOG,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build it even if there is one that fits.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build the index of words ahead, which --text and `yfcc search` else build when first used."""
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415 - duckdb
    from yfcc.catalog.text_index import ensure_words  # noqa: PLC0415

    if quiet:
        silence_notes()
    with Catalog(catalog) as opened:
        found = ensure_words(opened, note, rebuild=rebuild)
    if json:
        print_json(asdict(found) | {"path": str(found.path)})
    elif not quiet:
        built = "built" if found.is_new else "there already"
        typer.echo(
            safe_text(
                f"{found.n_items:,} items, {found.n_words:,} words, {found.n_bytes:,} bytes in "
                f"{found.path}: {built}"
            )
        )
