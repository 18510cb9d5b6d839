"""The selection flags, one list for every command that has them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from yfcc.catalog.select import Selection

_FLAGS: dict[str, Any] = {
    "where": Annotated[str | None, typer.Option(help="SQL condition over the columns of items.")],
    "license": Annotated[
        str | None, typer.Option(help="Some of by, by-sa, by-nd, by-nc, by-nc-sa, by-nc-nd.")
    ],
    "commercial": Annotated[
        bool, typer.Option("--commercial", help="Licences that permit commercial use.")
    ],
    "derivatives": Annotated[
        bool, typer.Option("--derivatives", help="Licences that permit changed copies.")
    ],
    "media": Annotated[str, typer.Option(help="photo, video or all.")],
    "bbox": Annotated[str | None, typer.Option(help="W,S,E,N in degrees.")],
    "country": Annotated[str | None, typer.Option(help="Name or WOEID.")],
    "place": Annotated[str | None, typer.Option(help="Name or WOEID, of any kind of place.")],
    "taken": Annotated[str | None, typer.Option(help="FROM..TO, dates; either may lack.")],
    "uploaded": Annotated[str | None, typer.Option(help="FROM..TO, UTC; either may lack.")],
    "tag": Annotated[list[str] | None, typer.Option(help="User tag; several: all of them.")],
    "autotag": Annotated[
        list[str] | None, typer.Option(help="Concept: cat, 'cat>0.8', '!dog'; several: all.")
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
}
_DEFAULTS: dict[str, Any] = {"commercial": False, "derivatives": False, "media": "all", "seed": 0}


def with_selection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the selection flags; it gets them as its argument ``selection``.

    Parameters
    ----------
    command : callable
        With a keyword argument ``selection``.
    """
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        flags = {name: values.pop(name) for name in _FLAGS}
        command(**values, selection=_selection(flags))

    mine = [each for each in own.parameters.values() if each.name != "selection"]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_DEFAULTS.get(name),
            annotation=annotation,
        )
        for name, annotation in _FLAGS.items()
    ]
    keyword = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in mine]
    wrapped.__signature__ = inspect.Signature([*keyword, *added])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {each.name: each.annotation for each in [*keyword, *added]}
    return wrapped


def _selection(flags: dict[str, Any]) -> Selection:
    licenses = flags.pop("license") or ""
    return Selection(
        **{name: value for name, value in flags.items() if not isinstance(value, list | None)},
        license=tuple(code.strip() for code in licenses.split(",") if code.strip()),
        tag=tuple(flags["tag"] or ()),
        autotag=tuple(flags["autotag"] or ()),
    )
