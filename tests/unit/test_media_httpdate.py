"""Dates as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yfcc.media.httpdate import parse_date

MOMENT = datetime(2010, 6, 25, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Fri, 25 Jun 2010 15:00:00 GMT",
        "Friday, 25-Jun-10 15:00:00 GMT",
        "Fri Jun 25 15:00:00 2010",
        "25 Jun 2010 08:00:00 PDT",
        "25 Jun 2010 15:00:00",
        "2010-06-25T15:00:00Z",
        "2010-06-25T17:00:00+02:00",
        " 2010-06-25T15:00 ",
        "fri, 25 jun 2010 15:00:00 gmt",
        "2010-06-25t15:00:00z",
    ],
)
def test_all_forms_of_a_date_name_the_same_moment(text: str) -> None:
    assert parse_date(text) == MOMENT


@given(st.text(max_size=40))
@example("Fri, 99 Jun 2010 88:00:00 GMT")
@example("0001-01-01T00:00:00+14:00")
@example("1 Jan 99999999999999999999 00:00:00 GMT")
@example("9" * 5000)
def test_any_text_is_a_moment_in_utc_or_none(text: str) -> None:
    moment = parse_date(text)
    assert moment is None or moment.tzinfo is UTC
