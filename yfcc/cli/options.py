"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from yfcc.cli.output import answer_in_json
from yfcc.config import SETTINGS_FILE
from yfcc.errors import UsageError

CatalogOption = Annotated[
    Path,
    typer.Option("--catalog", envvar="YFCC_CATALOG", help="The DuckDB file with the metadata."),
]
MirrorOption = Annotated[
    str,
    typer.Option(
        "--mirror", envvar="YFCC_MIRROR", help="Directory of the mirror, or s3://bucket/prefix."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, no summary.")]
S3EndpointOption = Annotated[
    str | None,
    typer.Option(
        "--s3-endpoint",
        envvar="YFCC_S3_ENDPOINT",
        help="Address of an S3-compatible server. [default: AWS_ENDPOINT_URL_S3, then Amazon's]",
    ),
]
FlickrEndpointOption = Annotated[
    str | None,
    typer.Option(
        "--flickr-endpoint",
        envvar="YFCC_FLICKR_ENDPOINT",
        help="Address of a server in place of Flickr's.",
    ),
]
ContactOption = Annotated[
    str | None,
    typer.Option(
        "--contact",
        envvar="YFCC_CONTACT",
        help="URL by which servers' owners can reach you; part of the User-Agent.",
    ),
]

#: Flags that have a word of Python's own for a name, and what they are called instead.
_PARAMETERS: Final = {"from": "sources"}

DEFAULT_CATALOG = Path("catalog.duckdb")
DEFAULT_MIRROR = "mirror"


def hand_on(settings: Mapping[str, Any], context: typer.Context) -> None:
    """Make settings the defaults of a group's commands.

    Those of the whole group reach each of its commands, after the command's own.

    Parameters
    ----------
    settings : mapping of str to Any
        Names of flags to values, and of commands to tables of the same kind.
    context : typer.Context
        Of the group.

    Raises
    ------
    UsageError
        A command's name has something else than a table.
    """
    group = context.command
    names = group.list_commands(context) if isinstance(group, TyperGroup) else []
    plain = {name: value for name, value in settings.items() if not isinstance(value, dict)}
    for name in names:
        if name in plain:
            raise UsageError(
                f"{SETTINGS_FILE}: {name} = {plain[name]!r}: expected a table [{name}] of flags, "
                "as a command has this name."
            )
    handed = {name: _listed(group, context, name, plain | settings.get(name, {})) for name in names}
    context.default_map = handed
    if handed.get(context.invoked_subcommand or "", {}).get("json") is True:
        answer_in_json()


def _listed(group: Any, context: typer.Context, name: str, values: dict[str, Any]) -> Any:
    """The settings of a command; what it takes several of is a list, also if there is but one."""
    command = group.get_command(context, name)
    several = {each.name for each in command.params if getattr(each, "multiple", False)}
    return {
        _PARAMETERS.get(flag, flag): [value]
        if flag in several and not isinstance(value, list)
        else value
        for flag, value in values.items()
    }


def check_settings(settings: Mapping[str, Any], command: Any, table: str = "") -> None:
    """Refuse settings that no command has: a slip of the pen would be no setting at all.

    Parameters
    ----------
    settings : mapping of str to Any
        Names of flags to values, and of commands to tables of the same kind.
    command : Command
        The one they are for, with those below it.
    table : str
        Its name in the file; empty for all commands.

    Raises
    ------
    UsageError
        No flag, or no command, has such a name; the message has the nearest.
    """
    below: dict[str, Any] = getattr(command, "commands", {})
    known = _flag_names(command)
    for name, value in settings.items():
        if name in below:
            # What stands there in place of a table, hand_on says.
            inner = value if isinstance(value, dict) else {}
            check_settings(inner, below[name], f"{table}.{name}".lstrip("."))
        elif isinstance(value, dict) or name not in known:
            is_table = isinstance(value, dict)
            near = get_close_matches(name, below if is_table else known, n=1)
            raise UsageError(
                f"{SETTINGS_FILE}: {f'[{table}] ' if table else ''}"
                f"{f'[{name}]: no command' if is_table else f'{name}: no flag'} has this name."
                f"{f' Did you mean {near[0]}?' if near else ''}"
            )


def _flag_names(command: Any) -> set[str]:
    """Names of the settings of a command, and of those below it."""
    names = {each.name for each in command.params} | set(_PARAMETERS)
    return names.union(*map(_flag_names, getattr(command, "commands", {}).values()))
