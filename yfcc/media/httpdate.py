"""Dates as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz


def parse_date(text: str) -> datetime | None:
    """The moment a date names, aware, UTC; None if it names none.

    Understands the three forms of an HTTP-date (RFC 9110, 5.6.7), the looser ones of RFC 822
    and 850, and ISO 8601. A date without a zone is taken as UTC.
    """
    text = text.strip()
    try:
        fields = parsedate_tz(text)
        if fields is not None:
            return datetime.fromtimestamp(mktime_tz(fields), UTC)
        moment = datetime.fromisoformat(text)
    # parsedate_tz has raised each of these on odd input (bpo-30681, gh-89164).
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
