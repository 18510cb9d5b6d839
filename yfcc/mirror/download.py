"""A download from beginning to end: selection, plan, run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from yfcc import __version__
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings
from yfcc.mirror.plan import DownloadPlan, plan_download
from yfcc.mirror.root import create_mirror
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.selected import SelectedItems
from yfcc.mirror.stop import StopRequest, stop_on_signals
from yfcc.mirror.totals import Fingerprint, RunProgress, RunSummary


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What the user asked for.

    Attributes
    ----------
    catalog : Path
    mirror : str
        A directory.
    selection : Selection
    settings : FetchSettings
    shards : frozenset of int, optional
        Only these.
    n_workers : int
        Items under way at a time.
    command : str
        The command line, for the record.
    """

    catalog: Path
    mirror: str
    selection: Selection
    settings: FetchSettings
    shards: frozenset[int] | None
    n_workers: int
    command: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a download would do.

    Attributes
    ----------
    n_selected : int
    by_license : mapping of str to int
        Most frequent first; of all shards.
    n_shards : int
        Shards with selected items.
    free_bytes : int
        On the mirror's disk.
    """

    n_selected: int
    by_license: Mapping[str | None, int]
    n_shards: int
    free_bytes: int


def forecast(request: DownloadRequest) -> Forecast:
    """Count what would be done; nothing is asked for, nothing is written."""
    with Catalog(request.catalog) as catalog:
        plan = _plan(request, catalog)
        by_license = catalog.count_by_license(request.selection)
    root = _root(request.mirror).absolute()
    there = next(path for path in (root, *root.parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    return Forecast(plan.n_selected, by_license, len(plan.counts), free_bytes)


def download_selection(
    request: DownloadRequest, report: Callable[[RunProgress], None] | None = None
) -> RunSummary:
    """Mirror what is selected; what an earlier run did is not done again.

    Parameters
    ----------
    request : DownloadRequest
    report : callable, optional
        Gets the progress several times a second.

    Raises
    ------
    YfccError
        As :func:`yfcc.mirror.run.run_download`.
    """
    root = _root(request.mirror)
    with (
        Catalog(request.catalog) as catalog,
        stop_on_signals(StopRequest()) as stop,
        create_mirror(root) as mirror,
    ):
        plan = _plan(request, catalog)
        fingerprint = Fingerprint(
            catalog=catalog.fingerprint(),
            selection_sql=request.selection.sql(),
            sources=tuple(source.value for source in request.settings.sources),
            tool_version=__version__,
            ignore_opt_out=request.settings.ignore_opt_out,
            command=request.command,
        )
        client = MediaClient(request.settings, stop_event=stop.event)
        try:
            source = SelectedItems(catalog, request.selection)
            job = DownloadJob(mirror, source, plan, client.acquire, fingerprint)
            return run_download(job, RunOptions(n_workers=request.n_workers), stop, report)
        finally:
            client.close()


def _plan(request: DownloadRequest, catalog: Catalog) -> DownloadPlan:
    counts = catalog.count_by_shard(request.selection)
    return plan_download(counts, request.shards)


def _root(mirror: str) -> Path:
    if "://" in mirror:
        raise UsageError(
            f"--mirror {mirror}: expected a directory; mirrors in a bucket are not there yet."
        )
    return Path(mirror)
