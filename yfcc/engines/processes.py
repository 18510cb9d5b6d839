"""A download in several processes of this machine, each with shards of its own.

One process of Python uses little more than one core. The parent counts the work and shares it
out; each child is an ordinary run over its shards, with a claim, a record and commits of its own.
The parent fetches nothing: it adds up what the children tell, and hands signals on.

Children live in process groups of their own, so that Ctrl-C reaches the parent alone. A child
whose parent has ended, even by ``kill -9``, notices by the end of its standard input.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, Final

from yfcc.catalog.select import IdList
from yfcc.engines.combine import add_progress, share_out
from yfcc.engines.messages import Failure, Order, receive, send
from yfcc.errors import InterruptedRun, YfccError
from yfcc.media.settings import Source
from yfcc.mirror.clock import SystemClock
from yfcc.mirror.download import DownloadRequest, download_selection, plan_selection
from yfcc.mirror.plan import DownloadPlan
from yfcc.mirror.run import make_run_id
from yfcc.mirror.stop import StopRequest, stop_on_signals
from yfcc.mirror.totals import RunEnd, RunProgress, RunSummary
from yfcc.mirror.whole_run import add_summaries, name_part

#: Seconds between two looks at signals.
_TICK_S: Final = 0.1
#: Seconds that items under way get to finish once the run is stopped.
_GRACE_S: Final = 3.0
#: Seconds that children get to end once they were told to, before they are killed.
_PATIENCE_S: Final = 4.5


@dataclass(slots=True)
class _Child:
    """A process and what it told last; ``is_done`` once it will tell no more."""

    process: subprocess.Popen[bytes]
    orders: IO[bytes]
    answers: IO[bytes]
    progress: RunProgress | None = None
    summary: RunSummary | None = None
    error: YfccError | None = None
    is_done: bool = False


def download_in_processes(
    request: DownloadRequest,
    n_processes: int,
    report: Callable[[RunProgress], None] = lambda _: None,
    tell_ids: Callable[[IdList], object] = lambda _: None,
    tell_plan: Callable[[DownloadPlan], object] = lambda _: None,
) -> RunSummary:
    """Mirror what is selected, in several processes if there is work for them.

    Parameters
    ----------
    request : DownloadRequest
        Workers and connections are those of all processes together.
    n_processes : int
        At most so many.
    report, tell_ids, tell_plan : callable
        As for :func:`yfcc.mirror.download.download_selection`.

    Returns
    -------
    RunSummary
        Of all together.

    Raises
    ------
    YfccError
        The first error that stopped a child; the others were told to stop then. What they
        fetched before is recorded.
    """
    n_most = most_processes(request, n_processes)
    with stop_on_signals(StopRequest()) as stop:
        crew = _Crew(stop, report)
        try:
            # They load what they need while the work is counted.
            crew.hire(n_most if n_most > 1 else 0)
            plan = plan_selection(request, tell_ids)
            tell_plan(plan)
            stop.raise_if_asked()
            shares = share_out(plan.counts, n_most) if plan.counts else []
            if len(shares) > 1:
                return crew.carry_out(_make_orders(request, plan, shares), plan)
        finally:
            crew.close()
        return download_selection(request, report, stop=stop, plan=plan)


def most_processes(request: DownloadRequest, n_processes: int) -> int:
    """How many processes may work: each has a worker, and a connection to Flickr if that is asked.

    Parameters
    ----------
    request : DownloadRequest
    n_processes : int
        What the user allows.
    """
    n_most = min(n_processes, request.n_workers)
    if Source.FLICKR in request.settings.sources:
        n_most = min(n_most, request.settings.flickr_connections)
    return n_most


def _make_orders(
    request: DownloadRequest, plan: DownloadPlan, shares: Sequence[Mapping[int, int]]
) -> list[Order]:
    run_id = make_run_id(SystemClock().now_utc())
    orders = []
    for number, share in enumerate(shares):
        licenses = {each: plan.licenses[each] for each in share if each in plan.licenses}
        part = replace(_part_of(request, number, len(shares)), run_id=name_part(run_id, number))
        orders.append(Order(part, share, licenses))
    return orders


def _part_of(request: DownloadRequest, number: int, n_parts: int) -> DownloadRequest:
    """One child's part of workers and connections; the rate of requests they share by a file."""

    def part(n_all: int) -> int:
        return max(1, n_all * (number + 1) // n_parts - n_all * number // n_parts)

    connections = part(request.settings.flickr_connections)
    settings = replace(request.settings, flickr_connections=connections)
    return replace(
        request,
        settings=settings,
        n_workers=part(request.n_workers),
        grace_s=_GRACE_S,
        number=number,
    )


class _Crew:
    """The children of one run."""

    def __init__(self, stop: StopRequest, report: Callable[[RunProgress], None]) -> None:
        self._stop = stop
        self._report = report
        self._children: list[_Child] = []
        self._told: queue.SimpleQueue[tuple[_Child, object | None]] = queue.SimpleQueue()
        self._error: YfccError | None = None
        self._deadline_s: float | None = None

    def hire(self, n_children: int) -> None:
        """Start children, who wait for their orders."""
        for _ in range(n_children):
            process = subprocess.Popen(  # our own module  # nosec B603
                [sys.executable, "-P", "-m", "yfcc.engines.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                process_group=0,
            )
            if process.stdin is None or process.stdout is None:
                raise YfccError("a process was started without its pipes")
            self._children.append(_Child(process, process.stdin, process.stdout))

    def carry_out(self, orders: Sequence[Order], plan: DownloadPlan) -> RunSummary:
        """What came of all orders of a plan together, one a child, once all have ended."""
        spare = self._children[len(orders) :]
        del self._children[len(orders) :]
        _dismiss(spare)
        for child, order in zip(self._children, orders, strict=True):
            with suppress(BrokenPipeError):  # it ended already, and its silence says so
                send(child.orders, order)
            threading.Thread(target=self._listen, args=(child,), daemon=True).start()
        while not all(child.is_done for child in self._children):
            with suppress(queue.Empty):
                self._take(*self._told.get(timeout=_TICK_S))
            told = [child.progress for child in self._children if child.progress]
            self._report(add_progress(told, plan.n_selected, len(plan.counts)))
            if self._stop.is_asked:
                self._tell_to_stop(self._stop.signal_number or signal.SIGTERM)
            if self._deadline_s is not None and time.monotonic() > self._deadline_s:
                self._kill()
        if self._error is not None:
            raise self._error
        summaries = [child.summary for child in self._children if child.summary]
        summary = add_summaries(summaries, self._stop.signal_number)
        summary.check()
        return summary

    def close(self) -> None:
        """Let no child outlive the run."""
        _dismiss(self._children)
        self._children = []

    def _listen(self, child: _Child) -> None:
        while True:
            message = receive(child.answers)
            self._told.put((child, message))
            if message is None:
                return

    def _take(self, child: _Child, message: object | None) -> None:
        if isinstance(message, RunProgress):
            child.progress = message
        elif isinstance(message, RunSummary):
            child.summary = message
            if message.end is RunEnd.INTERRUPTED:
                self._tell_to_stop(signal.SIGTERM)
        elif isinstance(message, Failure):
            self._fail(child, message.as_error())
        else:
            status = child.process.wait()
            child.is_done = True
            if child.summary is None and child.error is None:
                self._fail(child, self._describe_end(child, status))

    def _describe_end(self, child: _Child, status: int) -> YfccError:
        if self._stop.signal_number is not None:
            return InterruptedRun(self._stop.signal_number)
        said = f"was killed by signal {-status}" if status < 0 else f"ended with {status}"
        return YfccError(
            f"process {child.process.pid} of this run {said} before its work was done; what it "
            "recorded counts: run the same command again"
        )

    def _fail(self, child: _Child, error: YfccError) -> None:
        child.error = error
        self._error = self._error or error
        self._tell_to_stop(signal.SIGTERM)

    def _tell_to_stop(self, signal_number: int) -> None:
        """Have all children end soon; only the first call counts."""
        if self._deadline_s is not None:
            return
        self._deadline_s = time.monotonic() + _PATIENCE_S
        for child in self._children:
            with suppress(BrokenPipeError):  # it has ended
                send(child.orders, signal_number)

    def _kill(self) -> None:
        for child in self._children:
            child.process.kill()


def _dismiss(children: Sequence[_Child]) -> None:
    """End children, whatever they do."""
    for child in children:
        child.process.kill()
    for child in children:
        with suppress(BrokenPipeError):
            child.orders.close()
        child.process.wait()
