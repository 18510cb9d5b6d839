"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CatalogOption = Annotated[
    Path,
    typer.Option("--catalog", envvar="YFCC_CATALOG", help="The DuckDB file with the metadata."),
]
MirrorOption = Annotated[
    str,
    typer.Option("--mirror", envvar="YFCC_MIRROR", help="Directory of the mirror."),
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

DEFAULT_CATALOG = Path("catalog.duckdb")
DEFAULT_MIRROR = "mirror"
