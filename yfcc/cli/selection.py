"""The selection flags, one list for every command that has them, and what they are used for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from yfcc.api.flags import make_selection
from yfcc.catalog.select import LICENSES, Selection
from yfcc.catalog.select_sample import STRATA
from yfcc.cli.output import safe_text
from yfcc.errors import UsageError
from yfcc.progress import silence_notes

if TYPE_CHECKING:
    from yfcc.api.flags import Flags


def _starting_with(*values: str) -> Callable[[str], list[str]]:
    """For the shell's completion."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


_FLAGS: dict[str, Any] = {
    "where": Annotated[str | None, typer.Option(help="SQL condition over the columns of items.")],
    "license": Annotated[
        str | None,
        typer.Option(
            help="Some of by, by-sa, by-nd, by-nc, by-nc-sa, by-nc-nd.",
            autocompletion=_starting_with(*LICENSES),
        ),
    ],
    "commercial": Annotated[
        bool, typer.Option("--commercial", help="Licences that permit commercial use.")
    ],
    "derivatives": Annotated[
        bool, typer.Option("--derivatives", help="Licences that permit changed copies.")
    ],
    "media": Annotated[
        str,
        typer.Option(
            help="photo, video or all.", autocompletion=_starting_with("photo", "video", "all")
        ),
    ],
    "bbox": Annotated[
        str | None, typer.Option(help="W,S,E,N in degrees; W > E crosses the date line.")
    ],
    "country": Annotated[str | None, typer.Option(help="Name or WOEID.")],
    "place": Annotated[str | None, typer.Option(help="Name or WOEID, of any kind of place.")],
    "taken": Annotated[str | None, typer.Option(help="FROM..TO, dates; either may lack.")],
    "uploaded": Annotated[str | None, typer.Option(help="FROM..TO, UTC; either may lack.")],
    "tag": Annotated[list[str] | None, typer.Option(help="User tag; several: all of them.")],
    "autotag": Annotated[
        list[str] | None, typer.Option(help="Concept: cat, 'cat>0.8', '!dog'; several: all.")
    ],
    "text": Annotated[
        str | None,
        typer.Option(
            help="Words in title, description or tags, in any language: all of them; "
            "'\"new york\" beach* -night': a phrase, a beginning, a word that must be absent."
        ),
    ],
    "user": Annotated[str | None, typer.Option(help="NSID of the author.")],
    "device": Annotated[str | None, typer.Option(help="Name of the capture device.")],
    "lines": Annotated[str | None, typer.Option(help="A-B: line numbers, from 0.")],
    "ids": Annotated[
        str | None,
        typer.Option(
            help="File of photo ids or hashes, one a line; or CLIP's yfcc100m_subset_data.tsv. "
            "Also packed: .bz2, .gz, .zst."
        ),
    ],
    "sample": Annotated[
        int | None, typer.Option(min=1, help="So many of what the other flags select, by chance.")
    ],
    "seed": Annotated[int, typer.Option(help="Of --sample: another seed, another sample.")],
    "per": Annotated[
        str | None,
        typer.Option(
            help=f"Share --sample out evenly among the values of {', '.join(STRATA)}.",
            autocompletion=_starting_with(*STRATA),
        ),
    ],
}
#: What to do with the selection before the command, or instead of it.
_USES: dict[str, Any] = {
    "selection": Annotated[
        str | None,
        typer.Option(help="One saved with --save, by name or path, in place of other flags."),
    ],
    "accept_changed": Annotated[
        bool,
        typer.Option(
            "--accept-changed",
            help="Use --selection even if the catalog gives other items than when it was saved.",
        ),
    ],
    "save": Annotated[
        str | None,
        typer.Option(help="Save the selection by this name, in selections/ beside the catalog."),
    ],
    "explain": Annotated[
        bool,
        typer.Option("--explain", help="Say what each flag selects, and the SQL; do nothing else."),
    ],
}
_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("commercial", "derivatives", "accept_changed", "explain"), False),
    "media": "all",
    "seed": 0,
}


@dataclass(frozen=True, slots=True)
class _Uses:
    """What is to be done with a selection; the fields are flags."""

    selection: str | None
    accept_changed: bool
    save: str | None
    explain: bool


_NO_USES = _Uses(selection=None, accept_changed=False, save=None, explain=False)


def with_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the selection flags; it gets them as its argument ``selection``.

    Parameters
    ----------
    command : callable
        With keyword arguments ``selection``, ``catalog``, ``json`` and ``quiet``, and perhaps
        ``context``. It is not called if the selection is only to be explained.
    """
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def wrapped(context: typer.Context, **values: Any) -> None:
        flags = {name: values.pop(name) for name in _FLAGS}
        uses = _Uses(**{name: values.pop(name) for name in _USES})
        selection = _selection(flags)
        is_json, is_quiet = values["json"], values["quiet"]
        if is_quiet:
            silence_notes()
        if uses != _NO_USES:
            catalog = values["catalog"]
            if uses.selection is not None or uses.accept_changed:
                selection = _saved(uses, catalog, typed_flags(context))
            if uses.save is not None:
                _save(uses.save, selection, catalog, is_quiet=is_json or is_quiet)
        if uses.explain:
            _explain(values["catalog"], selection, is_json=is_json)
        else:
            if "context" in own.parameters:
                values["context"] = context
            command(**values, selection=selection)

    mine = [each for each in own.parameters.values() if each.name not in ("context", "selection")]
    mine.insert(
        0, inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    )
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_DEFAULTS.get(name),
            annotation=annotation,
        )
        for name, annotation in (_FLAGS | _USES).items()
    ]
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in mine]
    wrapped.__signature__ = inspect.Signature([*keyword, *added])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in [*keyword, *added]}
    return wrapped


def typed_flags(context: typer.Context) -> list[str]:
    """The selection flags that a command line has; not those of a settings file."""
    sources = {name: context.get_parameter_source(name) for name in (*_FLAGS, "selection")}
    return [
        f"--{name}"
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    ]


def _selection(flags: dict[str, Any]) -> Selection:
    # What may be given several times is an empty list where it was not given.
    given = {name: value for name, value in flags.items() if value is not None and value != []}
    return make_selection(cast("Flags", given))


def _saved(uses: _Uses, catalog: Path, typed: list[str]) -> Selection:
    """The saved selection that is asked for, if it still selects the same items."""
    from yfcc.api.catalog import open_catalog  # noqa: PLC0415 - duckdb

    if uses.selection is None:
        raise UsageError("--accept-changed: is about a saved selection; name it in --selection.")
    others = [flag for flag in typed if flag != "--selection"]
    if others:
        raise UsageError(
            f"--selection {uses.selection}: stands alone, as it has its flags from where it was "
            f"saved; got {', '.join(others)} beside it."
        )
    with open_catalog(catalog) as opened:
        return opened.saved(uses.selection, accept_changed=uses.accept_changed).selection


def _save(name: str, selection: Selection, catalog: Path, *, is_quiet: bool) -> None:
    from yfcc.api.catalog import open_catalog  # noqa: PLC0415 - duckdb

    with open_catalog(catalog) as opened:
        found = opened.choose(selection).save(name)
    if not is_quiet:
        where, text = found.path, f"{found.n_items:,} items, digest {found.digest}"
        typer.echo(f"saved in {safe_text(where)}: {text}", err=True)


def _explain(catalog: Path, selection: Selection, *, is_json: bool) -> None:
    from yfcc.api.catalog import open_catalog  # noqa: PLC0415 - duckdb
    from yfcc.cli.explanation import show_explanation  # noqa: PLC0415

    with open_catalog(catalog) as opened:
        show_explanation(opened.choose(selection).explain(), is_json=is_json)
