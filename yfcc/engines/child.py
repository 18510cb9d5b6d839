"""A process that mirrors some shards for another: ``python -m yfcc.engines.child``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import IO, Final

from yfcc.engines.messages import Failure, Order, receive, send
from yfcc.errors import YfccError
from yfcc.mirror.download import download_selection
from yfcc.mirror.plan import plan_download
from yfcc.mirror.stop import StopRequest
from yfcc.mirror.totals import RunProgress

#: Seconds between two messages about the progress.
_TELL_EVERY_S: Final = 0.25
#: Seconds that a child without a parent has to make durable what it fetched.
_ORPHAN_S: Final = 4.0


class _Reporter:
    """Tells the parent how far the run is; one that is gone is no error here."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._told_s = 0.0
        self._last: RunProgress | None = None

    def show(self, progress: RunProgress) -> None:
        """Tell it, not too often."""
        self._last = progress
        if time.monotonic() - self._told_s >= _TELL_EVERY_S:
            self.tell_last()

    def tell_last(self) -> None:
        """Tell the latest now."""
        self._told_s = time.monotonic()
        if self._last is not None:
            with suppress(BrokenPipeError):
                send(self._stream, self._last)


def _obey(orders: IO[bytes], stop: StopRequest) -> None:
    """Wait for the parent's word to stop, or for its end."""
    number = receive(orders)
    if isinstance(number, int):
        stop.ask(number)
        number = receive(orders)
    stop.ask(signal.SIGTERM)
    time.sleep(_ORPHAN_S)
    os._exit(128 + signal.SIGTERM)


def main() -> None:
    """Take an order, carry it out, tell what came of it."""
    stop = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.ask(number)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.signal(signal.SIGTERM, handle)
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    order = receive(orders)
    if not isinstance(order, Order):
        return  # the parent ended before it could say anything
    threading.Thread(target=_obey, args=(orders, stop), daemon=True).start()
    code = YfccError.exit_code
    with suppress(BrokenPipeError):
        code = _carry_out(order, stop, answers)
    # Threads that wait for a slow server would hold up an ordinary exit.
    os._exit(code)


def _carry_out(order: Order, stop: StopRequest, answers: IO[bytes]) -> int:
    """Mirror what was ordered, and say what came of it; the exit code."""
    reporter, plan = _Reporter(answers), plan_download(order.counts, licenses=order.licenses)
    try:
        summary = download_selection(order.request, reporter.show, stop=stop, plan=plan)
    except YfccError as error:
        reporter.tell_last()
        send(answers, Failure.of(error))
        return error.exit_code
    except Exception as error:
        send(answers, Failure.of(YfccError(f"unexpected {type(error).__name__}: {error}")))
        raise
    reporter.tell_last()
    send(answers, summary)
    return summary.exit_code or 0


if __name__ == "__main__":
    main()
