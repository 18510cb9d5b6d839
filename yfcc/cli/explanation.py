"""How an explained selection reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from yfcc.cli.forecast import describe_ids
from yfcc.cli.output import print_json, print_table, safe_text

if TYPE_CHECKING:
    from yfcc.catalog.explain import Explanation, FlagEffect


def show_explanation(found: Explanation, *, is_json: bool) -> None:
    """Print what each flag selects: tables and the SQL, or one JSON document."""
    if is_json:
        print_json(_document(found))
        return
    rows = [
        [
            f"{effect.flag} {effect.value}".rstrip(),
            effect.n_alone,
            _percent(effect.n_alone, found.n_items),
            effect.n_left,
            _percent(effect.n_left, found.n_items),
        ]
        for effect in found.flags
    ]
    print_table(
        ("flag", "alone", "% alone", "with those above", "%"),
        [*rows, ["selected", None, None, found.n_selected, _share(found)]],
    )
    if found.strata:
        print_table(
            (found.flags[-1].value.rpartition(" ")[2], "items", "drawn"),
            [
                [each.value, each.n_items, _range(each.n_least, each.n_most)]
                for each in found.strata
            ],
        )
        n_more = (found.n_strata or 0) - len(found.strata)
        if n_more:
            typer.echo(f"and {n_more:,} values more")
    typer.echo(f"{found.n_selected:,} of {found.n_items:,} items selected")
    if found.ids is not None:
        typer.echo(describe_ids(found.ids))
    for line in found.sql.splitlines():
        typer.echo(safe_text(line))


def _share(found: Explanation) -> str:
    return _percent(found.n_selected, found.n_items)


def _percent(part: int, whole: int) -> str:
    """A share in percent, with as many digits as tell it from nothing.

    Examples
    --------
    >>> _percent(1, 3), _percent(1, 100_000), _percent(0, 5), _percent(0, 0)
    ('33.33', '0.001', '0', '0')
    """
    if not part:
        return "0"
    share = 100 * part / whole
    return f"{share:.2f}" if share >= 0.01 else f"{share:.1g}"


def _range(least: int, most: int) -> str:
    return f"{most:,}" if least == most else f"{least:,} or {most:,}"


def _document(found: Explanation) -> dict[str, Any]:
    return asdict(found) | {
        "share": _ratio(found.n_selected, found),
        "flags": [_described(effect, found) for effect in found.flags],
    }


def _described(effect: FlagEffect, found: Explanation) -> dict[str, Any]:
    return asdict(effect) | {
        "share_alone": _ratio(effect.n_alone, found),
        "share_left": _ratio(effect.n_left, found),
    }


def _ratio(part: int, found: Explanation) -> float:
    return part / found.n_items if found.n_items else 0.0
