"""Builds of a catalog, killed: ``python -m tests.fakes.metadata_killed HOW SOURCE FOLDER SIZES N``.

``HOW`` is ``moments:SEED``: after random times, until ``N`` builds were killed, each of them as
often as it takes; or ``calls:FILES``: in the n-th call of what the modules named do (``N`` of
them, evenly spread over a build), once a build. ``SIZES`` are four numbers, as of ``BuildSizes``.
Catalogs are ``FOLDER/0/catalog.duckdb`` and so on; a line of JSON tells of each how often it was
killed. Every build is a fork of a process that has no thread and no connection yet.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress

#: Calls of the system that a build makes at its ends; a kill comes right before or after one.
SYSTEM_CALLS = {"fsync", "replace", "rename", "unlink", "mkdir", "rmdir"}


class Killer:
    """Counts calls of some modules, and kills its process in one of them."""

    def __init__(self, files: list[str], n: int | None) -> None:
        self.files = tuple(f"/yfcc/catalog/{name}.py" for name in files)
        self.n = n
        self.n_calls = 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        is_ours = event in {"call", "return"} and frame.f_code.co_filename.endswith(self.files)
        if event in {"c_call", "c_return"}:
            is_ours = getattr(argument, "__name__", "") in SYSTEM_CALLS
        if is_ours:
            self.n_calls += 1
            if self.n_calls == self.n:
                os.kill(os.getpid(), signal.SIGKILL)


def build(source: Path, catalog: Path, sizes: BuildSizes) -> None:
    build_catalog(open_source(str(source)), BuildSettings(catalog, sizes=sizes), SilentProgress())


def in_fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the parent sees the exit code, the reader the text
        traceback.print_exc()
    finally:
        os._exit(code)


def wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_after(child: int, delay_s: float) -> int:
    deadline = time.monotonic() + delay_s
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    return wait(child)


def at_moments(build_at: Callable[[Path], None], folder: Path, n_kills: int, seed: int) -> None:
    """Every build gets a mean time between kills of its own, so that short and long lives occur."""
    moments = random.Random(seed)
    started = time.monotonic()
    assert wait(in_fork(lambda: build_at(folder / "measure"))) == 0
    whole_s = time.monotonic() - started
    n, n_done = 0, 0
    while n_done < n_kills:
        mean_s = whole_s * moments.uniform(0.2, 0.8)
        n_times, code = 0, -signal.SIGKILL
        while code == -signal.SIGKILL:
            child = in_fork(lambda n=n: build_at(folder / str(n)))
            # After so many kills in a row without luck the last run is left alone.
            is_spared = n_times >= 40
            code = wait(child) if is_spared else kill_after(child, moments.expovariate(1 / mean_s))
            n_times += code == -signal.SIGKILL
        assert code == 0, code
        print(json.dumps({"catalog": n, "n_kills": n_times}), flush=True)
        n, n_done = n + 1, n_done + n_times


def in_calls(build_at: Callable[[Path], None], folder: Path, n_kills: int, files: str) -> None:
    names = files.split(",")
    there, here = os.pipe()

    def count() -> None:
        killer = Killer(names, None)
        sys.setprofile(killer)
        build_at(folder / "measure")
        sys.setprofile(None)
        os.write(here, str(killer.n_calls).encode())

    assert wait(in_fork(count)) == 0
    n_calls = int(os.read(there, 32))
    for n in range(n_kills):
        at = 1 + n * n_calls // n_kills

        def die(at: int = at, n: int = n) -> None:
            sys.setprofile(Killer(names, at))
            build_at(folder / str(n))

        code = wait(in_fork(die))
        assert code == -signal.SIGKILL, (at, n_calls, code)
        assert wait(in_fork(lambda n=n: build_at(folder / str(n)))) == 0, (at, n_calls)
        print(json.dumps({"catalog": n, "n_kills": 1, "call": at, "of": n_calls}), flush=True)


def main(how: str, source: Path, folder: Path, sizes: BuildSizes, n: int) -> None:
    def build_at(directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        build(source, directory / "catalog.duckdb", sizes)

    kind, _, argument = how.partition(":")
    if kind == "moments":
        at_moments(build_at, folder, n, int(argument))
    else:
        in_calls(build_at, folder, n, argument)


if __name__ == "__main__":
    main(
        sys.argv[1],
        Path(sys.argv[2]),
        Path(sys.argv[3]),
        BuildSizes(*map(int, sys.argv[4].split(","))),
        int(sys.argv[5]),
    )
