"""Builds of a catalog whose n-th call to the system fails, or kills them.

``python -m tests.fakes.metadata_faults FOLDER SIZES ACTIONS KINDS N``: for each of ``KINDS`` of
calls and each of ``ACTIONS`` (``kill``, or errors as ``EIO``, with a ``+`` if it lasts) ``N``
builds (``all`` for one a call) from ``FOLDER/source`` of ``FOLDER/out/<case>/catalog.duckdb``,
where a copy of ``FOLDER/old.duckdb`` lies; then a build that nothing disturbs. A line of JSON
tells of each. Needs :mod:`tests.fakes.failing_calls`.
"""

from __future__ import annotations

import errno
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

from tests.fakes.failing_calls import KILL, Fault, in_fork, spread
from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.metadata.source import open_source
from yfcc.metadata.warm import compile_loops
from yfcc.progress import SilentProgress


class Trial:
    """One source, built again and again."""

    def __init__(self, folder: Path, sizes: BuildSizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self.n_cases = 0

    def prepare(self, name: str) -> Path:
        directory = self.folder / "out" / name
        directory.mkdir(parents=True)
        shutil.copyfile(self.folder / "old.duckdb", directory / "catalog.duckdb")
        return directory

    def build(self, directory: Path) -> None:
        settings = BuildSettings(directory / "catalog.duckdb", sizes=self.sizes)
        build_catalog(open_source(str(self.folder / "source")), settings, SilentProgress())

    def count_calls(self) -> dict[str, int]:
        directory = self.prepare("counted")
        told = in_fork(lambda: self.build(directory), directory, Fault())
        assert told.calls, told
        return told.calls

    def disturb(self, fault: Fault) -> None:
        """Build with a fault, then without; what was found in between is ``found.duckdb``."""
        directory = self.prepare(str(self.n_cases))
        told = in_fork(lambda: self.build(directory), directory, fault)
        shutil.copyfile(directory / "catalog.duckdb", directory / "found.duckdb")
        again = in_fork(lambda: self.build(directory), directory, Fault())
        line = {"case": self.n_cases, "told": asdict(told), "again": asdict(again)}
        print(json.dumps(asdict(fault) | line), flush=True)
        self.n_cases += 1


def main(trial: Trial, actions: str, kinds: str, n: str) -> None:
    compile_loops()  # once, and not in every fork
    calls = trial.count_calls()
    for kind in kinds.split(","):
        for action in actions.split(","):
            code = KILL if action == "kill" else getattr(errno, action.rstrip("+"))
            for each in spread(calls[kind], None if n == "all" else int(n)):
                trial.disturb(Fault(kind, each, code, action.endswith("+")))


if __name__ == "__main__":
    folder, sizes = Path(sys.argv[1]), BuildSizes(*map(int, sys.argv[2].split(",")))
    main(Trial(folder, sizes), *sys.argv[3:])
