"""Servers whose films are not whole."""

from __future__ import annotations

import pytest

from tests.fakes.fetching import acquire_from, video
from tests.fakes.films import CLOSED, OPEN, ogv
from tests.fakes.scripted_server import in_turn, reply
from tests.faults.test_http_body import etag_of
from yfcc.model import Outcome

FILMS = CLOSED | OPEN


@pytest.mark.parametrize("name", ["webm", "ogv", "wmv", "flv", "mpg", "m2ts"])
def test_a_film_that_is_cut_is_asked_for_again_and_named_for_what_it_is(name: str) -> None:
    film = FILMS[name]
    fetched = acquire_from(in_turn(reply(film[:-1]), reply(film)), video())
    assert (fetched.outcome, fetched.acquired.extension) == (Outcome.STORED, name)
    assert fetched.content == film
    assert fetched.acquired.attempts == 2
    assert "truncated" in (fetched.acquired.first_error or "")


def test_a_film_that_lies_cut_at_the_source_is_not_asked_for_twice() -> None:
    cut = OPEN["flv"][:-1]
    fetched = acquire_from(in_turn(reply(cut, headers=[etag_of(cut)])), video())
    assert (fetched.outcome, fetched.n_requests) == (Outcome.NOT_MEDIA, 1)
    assert "so it lies at the source" in fetched.error


def test_sound_alone_is_no_film() -> None:
    fetched = acquire_from(in_turn(reply(ogv(has_film=False))), video())
    assert (fetched.outcome, fetched.n_requests) == (Outcome.NOT_MEDIA, 1)
    assert "sound only" in fetched.error
