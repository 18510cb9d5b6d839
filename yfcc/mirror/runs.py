"""The runs of a mirror as a table: ``runs``, one row a run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from yfcc.mirror.disk import target_errors
from yfcc.mirror.opening import open_any
from yfcc.mirror.run_file import iter_runs
from yfcc.mirror.totals import RunSummary

#: The columns of ``runs``, in order; times are UTC.
RUNS_SCHEMA: Final = pa.schema(
    [
        ("run_id", pa.string()),
        ("started", pa.timestamp("us")),
        ("ended", pa.timestamp("us")),
        ("state", pa.string()),
        ("exit_code", pa.int32()),
        ("n_selected", pa.int64()),
        ("outcomes", pa.map_(pa.string(), pa.int64())),
        ("not_yet_tried", pa.int64()),
        ("n_bytes", pa.int64()),
        ("n_adopted", pa.int64()),
        ("selection_sql", pa.string()),
        ("sources", pa.list_(pa.string())),
        ("shards", pa.string()),
        ("catalog", pa.string()),
        ("tool_version", pa.string()),
        ("ignore_opt_out", pa.bool_()),
        ("command", pa.string()),
        ("error", pa.string()),
        ("errors", pa.map_(pa.string(), pa.int64())),
        ("licenses", pa.map_(pa.string(), pa.int64())),
    ]
)


def read_runs_table(root: Path | str) -> pa.Table:
    """The table ``runs``, the earliest run first.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        A run's file cannot be read.
    """
    with open_any(root) as mirror:
        return pa.Table.from_pylist([_row(run) for run in iter_runs(mirror)], schema=RUNS_SCHEMA)


def write_runs_parquet(root: Path | str, target: Path) -> int:
    """Write the table ``runs`` as one Parquet file; how many rows it has.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The file cannot be written, or a run's file not be read.
    """
    table = read_runs_table(root)
    with target_errors(f"write {target}"):
        pq.write_table(table, target)
    return int(table.num_rows)


def _row(run: RunSummary) -> dict[str, Any]:
    asked = run.fingerprint
    return {
        "run_id": run.run_id,
        "started": _moment(run.started),
        "ended": _moment(run.ended),
        "state": run.end.value,
        "exit_code": run.exit_code,
        "n_selected": run.n_selected,
        "outcomes": list(run.outcomes.items()),
        "not_yet_tried": run.not_yet_tried,
        "n_bytes": run.n_bytes,
        "n_adopted": run.n_adopted,
        "selection_sql": asked.selection_sql,
        "sources": list(asked.sources),
        "shards": run.shards,
        "catalog": asked.catalog,
        "tool_version": asked.tool_version,
        "ignore_opt_out": asked.ignore_opt_out,
        "command": asked.command,
        "error": run.error,
        "errors": list(run.errors.items()),
        "licenses": list(run.licenses.items()),
    }


def _moment(text: str) -> datetime | None:
    """A moment without its zone, which is UTC; None for an empty text."""
    return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
