"""Time as an argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the mirror takes the time from."""

    def now_utc(self) -> datetime:
        """Time of day, aware, UTC: for records, never for durations."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for durations."""


class SystemClock:
    """The machine's clocks."""

    def now_utc(self) -> datetime:
        """Time of day, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards."""
        return time.monotonic()


def format_utc(moment: datetime) -> str:
    """ISO 8601 with milliseconds and ``Z``, ``2026-11-21T08:27:45.123Z``: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
