"""Mirroring, against what else fetches a list of pictures; and what each guarantee costs.

All clients fetch the same list from the same server, which runs in a process of its own. Every
run writes to a new directory, and all are removed at the end: ext4 is slow to make files where
some were just removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from timing import Measured, in_pairs, measure, median_cpu, median_wall, print_rows
from without import WITHOUT

from yfcc.demo import draws
from yfcc.demo.identifiers import Integers
from yfcc.demo.metadata_files import write_metadata

_SCRIPTS: Final = Path(__file__).parent
_YFCC: Final = (sys.executable, "-m", "yfcc.cli.main")
_N_CONNECTIONS: Final = 32
_LATENCY_MS: Final = 80
#: The dataset has about so many items in a directory of its ids' first six digits.
_ITEMS_A_DIRECTORY: Final = 110
_FIRST_ID: Final = 4_200_000_000
_IDS_A_DIRECTORY: Final = 10_000


@dataclass(slots=True)
class _Bench:
    """The list, and where the clients write."""

    work: Path
    n_pairs: int
    may_install: bool
    n_urls: int = 0
    _n_runs: int = 0

    def fresh(self) -> Path:
        """A directory that is not there yet."""
        self._n_runs += 1
        return self.work / "runs" / f"{self._n_runs:03}"

    def measure(self, command: list[str], target: Path, endpoint: str = "") -> Measured:
        """Run a client, and give the disk's space back, but not the files."""
        found = measure(command, {"AWS_ENDPOINT_URL_S3": endpoint, "NO_ALBUMENTATIONS_UPDATE": "1"})
        self.check(target)
        return found

    def check(self, target: Path) -> None:
        """Make sure that every picture came, and give the disk's space back."""
        files = [path for path in target.rglob("*") if path.is_file()]
        n_pictures = sum(path.stat().st_size >= _LEAST_BYTES for path in files)
        if n_pictures < self.n_urls:
            raise SystemExit(f"{target}: {n_pictures} of {self.n_urls} pictures came")
        for path in files:
            os.truncate(path, 0)


_LEAST_BYTES: Final = 20_000


@dataclass(frozen=True, slots=True)
class _Case:
    """A catalog and the list of its photos."""

    catalog: Path
    paths: list[str]
    list_file: Path

    def command(self, mirror: Path, *flags: str) -> list[str]:
        """Arguments of ``yfcc`` that mirror everything."""
        asked = ["download", "--catalog", str(self.catalog), "--mirror", str(mirror), "--quiet"]
        return [*asked, "--media", "photo", *flags]


def run(out: Path, n_items: int, n_pairs: int, *, may_install: bool) -> None:
    """Print the tables."""
    work = (out / "bench-download").absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "runs").mkdir(parents=True)
    scattered = _make_case(work / "scattered", n_items)
    dense = _make_case(work / "dense", n_items, _dense_ids)
    bench = _Bench(work, n_pairs, may_install, len(scattered.paths))
    print(f"## download: {bench.n_urls:,} photos from a local server, {n_pairs} runs of each\n")
    with serve(scattered) as endpoint:
        ours = _compare(bench, scattered, endpoint, out)
        _price(bench, scattered, endpoint, ours)
        _split(bench, scattered, endpoint)
    with serve(dense) as endpoint:
        bench.n_urls = len(dense.paths)
        _crowd(bench, dense, endpoint, ours)
    with serve(scattered, _LATENCY_MS) as endpoint:
        bench.n_urls = len(scattered.paths)
        _delay(bench, scattered, endpoint)
    shutil.rmtree(work)


def _dense_ids(_seed: int, first: int, n_ids: int) -> Integers:
    """Ids that fill directories as those of the whole dataset do."""
    index = np.arange(first, first + n_ids, dtype=np.int64)
    return _FIRST_ID + index * (_IDS_A_DIRECTORY // _ITEMS_A_DIRECTORY)


@contextlib.contextmanager
def _ids_drawn_by(draw: Callable[[int, int, int], Integers]) -> Iterator[None]:
    """The generator's own ids are spread over the whole range."""
    usual = draws.__dict__["draw_photo_ids"]
    setattr(draws, "draw_photo_ids", draw)  # noqa: B010 - mypy knows the name as another's
    try:
        yield
    finally:
        setattr(draws, "draw_photo_ids", usual)  # noqa: B010


def _make_case(
    directory: Path,
    n_items: int,
    draw_ids: Callable[[int, int, int], Integers] | None = None,
) -> _Case:
    directory.mkdir()
    with _ids_drawn_by(draw_ids) if draw_ids else contextlib.nullcontext():
        write_metadata(directory, n_items, seed=1)
    catalog = directory / "catalog.duckdb"
    source = ["--source", str(directory), "--catalog", str(catalog), "--quiet"]
    measure([*_YFCC, "metadata", *source])
    query = ["query", "SELECT photo_hash FROM photos", "--format", "csv"]
    asked = [*_YFCC, *query, "--catalog", str(catalog)]
    hashes = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[1:]
    paths = [f"/multimedia-commons/data/images/{h[:3]}/{h[3:6]}/{h}.jpg" for h in hashes]
    list_file = directory / "paths.txt"
    list_file.write_text("\n".join(paths) + "\n")
    return _Case(catalog, paths, list_file)


@contextlib.contextmanager
def serve(case: _Case, latency_ms: int = 0) -> Iterator[str]:
    """A server of a case's pictures in a process of its own; its address."""
    script = str(_SCRIPTS / "picture_server.py")
    process = subprocess.Popen(
        [sys.executable, script, str(case.list_file), str(latency_ms)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None  # noqa: S101 - a pipe was asked for
        assert process.stdout is not None  # noqa: S101
        port = process.stdout.readline().strip()
        if not port:
            raise SystemExit("the server of pictures did not start")
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


def _compare(bench: _Bench, case: _Case, endpoint: str, out: Path) -> list[Measured]:
    urls = bench.work / "urls.txt"
    urls.write_text("".join(f"{endpoint}{path}\n" for path in case.paths))

    def ours() -> Measured:
        target = bench.fresh()
        return bench.measure([*_YFCC, *case.command(target)], target, endpoint)

    rivals = _rivals(bench, urls, out)
    runs, *others = in_pairs(bench.n_pairs, ours, *rivals.values())
    title = "yfcc download: fsync, sha256, md5, structure, JSON an item, ledger"
    rows: list[list[object]] = []
    for name, each in zip([title, *rivals], [runs, *others], strict=True):
        row = [name, median_wall(each), median_cpu(each)]
        peak_mb = round(median(one.peak_mb for one in each))
        rows.append([*row, bench.n_urls / median_cpu(each), peak_mb, _cpu_ratio(runs, each)])
    names = ["", "wall s", "CPU s", "files a CPU s", "peak MB", "yfcc's files a CPU s are x this"]
    print_rows(names, rows)
    print()
    return runs


def _cpu_ratio(ours: list[Measured], theirs: list[Measured]) -> float:
    """Median of the pairs' ratios of files a CPU second."""
    return median(b.cpu_s / a.cpu_s for a, b in zip(ours, theirs, strict=True))


def _rivals(bench: _Bench, urls: Path, out: Path) -> dict[str, Callable[[], Measured]]:
    """Clients by what the table calls them."""
    rivals: dict[str, Callable[[], Measured]] = {}
    program = _install_img2dataset(out) if bench.may_install else None
    if program is not None:
        rivals["img2dataset, --resize_mode no"] = lambda: _img2dataset(bench, program, urls)
        rivals["img2dataset, the bytes as they come"] = lambda: _img2dataset(
            bench, program, urls, "--disable_all_reencoding", "True"
        )
    else:
        print("img2dataset is not installed: its rows are left out.\n")
    if shutil.which("aria2c"):
        rivals["aria2c -j32, nothing checked"] = lambda: _aria2c(bench, urls)
    else:
        print("aria2c is not installed: its row is left out.\n")
    rivals["loop over requests.get"] = lambda: _loop(bench, urls)
    return rivals


def _install_img2dataset(out: Path) -> Path | None:
    """The program, from an environment of its own: its pins clash with others'."""
    directory = (out / "img2dataset-env").absolute()
    program = directory / "bin" / "img2dataset"
    if not program.exists():
        steps = (
            [sys.executable, "-m", "venv", str(directory)],
            [str(directory / "bin" / "pip"), "install", "--quiet", "img2dataset"],
        )
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode:
                print(done.stderr.strip().splitlines()[-1:] or done.returncode)
                return None
    return program


def _img2dataset(bench: _Bench, program: Path, urls: Path, *flags: str) -> Measured:
    # One process and 32 threads take the least CPU of what was tried on two cores.
    target = bench.fresh()
    command = [str(program), "--url_list", str(urls), "--input_format", "txt"]
    command += ["--output_format", "files", "--output_folder", str(target), "--resize_mode", "no"]
    command += ["--processes_count", "1", "--thread_count", str(_N_CONNECTIONS), *flags]
    return bench.measure(command, target)


def _aria2c(bench: _Bench, urls: Path) -> Measured:
    target = bench.fresh()
    command = ["aria2c", "--quiet", "--input-file", str(urls), "--dir", str(target)]
    return bench.measure([*command, f"-j{_N_CONNECTIONS}", "-x1"], target)


def _loop(bench: _Bench, urls: Path) -> Measured:
    target = bench.fresh()
    return bench.measure(
        [sys.executable, str(_SCRIPTS / "rival_requests.py"), str(urls), str(target)], target
    )


def _price(bench: _Bench, case: _Case, endpoint: str, ours: list[Measured]) -> None:
    """One guarantee left out at a time."""

    def leave_out(name: str) -> Callable[[], Measured]:
        def once() -> Measured:
            target = bench.fresh()
            script = str(_SCRIPTS / "without.py")
            return bench.measure(
                [sys.executable, script, name, *case.command(target)], target, endpoint
            )

        return once

    def everything() -> Measured:
        target = bench.fresh()
        return bench.measure([*_YFCC, *case.command(target)], target, endpoint)

    whole, *less = in_pairs(bench.n_pairs, everything, *map(leave_out, WITHOUT))
    print("### what each guarantee costs: CPU seconds and wall time less without it\n")
    rows: list[list[object]] = []
    for name, runs in zip(WITHOUT, less, strict=True):
        saved_cpu = median(a.cpu_s - b.cpu_s for a, b in zip(whole, runs, strict=True))
        saved_wall = median(a.wall_s - b.wall_s for a, b in zip(whole, runs, strict=True))
        share = f"{saved_cpu / median_cpu(whole):.0%}"
        rows.append([name, saved_cpu, share, saved_wall])
    print_rows(["", "CPU s", "of all", "wall s"], rows)
    print(f"\nall of it, in these runs: {median_cpu(whole):.2f} CPU s\n")
    ours += whole


def _crowd(bench: _Bench, case: _Case, endpoint: str, ours: list[Measured]) -> None:
    """Items that share directories, as they do in a mirror of everything."""
    runs = []
    for _ in range(bench.n_pairs):
        target = bench.fresh()
        runs.append(bench.measure([*_YFCC, *case.command(target)], target, endpoint))
    print("### by how the items lie in directories\n")
    n_urls = bench.n_urls
    rows: list[list[object]] = [
        [name, median_wall(each), median_cpu(each), n_urls / median_cpu(each)]
        for name, each in (
            ("one a directory: a small selection", ours),
            (f"{_ITEMS_A_DIRECTORY} a directory: the whole dataset", runs),
        )
    ]
    print_rows(["", "wall s", "CPU s", "files a CPU s"], rows)
    print()


def _split(bench: _Bench, case: _Case, endpoint: str) -> None:
    """The same work in one process and in two."""

    def in_processes(n_processes: int) -> float:
        target = bench.fresh()
        environment = os.environ | {"AWS_ENDPOINT_URL_S3": endpoint}
        started_s = time.perf_counter()
        processes = [
            subprocess.Popen(
                [*_YFCC, *case.command(target, "--shard-of", f"{share}/{n_processes}")],
                env=environment,
            )
            for share in range(n_processes)
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            raise SystemExit(f"yfcc download in {n_processes} processes: exit {codes}")
        bench.check(target)
        return time.perf_counter() - started_s

    pairs = [(in_processes(1), in_processes(2)) for _ in range(bench.n_pairs)]
    one_s, two_s = (median(column) for column in zip(*pairs, strict=True))
    gain = median(one / two for one, two in pairs)
    print(
        f"two processes (--shard-of 0/2 and 1/2): {two_s:.2f} s, one: {one_s:.2f} s; "
        f"{gain:.2f} times as fast\n"
    )


def _delay(bench: _Bench, case: _Case, endpoint: str) -> None:
    """How near to the possible rate, when each answer takes a while."""
    shares = []
    for _ in range(bench.n_pairs):
        target = bench.fresh()
        command = [*_YFCC, *case.command(target, "--workers", str(_N_CONNECTIONS))]
        found = bench.measure(command, target, endpoint)
        possible_s = bench.n_urls / _N_CONNECTIONS * _LATENCY_MS / 1000
        shares.append(possible_s / found.wall_s)
    print(
        f"{_LATENCY_MS} ms before each answer, {_N_CONNECTIONS} connections: "
        f"{median(shares):.2f} of the possible rate, start-up included\n"
    )
