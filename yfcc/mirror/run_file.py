"""A run's own file: what it was asked and what came of it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import orjson

from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, RUNS, TMP
from yfcc.mirror.root import Mirror
from yfcc.mirror.totals import Fingerprint, RunEnd, RunSummary
from yfcc.mirror.tree import list_names, read_file, replace_file

_SUFFIX: Final = ".json"


def write_run(mirror: Mirror, summary: RunSummary) -> None:
    """Write a run's file in place of the one before, durably.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    name = summary.run_id + _SUFFIX
    content = orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    with target_errors(f"write {mirror.name(LEDGER, RUNS, name)}"):
        tmp_fd = mirror.open_directory(TMP, summary.run_id)
        try:
            runs_fd = mirror.open_directory(LEDGER, RUNS, create=True)
            try:
                replace_file(mirror.disk, tmp_fd, runs_fd, name, content)
            finally:
                os.close(runs_fd)
        finally:
            os.close(tmp_fd)


def read_last_run(mirror: Mirror) -> RunSummary | None:
    """What came of the run that began last; None if there was none."""
    with target_errors(f"read {mirror.name(LEDGER, RUNS)}"):
        runs_fd = mirror.open_directory(LEDGER, RUNS)
        try:
            names = sorted(name for name in list_names(runs_fd) if name.endswith(_SUFFIX))
            return decode_run(read_file(mirror.disk, runs_fd, names[-1])) if names else None
        finally:
            os.close(runs_fd)


def decode_run(content: bytes) -> RunSummary:
    """The summary in a run's file."""
    found = orjson.loads(content)
    asked = found.pop("fingerprint")
    fingerprint = replace(Fingerprint(**asked), sources=tuple(asked["sources"]))
    return RunSummary(**{**found, "fingerprint": fingerprint, "end": RunEnd(found["end"])})
