"""The whole job on the sample: the commands a user would type, against the embedded servers."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from yfcc.demo.sample import METADATA_BUCKET, METADATA_PREFIX, write_sample
from yfcc.demo.serve import EmbeddedServers
from yfcc.errors import YfccError

_QUERIES: Final = (
    "SELECT license, count(*) AS n_items FROM items GROUP BY license ORDER BY n_items DESC",
    (
        "SELECT concept, count(*) AS n_items FROM item_autotags WHERE score > 0.9 "
        "GROUP BY concept ORDER BY n_items DESC, concept LIMIT 5"
    ),
    (
        "SELECT outcome, source, count(*) AS n_items, sum(n_bytes) AS n_bytes FROM downloads "
        "GROUP BY outcome, source ORDER BY n_items DESC, outcome"
    ),
)


@dataclass(frozen=True, slots=True)
class DemoPlaces:
    """Where a demo puts what it makes.

    Attributes
    ----------
    directory : Path
        Holds everything.
    """

    directory: Path
    sample: Path = field(init=False)
    catalog: Path = field(init=False)
    mirror: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sample", self.directory / "sample")
        object.__setattr__(self, "catalog", self.directory / "catalog.duckdb")
        object.__setattr__(self, "mirror", self.directory / "mirror")


def run_demo(places: DemoPlaces, n_items: int, seed: int, say: Callable[[str], object]) -> None:
    """Make the sample, serve it, build the catalog, mirror the media, ask three questions.

    Parameters
    ----------
    places : DemoPlaces
    n_items, seed : int
        Of the sample.
    say : callable
        Takes a line for the user.

    Raises
    ------
    YfccError
        One of the commands failed; its own message is on standard error.
    """
    say(f"sample: {n_items:,} synthetic items in {places.sample}")
    sample = write_sample(places.sample, n_items, seed)
    with EmbeddedServers(places.sample) as servers:
        # A flag, for a setting of the user's would win over a variable.
        endpoint = ["--s3-endpoint", servers.s3_endpoint]
        say(f"an S3 server at {servers.s3_endpoint}, a photo server at {servers.flickr_endpoint}")
        source = f"s3://{METADATA_BUCKET}/{METADATA_PREFIX}"
        catalog, mirror = str(places.catalog), str(places.mirror)
        metadata = ["metadata", "--source", source, "--catalog", catalog, "--anonymous"]
        _run([*metadata, *endpoint], say)
        download = ["download", "--catalog", catalog, "--mirror", mirror, "--from", "s3,flickr"]
        # The photo server is ours: no need to spare it.
        download += ["--flickr-endpoint", servers.flickr_endpoint, "--flickr-rate", "100/s"]
        download += ["--placeholder", sample.placeholder_sha256]
        _run([*download, *endpoint], say)
    for query in _QUERIES:
        _run(["query", query, "--catalog", catalog, "--mirror", mirror], say)
    say("")
    say(f"catalog: {places.catalog}")
    say(f"mirror:  {places.mirror}/media, a JSON beside every item")
    say(f'Ask more: yfcc query --catalog {catalog} --mirror {mirror} "SELECT …"')


def _run(arguments: Sequence[str], say: Callable[[str], object]) -> None:
    """Run one command as a user would, in a process of its own."""
    say("")
    say("$ " + shlex.join(["yfcc", *arguments]))
    done = subprocess.run(  # noqa: S603 - our own command, which checks its words  # nosec B603
        [sys.executable, "-m", "yfcc.cli.main", *arguments], check=False
    )
    if done.returncode:
        raise YfccError(f"the demo's `yfcc {arguments[0]}` ended with exit code {done.returncode}.")
