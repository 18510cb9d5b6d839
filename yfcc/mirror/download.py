"""A download from beginning to end: selection, plan, run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from yfcc import __version__
from yfcc.catalog.connection import Limits
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import IdList, Selection
from yfcc.media.acquire import MediaClient
from yfcc.media.settings import FetchSettings
from yfcc.mirror.forecast import Forecast, make_forecast, surely_fits
from yfcc.mirror.opening import create_any, group_limits, is_in_bucket
from yfcc.mirror.plan import DownloadPlan, plan_download
from yfcc.mirror.run import DownloadJob, RunOptions, run_download
from yfcc.mirror.selected import SelectedItems
from yfcc.mirror.stop import StopRequest, stop_on_signals
from yfcc.mirror.totals import Fingerprint, RunProgress, RunSummary

#: Reading the catalog keeps out of the download's way: a process takes 600 MB in all, and what it
#: reads is wanted a little at a time.
READER_LIMITS: Final = Limits("160MB", 2)

#: One worker more for so many that wait for their answers.
_ASKING_PER_SPARE: Final = 8


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What the user asked for.

    Attributes
    ----------
    catalog : Path
    mirror : str
        A directory or ``s3://bucket/prefix``.
    selection : Selection
    settings : FetchSettings
    shards : frozenset of int, optional
        Only these.
    n_workers : int
        Items asked for at a time: so many connections go to the object store, whatever
        ``settings`` say.
    command : str
        The command line, for the record.
    force : bool
        Whether to start although the disk may not hold the selection.
    ask_again : bool
        Whether items with a final outcome are asked for once more.
    grace_s : float
        Seconds that items under way get to finish once the run is stopped.
    number : int or None
        Of this process among those that share the work.
    run_id : str or None
        What the run is called; None for a new name.
    """

    catalog: Path
    mirror: str
    selection: Selection
    settings: FetchSettings
    shards: frozenset[int] | None
    n_workers: int
    command: str
    force: bool = False
    ask_again: bool = False
    grace_s: float = 10.0
    number: int | None = None
    run_id: str | None = None


def forecast(request: DownloadRequest) -> Forecast:
    """Count what would be done; nothing is asked for, nothing is written to the mirror."""
    root = _root(request.mirror)
    with Catalog(request.catalog, READER_LIMITS) as catalog:
        counts = catalog.count(request.selection)
        plan = plan_download(counts.by_shard(), request.shards)
        return make_forecast(catalog, request.selection, counts, plan.shards, root)


def plan_selection(
    request: DownloadRequest, tell_ids: Callable[[IdList], object] = lambda _: None
) -> DownloadPlan:
    """Count the work, and make the mirror if there is none.

    Parameters
    ----------
    request : DownloadRequest
    tell_ids : callable, optional
        As in :func:`download_selection`.

    Raises
    ------
    TargetError
        The disk cannot hold what is still to be fetched.
    """
    root = _root(request.mirror)
    with Catalog(request.catalog, READER_LIMITS) as catalog:
        plan = _plan(request, catalog, root, tell_ids)
    create_any(root).close()
    return plan


def download_selection(
    request: DownloadRequest,
    report: Callable[[RunProgress], None] | None = None,
    tell_ids: Callable[[IdList], object] = lambda _: None,
    stop: StopRequest | None = None,
    plan: DownloadPlan | None = None,
    tell_plan: Callable[[DownloadPlan], object] = lambda _: None,
) -> RunSummary:
    """Mirror what is selected; what an earlier run did is not done again.

    Parameters
    ----------
    request : DownloadRequest
    report : callable, optional
        Gets the progress several times a second.
    tell_ids : callable, optional
        Gets what the selection's list of ids holds, if it has one, before anything is fetched.
    stop : StopRequest, optional
        Asks for an orderly end; by default signals do.
    plan : DownloadPlan, optional
        The work, if it was counted before, by :func:`plan_selection`.
    tell_plan : callable, optional
        Gets the work, with its licences, before anything is fetched.

    Raises
    ------
    TargetError
        The disk cannot hold what is still to be fetched; nothing was asked for.
    YfccError
        As :func:`yfcc.mirror.run.run_download`.
    """
    root = _root(request.mirror)
    with (
        Catalog(request.catalog, READER_LIMITS) as catalog,
        nullcontext(stop) if stop else stop_on_signals(StopRequest()) as stopping,
    ):
        plan = plan or _plan(request, catalog, root, tell_ids)
        tell_plan(plan)
        settings = replace(request.settings, s3_connections=request.n_workers)
        with (
            create_any(root) as mirror,
            closing(MediaClient(settings, stop_event=stopping.event)) as client,
            closing(SelectedItems(catalog, request.selection, plan, stopping.event)) as source,
        ):
            job = DownloadJob(
                mirror,
                source,
                plan,
                client.acquire,
                _fingerprint(request, catalog),
                client.describe_hosts,
                client.count_repeated,
            )
            return run_download(job, _options(request, root), stopping, report)


def _options(request: DownloadRequest, root: Path | str) -> RunOptions:
    """How the run does what was asked for."""
    return RunOptions(
        n_workers=_with_spare(request.n_workers),
        force=request.ask_again,
        grace_s=request.grace_s,
        limits=group_limits(root),
        number=request.number,
        run_id=request.run_id,
    )


def _plan(
    request: DownloadRequest,
    catalog: Catalog,
    root: Path | str,
    tell_ids: Callable[[IdList], object],
) -> DownloadPlan:
    """The work of the run, if the disk can hold what comes of it."""
    counts = catalog.count(request.selection)
    plan = plan_download(counts.by_shard(), request.shards, licenses=counts.licenses_by_shard())
    ids = catalog.listed(request.selection)
    if ids is not None:
        tell_ids(ids)
    if not request.force and not surely_fits(counts, plan.shards, root):
        make_forecast(catalog, request.selection, counts, plan.shards, root).check(request.mirror)
    return plan


def _fingerprint(request: DownloadRequest, catalog: Catalog) -> Fingerprint:
    """What was asked, for the record."""
    return Fingerprint(
        catalog=catalog.fingerprint(),
        selection_sql=catalog.describe(request.selection),
        sources=tuple(source.value for source in request.settings.sources),
        tool_version=__version__,
        ignore_opt_out=request.settings.ignore_opt_out,
        command=request.command,
    )


def _with_spare(n_asking: int) -> int:
    """Workers that keep so many connections busy: some compose what others just brought."""
    return n_asking + n_asking // _ASKING_PER_SPARE


def _root(mirror: str) -> Path | str:
    return mirror if is_in_bucket(mirror) else Path(mirror)
