"""The selection flags, one list for every command that has them, and what they are used for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from yfcc.api.flags import make_selection
from yfcc.catalog.select import LICENSES, Selection
from yfcc.catalog.select_sample import STRATA
from yfcc.cli.forecast import describe_ids
from yfcc.cli.output import safe_text
from yfcc.errors import UsageError
from yfcc.progress import note, silence_notes

if TYPE_CHECKING:
    from yfcc.api.flags import Flags
    from yfcc.catalog.reader import Catalog


def _starting_with(*values: str) -> Callable[[str], list[str]]:
    """For the shell's completion."""
    return lambda incomplete: [value for value in values if value.startswith(incomplete)]


#: All may be given several times, as far as the command line's library knows: it would take the
#: last one and leave the others out without a word.
_FLAGS: dict[str, Any] = {
    "where": Annotated[
        list[str] | None, typer.Option(help="SQL condition over the columns of items.")
    ],
    "license": Annotated[
        list[str] | None,
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
        list[str] | None,
        typer.Option(
            help="photo, video or all.", autocompletion=_starting_with("photo", "video", "all")
        ),
    ],
    "bbox": Annotated[
        list[str] | None, typer.Option(help="W,S,E,N in degrees; W > E crosses the date line.")
    ],
    "country": Annotated[list[str] | None, typer.Option(help="Name or WOEID.")],
    "place": Annotated[list[str] | None, typer.Option(help="Name or WOEID, of any kind of place.")],
    "taken": Annotated[
        list[str] | None, typer.Option(help="FROM..TO: days, months, years; either may lack.")
    ],
    "uploaded": Annotated[
        list[str] | None, typer.Option(help="FROM..TO, as --taken, in UTC; either may lack.")
    ],
    "tag": Annotated[list[str] | None, typer.Option(help="User tag; several: all of them.")],
    "autotag": Annotated[
        list[str] | None,
        typer.Option(
            help="Concept: cat, 'cat>0.8', '!dog', 'dog<0.6'; several: all of them. A concept "
            "that an item lacks counts as 0."
        ),
    ],
    "text": Annotated[
        list[str] | None,
        typer.Option(
            help="Words in title, description or tags, in any language: all of them; "
            "'\"new york\" beach* -night': a phrase, a beginning, a word that must be absent."
        ),
    ],
    "user": Annotated[list[str] | None, typer.Option(help="NSID of the author.")],
    "device": Annotated[list[str] | None, typer.Option(help="Name of the capture device.")],
    "lines": Annotated[list[str] | None, typer.Option(help="A-B: line numbers, from 0.")],
    "ids": Annotated[
        list[str] | None,
        typer.Option(
            help="File of photo ids or hashes, one a line; or CLIP's yfcc100m_subset_data.tsv. "
            "Also packed: .bz2, .gz, .zst."
        ),
    ],
    "sample": Annotated[
        list[int] | None,
        typer.Option(min=1, help="So many of what the other flags select, by chance."),
    ],
    "seed": Annotated[
        list[int] | None, typer.Option(help="Of --sample: another seed, another sample.")
    ],
    "per": Annotated[
        list[str] | None,
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
}
#: Flags of which an item has to have each value.
_SEVERAL: Final = ("tag", "autotag")


@dataclass(frozen=True, slots=True)
class _Uses:
    """What is to be done with a selection; the fields are flags."""

    selection: str | None
    accept_changed: bool
    save: str | None
    explain: bool


def with_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the selection flags; it gets them as its argument ``selection``.

    Parameters
    ----------
    command : callable
        With keyword arguments ``selection``, ``catalog``, ``json`` and ``quiet``, and perhaps
        ``context``. ``words``, if it has them, are part of the selection. It is not called if the
        selection is only to be explained.
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
        catalog = values["catalog"]
        if uses.selection is not None or uses.accept_changed:
            selection = _saved(uses, catalog, typed_flags(context))
        selection = _with_words(selection, values.get("words"))
        if uses.save is not None:
            _save(uses.save, selection, catalog, is_quiet=is_json or is_quiet)
        if uses.explain:
            _explain(catalog, selection, is_json=is_json)
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
    # In the help the flags of every command come last.
    keyword = sorted([*keyword, *added], key=lambda each: each.name in ("json", "quiet"))
    wrapped.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in keyword}
    return wrapped


def typed_flags(context: typer.Context) -> list[str]:
    """The selection flags that a command line has; not those of a settings file."""
    sources = {name: context.get_parameter_source(name) for name in (*_FLAGS, "selection")}
    return [
        f"--{name}"
        for name, source in sources.items()
        if source is not None and source.name == "COMMANDLINE"
    ]


def tell_missing(catalog: Catalog, selection: Selection) -> None:
    """Say on standard error how many ids of the selection's list the catalog lacks."""
    found = catalog.listed(selection)
    if found is not None and found.n_missing:
        note(describe_ids(found))


def _selection(flags: dict[str, Any]) -> Selection:
    given = {name: _value(name, value) for name, value in flags.items() if value not in (None, [])}
    return make_selection(cast("Flags", given))


def _value(name: str, value: Any) -> Any:
    """A flag's value or values, of all that were given."""
    if name in _SEVERAL or not isinstance(value, list):
        return value
    if name == "license":  # any of them
        return ",".join(value)
    if len(value) > 1:
        shown = ", ".join(str(each)[:40] for each in value)
        raise UsageError(
            f"--{name}: expected one value, got {len(value)}: {shown}. Flags are joined with AND; "
            "--where takes OR."
        )
    return value[0]


def _with_words(selection: Selection, words: list[str] | None) -> Selection:
    """The selection, narrowed down to what has some words as well."""
    if not words:
        return selection
    from yfcc.catalog.text_query import parse_words  # noqa: PLC0415 - needed by few

    text = " ".join([*words, *filter(None, [selection.text])])
    parse_words(text)  # without a word everything would be selected
    return replace(selection, text=text)


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
