"""Time as an argument."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from yfcc.media.clock import SystemClock

__all__ = ["Clock", "SystemClock", "format_utc"]


class Clock(Protocol):
    """Where the mirror takes the time from."""

    def now_utc(self) -> datetime:
        """Time of day, aware, UTC: for records, never for durations."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never backwards: for durations."""


def format_utc(moment: datetime) -> str:
    """ISO 8601 with milliseconds and ``Z``, ``2026-11-21T08:27:45.123Z``: sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
