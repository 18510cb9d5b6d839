"""A run's own file: what it was asked and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import groupby
from typing import Any, Final

import orjson

from yfcc.errors import TargetError, UsageError
from yfcc.mirror.layout import LEDGER, RUNS
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.totals import Fingerprint, RunEnd, RunSummary
from yfcc.mirror.whole_run import add_summaries, whole_of

_SUFFIX: Final = ".json"
_FIELDS: Final = frozenset(each.name for each in fields(RunSummary))
_ASKED: Final = frozenset(each.name for each in fields(Fingerprint))


def write_run(mirror: AnyMirror, summary: RunSummary) -> None:
    """Write a run's file in place of the one before, durably.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    write_run_file(mirror, summary.run_id, summary.run_id + _SUFFIX, encode_run(summary))


def write_run_file(mirror: AnyMirror, run_id: str, name: str, content: bytes) -> None:
    """Write one of a living run's files below ``ledger/runs``, in place of what had the name.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    if not isinstance(mirror, Mirror):
        mirror.objects.put(f"{LEDGER}/{RUNS}/{name}", content)
        return
    mirror.replace(run_id, content, LEDGER, RUNS, name)


def list_runs(mirror: AnyMirror) -> list[str]:
    """Ids of the runs that wrote to a mirror, by the second in which they began."""
    names = mirror.list_names(LEDGER, RUNS)
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def read_run(mirror: AnyMirror, run_id: str) -> RunSummary:
    """What a run was asked, and what came of it.

    Raises
    ------
    UsageError
        There was no such run.
    TargetError
        Its file cannot be read, or is damaged.
    """
    known = list_runs(mirror)
    if run_id not in known:
        latest = ", ".join(known[-5:]) or "none"
        raise UsageError(f"no run {run_id} in {mirror.root}; the latest there are: {latest}")
    name = mirror.name(LEDGER, RUNS, run_id + _SUFFIX)
    content = mirror.read(LEDGER, RUNS, run_id + _SUFFIX) or b""
    try:
        return decode_run(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(
            f"{name} is damaged: expected a run's record, got {len(content)} bytes of something "
            f"else ({error}); move the file away, no item depends on it"
        ) from error


def list_parts(mirror: AnyMirror, run_id: str) -> list[str]:
    """Ids of the runs of processes that make up a run; its own if it was one process."""
    return [each for each in list_runs(mirror) if run_id in (each, whole_of(each))] or [run_id]


def read_whole_run(mirror: AnyMirror, run_id: str) -> RunSummary:
    """What a run was asked, and what came of it in all of its processes.

    Raises
    ------
    UsageError, TargetError
        As :func:`read_run`.
    """
    return _read_parts(mirror, list_parts(mirror, run_id))


def _read_parts(mirror: AnyMirror, run_ids: Iterable[str]) -> RunSummary:
    parts = [read_run(mirror, each) for each in run_ids]
    return parts[0] if len(parts) == 1 else add_summaries(parts)


def iter_runs(mirror: AnyMirror) -> Iterator[RunSummary]:
    """All runs, the earliest first; what several processes did is one."""
    for _, run_ids in groupby(list_runs(mirror), _second_of):
        wholes = [_read_parts(mirror, parts) for _, parts in groupby(run_ids, whole_of)]
        yield from sorted(wholes, key=lambda run: (run.started, run.run_id))


def _second_of(run_id: str) -> str:
    return run_id.partition("-")[0]


def read_last_run(mirror: AnyMirror) -> RunSummary | None:
    """What came of the run that began last, in all of its processes; None if there was none."""
    run_ids = list_runs(mirror)
    latest = [each for each in run_ids if _second_of(each) == _second_of(run_ids[-1])]
    runs = [read_whole_run(mirror, run_id) for run_id in dict.fromkeys(map(whole_of, latest))]
    return max(runs, key=lambda run: (run.started, run.run_id), default=None)


def encode_run(summary: RunSummary) -> bytes:
    """The content of a run's file."""
    return orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def decode_run(content: bytes) -> RunSummary:
    """The summary in a run's file; fields that a later version may have added are left out.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        It is none.
    """
    found = _known(orjson.loads(content), _FIELDS)
    asked = _known(found["fingerprint"], _ASKED)
    fingerprint = Fingerprint(**{**asked, "sources": tuple(asked["sources"])})
    return RunSummary(**{**found, "fingerprint": fingerprint, "end": RunEnd(found["end"])})


def _known(found: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in names}
