"""Dates as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def parse_date(text: str) -> datetime | None:
    """The moment a date names, aware, UTC; None if it names none.

    Understands the three forms of an HTTP-date (RFC 9110, 5.6.7), the looser ones of RFC 822
    and 850, and ISO 8601, in letters of any case. A date without a zone is taken as UTC.
    """
    text = text.strip().upper()
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(text)
            if moment.tzinfo is None:
                return moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC)
        # email.utils has raised each of these on odd input (bpo-30681, gh-89164).
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
