"""Mirroring, against the loop that scripts usually are."""

from __future__ import annotations

import shutil
import statistics
import sys
from pathlib import Path

from timing import Measured, in_pairs, measure, median_cpu, median_ratio, median_wall, print_rows

from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.demo.sample import write_sample
from yfcc.demo.serve import EmbeddedServers
from yfcc.model import N_SHARDS

_PLAIN_LOOP = """
import pathlib, sys, requests
target = pathlib.Path(sys.argv[2])
target.mkdir(parents=True)
for line in open(sys.argv[1]):
    photo_id, url = line.split()
    reply = requests.get(url)
    if reply.ok:
        (target / photo_id).write_bytes(reply.content)
"""


def run(out: Path, n_items: int, n_pairs: int) -> None:
    """Print the table."""
    directory = out / f"sample-{n_items}"
    write_sample(directory, n_items, seed=1)
    catalog = out / "download.duckdb"
    with EmbeddedServers(directory) as servers:
        endpoint = servers.s3_endpoint
        source = ["--source", "s3://yfcc100m-metadata/v2", "--catalog", str(catalog), "--quiet"]
        yfcc = [sys.executable, "-m", "yfcc.cli.main"]
        environment = {"AWS_ENDPOINT_URL_S3": endpoint}
        measure([*yfcc, "metadata", *source], environment)
        urls = out / "urls.txt"
        n_urls = _write_urls(catalog, endpoint, urls)
        mirror, plain = out / "bench-mirror", out / "bench-plain"

        def ours() -> Measured:
            shutil.rmtree(mirror, ignore_errors=True)
            command = ["download", "--catalog", str(catalog), "--mirror", str(mirror), "--quiet"]
            return measure([*yfcc, *command, "--media", "photo"], environment)

        def loop() -> Measured:
            shutil.rmtree(plain, ignore_errors=True)
            return measure([sys.executable, "-c", _PLAIN_LOOP, str(urls), str(plain)])

        print(f"## download: {n_urls:,} photos from a local server, {n_pairs} runs of each\n")
        runs = in_pairs(n_pairs, ours, loop)
    rows: list[list[object]] = [
        [
            name,
            median_wall(each),
            median_cpu(each),
            statistics.median(n_urls / one.cpu_s for one in each),
            each[0].peak_mb,
            median_ratio(runs[0], each),
        ]
        for name, each in zip(
            ["yfcc download (durable, checked, JSON, ledger)", "loop over requests.get"],
            runs,
            strict=True,
        )
    ]
    names = ["", "wall s", "CPU s", "photos a CPU s", "peak MB", "yfcc's wall time is x this"]
    print_rows(names, rows)
    print()


def _write_urls(catalog: Path, endpoint: str, target: Path) -> int:
    """Addresses in the persistent copy, for the loop; returns how many."""
    n_urls = 0
    with Catalog(catalog) as opened, target.open("w") as stream:
        for batch in opened.iter_items(Selection(media="photo"), range(N_SHARDS)):
            for item in batch:
                h = item.photo_hash
                key = f"multimedia-commons/data/images/{h[:3]}/{h[3:6]}/{h}.jpg"
                stream.write(f"{item.photo_id} {endpoint}/{key}\n")
                n_urls += 1
    return n_urls
