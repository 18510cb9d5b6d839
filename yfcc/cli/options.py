"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

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
        "--flickr-endpoint", envvar="YFCC_FLICKR_ENDPOINT", help="In place of Flickr's hosts."
    ),
]
ContactOption = Annotated[
    str | None, typer.Option("--contact", envvar="YFCC_CONTACT", help="URL in the User-Agent.")
]

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
    context.default_map = {name: plain | settings.get(name, {}) for name in names}
