"""``yfcc demo``: the synthetic sample, the servers that serve it, and the whole job on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from yfcc.cli.options import JsonOption, QuietOption, hand_on
from yfcc.cli.output import print_json

app = typer.Typer(
    help="A synthetic sample and its servers: no account and no network needed.",
    no_args_is_help=True,
)

_DEFAULT_DIRECTORY = Path("demo")
_DEFAULT_SAMPLE = _DEFAULT_DIRECTORY / "sample"

ItemsOption = Annotated[int, typer.Option("--items", min=1, help="Items of the sample.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Another seed, other items.")]
SampleOption = Annotated[Path, typer.Option("--out", help="Directory of the sample.")]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")]


@app.callback()
def _every_part(context: typer.Context) -> None:
    """Hand the settings of the whole command on to each part."""
    hand_on(context.default_map or {}, context)


@app.command(short_help="Make the synthetic sample.")
def data(
    items: ItemsOption = 2000,
    seed: SeedOption = 1,
    out: SampleOption = _DEFAULT_SAMPLE,
    *,
    metadata_only: Annotated[
        bool, typer.Option("--metadata-only", help="No pictures and no videos.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the synthetic sample; a finished one of the same items and seed is left as it is."""
    from dataclasses import asdict  # noqa: PLC0415

    from yfcc.demo.sample import write_sample  # noqa: PLC0415

    sample = write_sample(out, items, seed, metadata_only=metadata_only)
    if json:
        print_json({"directory": str(out), **asdict(sample)})
    elif not quiet:
        typer.echo(f"{sample.n_items:,} items of seed {sample.seed} in {out}")
        if not metadata_only:
            typer.echo(
                f"{sample.n_photos:,} photos and {sample.n_videos:,} videos; the persistent copy "
                f"lacks {sample.n_missing:,} and has {sample.n_placeholders:,} placeholders"
            )
        typer.echo(f"Serve it: yfcc demo serve --out {out}")


@app.command(short_help="Serve a sample as S3 and as Flickr would, until Ctrl-C.")
def serve(
    out: SampleOption = _DEFAULT_SAMPLE,
    s3_port: PortOption = 0,
    flickr_port: PortOption = 0,
    *,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Serve a sample as S3 and as Flickr would, on this machine alone, until Ctrl-C."""
    from threading import Event  # noqa: PLC0415

    from yfcc.demo.serve import EmbeddedServers, ServerSettings, suggest_commands  # noqa: PLC0415

    settings = ServerSettings(s3_port=s3_port, flickr_port=flickr_port)
    with EmbeddedServers(out, settings) as servers:
        commands = suggest_commands(servers)
        if json:
            print_json(
                {
                    "directory": str(out),
                    "s3_endpoint": servers.s3_endpoint,
                    "flickr_endpoint": servers.flickr_endpoint,
                    "placeholder_sha256": servers.placeholder_sha256,
                    "commands": commands,
                }
            )
        elif not quiet:
            typer.echo(f"S3 server:    {servers.s3_endpoint}")
            typer.echo(f"photo server: {servers.flickr_endpoint}")
            typer.echo("In another terminal:")
            for command in commands:
                typer.echo(f"  {command}")
            typer.echo("Ctrl-C stops the servers.")
        Event().wait()


@app.command()
def run(
    items: ItemsOption = 2000,
    seed: SeedOption = 1,
    out: Annotated[Path, typer.Option("--out", help="Holds all that is made.")] = (
        _DEFAULT_DIRECTORY
    ),
) -> None:
    """Do the whole job on the sample: metadata, download, three queries."""
    from yfcc.demo.run import DemoPlaces, run_demo  # noqa: PLC0415

    run_demo(DemoPlaces(out), items, seed, typer.echo)
