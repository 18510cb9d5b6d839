"""A mirror's tables, ``downloads`` and ``runs``, for SQL beside a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from yfcc.catalog.query import mentions
from yfcc.mirror.opening import open_any


@contextmanager
def bring_records(
    mirror: str | None, text: str, folder: Path, *, is_cached: bool
) -> Iterator[dict[str, list[Path]]]:
    """The mirror's tables that a query may read, as Parquet; the others stay empty.

    Parameters
    ----------
    mirror : str, optional
        Its address; without one all tables are empty.
    text : str
        The query.
    folder : Path
        For what is written, and read only as long as this lasts.
    is_cached : bool
        Whether SQL may read the mirror's own cache, see :mod:`yfcc.mirror.downloads_cache`.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        The mirror cannot be read, or the folder not be written.
    """
    records: dict[str, list[Path]] = {"downloads": [], "runs": []}
    with ExitStack() as stack:
        if mirror is not None:
            wanted = [name for name in records if mentions(text, name)]
            for name in wanted:
                records[name] = _bring(name, mirror, folder, stack, is_cached=is_cached)
            if not wanted:
                open_any(mirror).close()  # a wrong name is said even so
        yield records


def _bring(
    table: str, mirror: str, folder: Path, stack: ExitStack, *, is_cached: bool
) -> list[Path]:
    # 0.5 s of libraries, which other queries need not load.
    from yfcc.mirror.downloads import write_downloads_parquet  # noqa: PLC0415
    from yfcc.mirror.downloads_cache import open_downloads  # noqa: PLC0415
    from yfcc.mirror.runs import write_runs_parquet  # noqa: PLC0415

    target = folder / f"{table}.parquet"
    if table == "runs":
        write_runs_parquet(mirror, target)
    elif is_cached:
        return stack.enter_context(open_downloads(mirror, folder))
    else:
        write_downloads_parquet(mirror, target)
    return [target]
