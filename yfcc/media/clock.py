"""Time as an argument, and waiting that can be interrupted."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """Where this room takes the time from."""

    def now_utc(self) -> datetime:
        """Time of day, aware, UTC: only to compare with dates that servers send."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for durations."""

    def wait(self, stop: Event, seconds: float) -> bool:
        """Let time pass; True, at once, if the run is asked to stop."""


class SystemClock:
    """The machine's clocks."""

    def now_utc(self) -> datetime:
        """Time of day, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards."""
        return time.monotonic()

    def wait(self, stop: Event, seconds: float) -> bool:
        """Let time pass; True, at once, if the run is asked to stop."""
        return stop.wait(seconds)
