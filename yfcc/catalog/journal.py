"""The folder beside a catalog under construction from which a killed build goes on.

::

    CATALOG.building.journal/
      plan.json                     what is built from what; there as long as the rest counts
      step-000012.json              the state of the build after batch 12
      late-exif-000012.parquet      rows of a pack that wait for the join at the end
      missed-exif-000012.parquet    items whose row of a pack was not found yet
      passed-exif-000012.parquet    rows of a pack that a later window may still take

A batch is two acts: its files, step last, are made durable here; then one transaction of DuckDB
commits its rows. A step counts if the tables hold exactly the rows that it says. Tables only
grow, so a step that was written ahead of a transaction that failed does not count, unless that
transaction had no rows, and then the step is true as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedWriter
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet

from yfcc.catalog.plan import BuildPlan
from yfcc.catalog.publish import fsync_directory, write_durably
from yfcc.catalog.steps import Step
from yfcc.metadata.layouts import Pack

_NUMBERED: Final = re.compile(r"([a-z]+)(?:-([a-z]+))?-([0-9]{6,})\.(?:json|parquet)")
#: Files that a later step replaces; others hold rows of their own batch.
_REPLACED: Final = frozenset({"step", "passed"})


@dataclass(slots=True)
class Journal:
    """A journal, there or not.

    Attributes
    ----------
    directory : Path
    number : int
        Of the step at work; rows are kept under it.
    """

    directory: Path
    number: int = 0
    _open: dict[Path, tuple[BufferedWriter, pyarrow.parquet.ParquetWriter]] = field(
        default_factory=dict
    )

    @property
    def _plan(self) -> Path:
        return self.directory / "plan.json"

    def read_plan(self) -> BuildPlan | None:
        """The plan of the build that was interrupted, if one was and its plan can be read."""
        try:
            return BuildPlan.from_document(json.loads(self._plan.read_bytes()))
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    @property
    def has_batches(self) -> bool:
        """Whether anything would be lost without it."""
        return any(kind == "step" and number for _, kind, number in self._numbered())

    def start(self, plan: BuildPlan, first: Step) -> None:
        """A new journal in place of any other; the plan comes last."""
        self.remove()
        self.directory.mkdir()
        fsync_directory(self.directory.parent)
        self.write_step(first)
        self._write("plan.json", plan.as_document())

    def remove(self) -> None:
        """The plan goes first: without it the rest counts for nothing."""
        self.abandon()
        if self.directory.is_symlink() or self.directory.is_file():
            self.directory.unlink()
        elif self.directory.exists():
            self._plan.unlink(missing_ok=True)
            fsync_directory(self.directory)
            shutil.rmtree(self.directory)

    def keep(self, kind: str, pack: Pack, rows: pa.Table) -> None:
        """Put rows aside, as part of the step at work."""
        path = self.directory / f"{kind}-{pack}-{self.number:06d}.parquet"
        if path not in self._open:
            stream = path.open("wb")
            writer = pyarrow.parquet.ParquetWriter(
                stream, rows.schema, compression="zstd", write_statistics=False
            )
            self._open[path] = (stream, writer)
        self._open[path][1].write_table(rows)

    def write_step(self, step: Step) -> None:
        """Make a step and the rows kept for it durable."""
        has_rows = bool(self._open)
        for path, (stream, writer) in tuple(self._open.items()):
            writer.close()
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            del self._open[path]
        if has_rows:
            fsync_directory(self.directory)  # a step never has its name before its rows have theirs
        self._write(f"step-{step.number:06d}.json", step.as_document())
        self.number = step.number + 1

    def _write(self, name: str, document: Mapping[str, object]) -> None:
        write_durably(self.directory / name, json.dumps(document).encode())

    def find_step(self, n_rows: Mapping[str, int]) -> Step | None:
        """The latest step whose batch is in the tables, told by their rows."""
        numbers = sorted(
            (number for _, kind, number in self._numbered() if kind == "step"), reverse=True
        )
        for number in numbers:
            path = self.directory / f"step-{number:06d}.json"
            try:
                step = Step.from_document(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError):
                continue
            if step.n_rows == n_rows:
                return step
        return None

    def go_on_from(self, step: Step) -> None:
        """Remove what does not belong to a step; the next one is at work."""
        for path, _, number in self._numbered():
            if number > step.number:
                path.unlink()
        self.forget_before(step)  # the other run may have died before it did
        self.number = step.number + 1

    def forget_before(self, step: Step) -> None:
        """Remove what a step replaces."""
        for path, kind, number in self._numbered():
            if number < step.number and kind in _REPLACED:
                path.unlink()

    def files(self, kind: str, pack: Pack) -> list[Path]:
        """Files of rows kept up to the last step, in order."""
        found = [
            (number, path)
            for path, its_kind, number in self._numbered()
            if its_kind == kind and path.name.startswith(f"{kind}-{pack}-") and number < self.number
        ]
        return [path for _, path in sorted(found)]

    def abandon(self) -> None:
        """Let go of files that belong to no step; a full disk is no news then."""
        for stream, writer in self._open.values():
            with contextlib.suppress(OSError, pa.ArrowException):
                writer.close()
            writer.is_open = False  # or it would try again when it is collected
            with contextlib.suppress(OSError):
                stream.close()
        self._open.clear()

    def _numbered(self) -> list[tuple[Path, str, int]]:
        found = []
        for path in self.directory.iterdir():
            if match := _NUMBERED.fullmatch(path.name):
                found.append((path, match[1], int(match[3])))
        return found
