"""The options of ``yfcc download`` that no other command has."""

from __future__ import annotations

from typing import Annotated

import typer

SourcesOption = Annotated[
    str, typer.Option("--from", envvar="YFCC_FROM", help="Sources in order: s3, flickr.")
]
WorkersOption = Annotated[
    int, typer.Option(min=1, max=512, envvar="YFCC_WORKERS", help="Items asked for at a time.")
]
ProcessesOption = Annotated[
    int,
    typer.Option(
        min=1,
        max=64,
        envvar="YFCC_PROCESSES",
        help="Share the work out to so many processes of this machine, each on a core of its own; "
        "at most four where Flickr is a source.",
    ),
]
ShardsOption = Annotated[str | None, typer.Option(help="Only these of 0-4095, like 0-63,70.")]
ShardOfOption = Annotated[
    str | None, typer.Option(help="I/N: the I-th of N shares, from 0, for job arrays.")
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what would be done: items, bytes, time, licences, disk."),
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Start even if the disk cannot hold what is expected.")
]
AskAgainOption = Annotated[
    bool,
    typer.Option(
        "--ask-again",
        help="Ask once more for items with a final outcome, stored ones too; never for "
        "forgotten ones.",
    ),
]
MaxBytesOption = Annotated[
    int, typer.Option(min=1, envvar="YFCC_MAX_BYTES", help="Largest item to store.")
]
FlickrRateOption = Annotated[
    str, typer.Option(envvar="YFCC_FLICKR_RATE", help="Requests to Flickr, of all workers.")
]
PrivateHostsOption = Annotated[
    bool, typer.Option("--allow-private-hosts", help="Also addresses of private networks.")
]
IgnoreOptOutOption = Annotated[
    bool,
    typer.Option("--ignore-opt-out", help="Store despite opt-out headers; it is recorded."),
]
DecodeOption = Annotated[
    bool, typer.Option("--decode", envvar="YFCC_DECODE", help="Decode every picture fully.")
]
PlaceholderOption = Annotated[
    list[str] | None,
    typer.Option(
        envvar="YFCC_PLACEHOLDER",
        help="SHA-256 of one more picture that stands for a missing photo.",
    ),
]
