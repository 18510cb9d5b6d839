#!/usr/bin/env python3
"""A long run, watched: memory, open files, rate, and whether the counts add up.

    .venv/bin/python scripts/soak.py --items 200000

Small pictures come from a server on this machine; every hundredth is missing there. The run is
looked at twice a second. Then the same command runs again: everything is known, and nothing may
be asked for. Ends with an error where something does not add up; how flat is flat, the reader
sees.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from picture_cases import YFCC, serve
from timing import print_rows

from yfcc.demo.metadata_files import write_metadata

_EVERY_S: Final = 0.5
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_MISSING: Final = 100
#: Shares of the run after which it is described.
_MARKS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at a moment.

    Attributes
    ----------
    at_s : float
        Since the start.
    rss_mb : float
        Resident.
    n_files : int
        Open.
    n_requests : int
        That the server has answered.
    """

    at_s: float
    rss_mb: float
    n_files: int
    n_requests: int


@dataclass(frozen=True, slots=True)
class Watched:
    """A command that was watched to its end; ``said`` is what it printed."""

    looks: list[Look]
    wall_s: float
    cpu_s: float
    said: dict[str, Any]
    n_requests: int


def run(out: Path, n_items: int, catalog: Path | None = None, latency_ms: int = 0) -> None:
    """Print the tables.

    Parameters
    ----------
    out : Path
        Folder for what is needed on the way.
    n_items : int
        Lines of the dataset whose photos are fetched.
    catalog : Path, optional
        Of at least so many lines; one is made by default.
    latency_ms : int
        Before each answer: 640 make 50 items a second of 32 workers, and of 180,000 an hour.
    """
    work = (out / "soak").absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    catalog = catalog or _build(work, n_items)
    where = f"media_kind = 'photo' AND line_number < {n_items}"
    list_file, n_selected, n_there = _list(catalog, work, where)
    mirror = work / "mirror"
    command = [*YFCC, "download", "--catalog", str(catalog), "--mirror", str(mirror)]
    command += ["--where", where, "--json"]
    with serve(list_file, latency_ms, "small") as server:
        first = _watch(command, server.endpoint)
        again = _watch(command, server.endpoint)
    n_gone = n_selected - n_there
    _check(first, n_selected, n_selected, {"stored": n_there, "gone": n_gone})
    _check(again, n_selected, 0, {"already_stored": n_there, "gone": n_gone})
    print(f"## soak: {n_selected:,} photos, {n_gone:,} of them missing\n")
    _print_looks(first)
    print()
    rows = [
        [name, each.wall_s, each.cpu_s, each.n_requests, str(each.said["outcomes"])]
        for name, each in (("the run", first), ("the same again", again))
    ]
    print_rows(["", "wall s", "CPU s", "requests", "outcomes"], rows)
    status = [*YFCC, "status", "--mirror", str(mirror), "--json"]
    found = json.loads(subprocess.run(status, capture_output=True, check=True).stdout)["outcomes"]
    if found != {"stored": n_there, "gone": n_gone}:
        raise SystemExit(f"status: {found}")
    print("\nThe counts add up, and status says the same.\n")
    shutil.rmtree(work)


def _build(work: Path, n_items: int) -> Path:
    source, catalog = work / "metadata", work / "catalog.duckdb"
    source.mkdir()
    write_metadata(source, n_items, seed=1)
    build = ["metadata", "--source", str(source), "--catalog", str(catalog), "--quiet"]
    subprocess.run([*YFCC, *build], check=True)
    return catalog


def _list(catalog: Path, work: Path, where: str) -> tuple[Path, int, int]:
    """Paths that the server has; photos in all, and those that are there."""
    query = ["query", f"SELECT photo_hash FROM items WHERE {where}", "--format", "csv"]
    asked = [*YFCC, *query, "--catalog", str(catalog)]
    hashes = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1:]
    there = [photo_hash for number, photo_hash in enumerate(hashes, 1) if number % _MISSING]
    list_file = work / "paths.txt"
    with list_file.open("w") as file:
        for each in there:
            file.write(f"/multimedia-commons/data/images/{each[:3]}/{each[3:6]}/{each}.jpg\n")
    return list_file, len(hashes), len(there)


def _watch(command: list[str], endpoint: str) -> Watched:
    n_before = _count_requests(endpoint)
    environment = os.environ | {"AWS_ENDPOINT_URL_S3": endpoint}
    started_s = time.perf_counter()
    looks: list[Look] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            with suppress(OSError):  # it has just ended
                looks.append(_look(process.pid, started_s, endpoint, n_before))
            time.sleep(_EVERY_S)
        wall_s = time.perf_counter() - started_s
        said = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit {process.returncode}, {said}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Watched(looks, wall_s, cpu_s, said, _count_requests(endpoint) - n_before)


def _look(pid: int, started_s: float, endpoint: str, n_before: int) -> Look:
    rss_mb = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6
    n_files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    n_requests = _count_requests(endpoint) - n_before
    return Look(time.perf_counter() - started_s, rss_mb, n_files, n_requests)


def _count_requests(endpoint: str) -> int:
    with urllib.request.urlopen(f"{endpoint}/requests", timeout=60) as answer:  # noqa: S310
        return int(answer.read())


def _check(watched: Watched, n_selected: int, n_requests: int, outcomes: dict[str, int]) -> None:
    """Make sure that every item is accounted for, and was asked for once or not at all."""
    said = watched.said
    found = {name: n_items for name, n_items in said["outcomes"].items() if n_items}
    expected = {name: n_items for name, n_items in outcomes.items() if n_items}
    if (said["n_selected"], said["not_yet_tried"], found) != (n_selected, 0, expected):
        raise SystemExit(f"expected {n_selected} items, {expected}; got {said}")
    if watched.n_requests != n_requests:
        raise SystemExit(f"{watched.n_requests} requests were made for {n_requests} items")


def _print_looks(watched: Watched) -> None:
    """How the run stood after parts of it; rates are those since the row before."""
    last = watched.looks[0]
    rows: list[list[object]] = []
    for mark in _MARKS:
        due = mark * watched.n_requests
        look = next((each for each in watched.looks if each.n_requests >= due), watched.looks[-1])
        rate = (look.n_requests - last.n_requests) / max(look.at_s - last.at_s, 1e-9)
        rows.append([f"{mark:.0%}", look.at_s, look.rss_mb, look.n_files, rate])
        last = look
    print_rows(["of the items", "after s", "RSS MB", "open files", "items a second"], rows)
    print(f"\nlargest RSS: {max(look.rss_mb for look in watched.looks):.0f} MB")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=200_000, help="lines of the dataset")
    parser.add_argument("--catalog", type=Path, help="with at least so many lines")
    parser.add_argument("--latency-ms", type=int, default=0, help="of the server's answers")
    parser.add_argument("--out", type=Path, default=Path("bench-out"), help="folder for data")
    asked = parser.parse_args()
    run(asked.out, asked.items, asked.catalog, asked.latency_ms)


if __name__ == "__main__":
    main()
