"""``yfcc export``: the selected items in forms that other tools read."""

from __future__ import annotations

import typer

from yfcc.cli.export_media import imagefolder, webdataset
from yfcc.cli.export_parquet import parquet
from yfcc.cli.export_tsv import tsv
from yfcc.cli.options import hand_on

app = typer.Typer(
    help="Write the selected items in a form that other tools read.", no_args_is_help=True
)


@app.callback()
def _every_form(context: typer.Context) -> None:
    """Hand the settings of the whole command on to each form."""
    hand_on(context.default_map or {}, context)


app.command(short_help="Tar shards for the webdataset library.")(webdataset)
app.command(short_help="Photos and metadata.jsonl, for Hugging Face datasets.")(imagefolder)
app.command(short_help="Partitioned Parquet for polars, Spark, Trino and the like.")(parquet)
app.command(short_help="The metadata files they came from, byte for byte.")(tsv)
