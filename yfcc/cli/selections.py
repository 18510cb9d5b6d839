"""``yfcc selections``: the selections saved beside a catalog, and what to cite."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yfcc.cli.options import DEFAULT_CATALOG, CatalogOption, JsonOption, QuietOption
from yfcc.cli.output import print_json, print_table, safe_text
from yfcc.errors import SourceChanged

if TYPE_CHECKING:
    from yfcc.catalog.saved import SavedSelection


def selections(
    name: Annotated[
        str | None, typer.Argument(help="Show this one, by name or path; without: list all.")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare with what the catalog gives now; exit 4 if not so."),
    ] = False,
    catalog: CatalogOption = DEFAULT_CATALOG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """List the selections saved with --save, or show one: its SQL, count, digest, citation."""
    from yfcc.catalog.saved import list_saved, read_saved, saved_path  # noqa: PLC0415 - duckdb

    found = list_saved(catalog) if name is None else [read_saved(saved_path(catalog, name))]
    changes = _changes(catalog, found) if check else {}
    if json:
        documents = [_document(each, changes.get(each.name), is_checked=check) for each in found]
        print_json(documents if name is None else documents[0])
    elif not quiet:
        if name is None:
            _print_list(found, changes, is_checked=check)
        else:
            _print_one(found[0])
    if changes and json:
        raise typer.Exit(SourceChanged.exit_code)
    if changes:
        raise SourceChanged("\n".join(changes.values()))


def _changes(catalog: Path, found: list[SavedSelection]) -> dict[str, str]:
    """What is not as it was, by name."""
    from yfcc.catalog.reader import Catalog  # noqa: PLC0415 - duckdb
    from yfcc.catalog.saved import check_saved  # noqa: PLC0415

    changes = {}
    with Catalog(catalog) as opened:
        for each in found:
            try:
                check_saved(opened, each)
            except SourceChanged as error:
                changes[each.name] = str(error)
    return changes


def _document(saved: SavedSelection, change: str | None, *, is_checked: bool) -> dict[str, Any]:
    state = {"is_same": change is None} if is_checked else {}
    return {"path": str(saved.path)} | saved.document | {"citation": saved.citation()} | state


def _print_list(found: list[SavedSelection], changes: dict[str, str], *, is_checked: bool) -> None:
    names: tuple[str, ...] = ("name", "items", "digest", "saved", "flags")
    rows = [
        (each.name, each.n_items, each.digest[:16], each.document["saved_at"][:10], _flags(each))
        for each in found
    ]
    if is_checked:
        names = (*names, "now")
        states = ("changed" if each.name in changes else "the same" for each in found)
        rows = [(*row, state) for row, state in zip(rows, states, strict=True)]  # type: ignore[misc]
    print_table(names, rows)


def _print_one(saved: SavedSelection) -> None:
    document = saved.document
    rows = [
        ("name", saved.name),
        ("file", saved.path),
        ("items", saved.n_items),
        ("digest", saved.digest),
        ("flags", _flags(saved)),
        ("SQL", document["sql"]),
        ("saved", document["saved_at"]),
        ("yfcc", document["yfcc_version"]),
        *(
            ("from", f"{each['file']}, {each['n_bytes']:,} bytes, {each['n_joined']:,} rows joined")
            for each in document["catalog"]["files"]
        ),
    ]
    if document["ids"]:
        rows.append(("ids", f"{document['ids']['n_listed']:,} listed in {saved.selection.ids}"))
    print_table(("what", "value"), rows)
    typer.echo(safe_text(saved.citation()))


def _flags(saved: SavedSelection) -> str:
    return shlex.join(saved.selection.arguments())
