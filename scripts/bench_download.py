"""Mirroring, against what else fetches a list of pictures; and what each guarantee costs.

All clients fetch the same list from the same server, which runs in a process of its own. Every
run writes to a new directory, and all are removed at the end: ext4 is slow to make files where
some were just removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from picture_cases import ITEMS_A_DIRECTORY, YFCC, Case, Served, dense_ids, make_case, serve
from timing import Measured, in_pairs, measure, median_cpu, median_wall, print_rows
from without import WITHOUT

_SCRIPTS: Final = Path(__file__).parent
_N_CONNECTIONS: Final = 32
_LATENCY_MS: Final = 80
_N_PROCESSES: Final = 2
_LONGER: Final = 4
#: A file system in memory, if there is one.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - in a directory of its own
#: Of a picture and its JSON, with what a file system adds.
_BYTES_AN_ITEM: Final = 110_000
#: A picture has more, and a JSON fewer.
_LEAST_BYTES: Final = 20_000


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

    def measure(
        self, command: list[str], target: Path, endpoint: str = "", least_bytes: int = _LEAST_BYTES
    ) -> Measured:
        """Run a client, and give the disk's space back, but not the files."""
        found = measure(command, {"AWS_ENDPOINT_URL_S3": endpoint, "NO_ALBUMENTATIONS_UPDATE": "1"})
        self.check(target, least_bytes)
        return found

    def check(self, target: Path, least_bytes: int = _LEAST_BYTES) -> None:
        """Make sure that every picture came, and give the disk's space back."""
        files = [path for path in target.rglob("*.jpg") if path.is_file()]
        n_pictures = sum(path.stat().st_size >= least_bytes for path in files)
        if n_pictures < self.n_urls:
            raise SystemExit(f"{target}: {n_pictures} of {self.n_urls} pictures came")
        for path in files:
            os.truncate(path, 0)


def run(out: Path, n_items: int, n_pairs: int, *, may_install: bool) -> None:
    """Print the tables."""
    work = (out / "bench-download").absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "runs").mkdir(parents=True)
    scattered = make_case(work / "scattered", n_items)
    dense = make_case(work / "dense", n_items, dense_ids)
    bench = _Bench(work, n_pairs, may_install, len(scattered.paths))
    print(f"## download: {bench.n_urls:,} photos from a local server, {n_pairs} runs of each\n")
    with serve(scattered.list_file) as server:
        ours = _compare(bench, scattered, server.endpoint, out)
        _price(bench, scattered, server.endpoint, ours)
        _decode(bench, scattered, server.endpoint, out)
    with serve(dense.list_file) as server:
        bench.n_urls = len(dense.paths)
        _crowd(bench, dense, server.endpoint, ours)
    with serve(scattered.list_file, _LATENCY_MS) as server:
        bench.n_urls = len(scattered.paths)
        _delay(bench, scattered, server.endpoint)
    # A long one: that a process takes its time to start is not to hide what two do together.
    long = make_case(work / "long", _LONGER * n_items, dense_ids)
    with serve(long.list_file) as server:
        bench.n_urls = len(long.paths)
        _split(bench, long, server, "on disk")
        with _in_memory(bench) as beside:
            if beside is not None:
                _split(beside, long, server, f"in memory ({_MEMORY}): what the disk does not limit")
    shutil.rmtree(work)


@contextmanager
def _in_memory(bench: _Bench) -> Iterator[_Bench | None]:
    """The same bench in memory; None where there is not enough of it."""
    wanted = bench.n_urls * _BYTES_AN_ITEM
    if not _MEMORY.is_dir() or shutil.disk_usage(_MEMORY).free < 2 * wanted:
        yield None
        return
    with TemporaryDirectory(dir=_MEMORY, prefix="yfcc-bench-") as folder:
        yield replace(bench, work=Path(folder))


def _compare(bench: _Bench, case: Case, endpoint: str, out: Path) -> list[Measured]:
    urls = bench.work / "urls.txt"
    urls.write_text("".join(f"{endpoint}{path}\n" for path in case.paths))

    def ours() -> Measured:
        target = bench.fresh()
        return bench.measure([*YFCC, *case.command(target)], target, endpoint)

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


def _img2dataset(
    bench: _Bench, program: Path, urls: Path, *flags: str, least_bytes: int = _LEAST_BYTES
) -> Measured:
    # One process and 32 threads take the least CPU of what was tried on two cores.
    target = bench.fresh()
    command = [str(program), "--url_list", str(urls), "--input_format", "txt"]
    command += ["--output_format", "files", "--output_folder", str(target)]
    command += [] if "--resize_mode" in flags else ["--resize_mode", "no"]
    command += ["--processes_count", "1", "--thread_count", str(_N_CONNECTIONS), *flags]
    return bench.measure(command, target, least_bytes=least_bytes)


def _aria2c(bench: _Bench, urls: Path) -> Measured:
    target = bench.fresh()
    command = ["aria2c", "--quiet", "--input-file", str(urls), "--dir", str(target)]
    return bench.measure([*command, f"-j{_N_CONNECTIONS}", "-x1"], target)


def _loop(bench: _Bench, urls: Path) -> Measured:
    target = bench.fresh()
    return bench.measure(
        [sys.executable, str(_SCRIPTS / "rival_requests.py"), str(urls), str(target)], target
    )


def _price(bench: _Bench, case: Case, endpoint: str, ours: list[Measured]) -> None:
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
        return bench.measure([*YFCC, *case.command(target)], target, endpoint)

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


def _crowd(bench: _Bench, case: Case, endpoint: str, ours: list[Measured]) -> None:
    """Items that share directories, as they do in a mirror of everything."""
    runs = []
    for _ in range(bench.n_pairs):
        target = bench.fresh()
        runs.append(bench.measure([*YFCC, *case.command(target)], target, endpoint))
    print("### by how the items lie in directories\n")
    n_urls = bench.n_urls
    rows: list[list[object]] = [
        [name, median_wall(each), median_cpu(each), n_urls / median_cpu(each)]
        for name, each in (
            ("one a directory: a small selection", ours),
            (f"{ITEMS_A_DIRECTORY} a directory: the whole dataset", runs),
        )
    ]
    print_rows(["", "wall s", "CPU s", "files a CPU s"], rows)
    print()


def _split(bench: _Bench, case: Case, server: Served, where: str) -> None:
    """One process on one core, two on two: what the server takes of those cores is counted out."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < _N_PROCESSES:
        print("--processes 2 wants two cores: its row is left out.\n")
        return

    def with_processes(n_processes: int) -> tuple[Measured, float]:
        """The run, and seconds of it that its cores were not the server's."""
        ours, rest = cores[:n_processes], cores[n_processes:]
        os.sched_setaffinity(server.pid, rest or ours)
        os.sched_setaffinity(0, ours)  # what is started inherits it
        how = ("--processes", str(n_processes))
        try:
            starts_s.append(_start_s(bench, case, server.endpoint, *how))
            target, before_s = bench.fresh(), server.cpu_s()
            found = measure(
                [*YFCC, *case.command(target, *how)], {"AWS_ENDPOINT_URL_S3": server.endpoint}
            )
        finally:
            os.sched_setaffinity(0, cores)
            os.sched_setaffinity(server.pid, cores)
        bench.check(target)
        taken_s = 0.0 if rest else (server.cpu_s() - before_s) / n_processes
        return found, found.wall_s - taken_s

    starts_s: list[float] = []
    pairs = [(with_processes(1), with_processes(_N_PROCESSES)) for _ in range(bench.n_pairs)]
    print(f"### processes, {bench.n_urls:,} photos, start and end included, {where}\n")
    rows: list[list[object]] = []
    for name, runs in zip(
        ("one, on one core", "two, on two cores"), zip(*pairs, strict=True), strict=True
    ):
        whole = [found for found, _ in runs]
        own_s = median(seconds for _, seconds in runs)
        rows.append([name, median_wall(whole), median_cpu(whole), own_s, bench.n_urls / own_s])
    print_rows(["", "wall s", "CPU s", "less the server's share", "files a second"], rows)
    gain = median(one / two for (_, one), (_, two) in pairs)
    wall = median(one.wall_s / two.wall_s for (one, _), (two, _) in pairs)
    fetching = median(
        (one - of_one) / (two - of_two)
        for (_, one), (_, two), of_one, of_two in zip(
            *zip(*pairs, strict=True), starts_s[::2], starts_s[1::2], strict=True
        )
    )
    print(
        f"\ntwo are {gain:.2f} times as fast as one; {wall:.2f} with the server's share; "
        f"{fetching:.2f} without what a run of nothing takes\n"
    )


def _start_s(bench: _Bench, case: Case, endpoint: str, *flags: str) -> float:
    """Seconds that the same command takes when it finds nothing to fetch."""
    nothing = case.command(bench.fresh(), "--where", "photo_id < 0", *flags)
    return measure([*YFCC, *nothing], {"AWS_ENDPOINT_URL_S3": endpoint}).wall_s


def _decode(bench: _Bench, case: Case, endpoint: str, out: Path) -> None:
    """With every picture decoded, beside what decodes each to write it anew."""
    program = _install_img2dataset(out) if bench.may_install else None
    urls = bench.work / "urls.txt"

    def ours() -> Measured:
        target = bench.fresh()
        return bench.measure([*YFCC, *case.command(target, "--decode")], target, endpoint)

    runs: dict[str, Callable[[], Measured]] = {"yfcc download --decode": ours}
    if program is not None:
        runs["img2dataset, --resize_mode no"] = lambda: _img2dataset(bench, program, urls)
        small = ("--image_size", "256", "--resize_mode", "keep_ratio")
        runs["img2dataset, --resize_mode keep_ratio, 256 pixels"] = lambda: _img2dataset(
            bench, program, urls, *small, least_bytes=1_000
        )
    found = in_pairs(bench.n_pairs, *runs.values())
    print("### every picture decoded\n")
    rows = [
        [name, median_wall(each), median_cpu(each), _cpu_ratio(found[0], each)]
        for name, each in zip(runs, found, strict=True)
    ]
    print_rows(["", "wall s", "CPU s", "yfcc's files a CPU s are x this"], rows)
    print()


def _delay(bench: _Bench, case: Case, endpoint: str) -> None:
    """How near to the possible rate, when each answer takes a while."""
    shares, without_start = [], []
    for _ in range(bench.n_pairs):
        target = bench.fresh()
        command = [*YFCC, *case.command(target, "--workers", str(_N_CONNECTIONS))]
        start_s = _start_s(bench, case, endpoint)
        found = bench.measure(command, target, endpoint)
        possible_s = bench.n_urls / _N_CONNECTIONS * _LATENCY_MS / 1000
        shares.append(possible_s / found.wall_s)
        without_start.append(possible_s / (found.wall_s - start_s))
    print(
        f"{_LATENCY_MS} ms before each answer, {_N_CONNECTIONS} connections: "
        f"{median(shares):.2f} of the possible rate, start and end included; "
        f"{median(without_start):.2f} without what a run of nothing takes\n"
    )
