"""Sites that reserve text and data mining for a whole path, in a file."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.fakes.fetching import (
    FLICKR_TARGET,
    ROBOTS,
    S3_TARGET,
    TDMREP,
    acquire_from,
    client_of,
    photo,
)
from tests.fakes.pictures import jpeg
from tests.fakes.scripted_server import Close, ScriptedServer, Step, by_target, in_turn, reply
from yfcc.media.settings import Source
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

PHOTO = jpeg()
WHOLE = reply(PHOTO)
FLICKR = {"sources": (Source.FLICKR,)}
POLICY = "https://example.org/policy.json"


def file_of(location: str, reservation: int = 1) -> bytes:
    rule = {"location": location, "tdm-reservation": reservation, "tdm-policy": POLICY}
    return reply(json.dumps([rule]).encode(), headers=[("Content-Type", "application/json")])


def site(file: bytes | tuple[Step, ...], answer: bytes = WHOLE, **more: bytes) -> object:
    # The name of the file's folder begins with the dot at which by_target cuts.
    return by_target(**{"": file, "7301": answer}, **more)


def test_what_the_file_reserves_is_refused_and_kept_as_evidence() -> None:
    fetched = acquire_from(site(file_of("/7301/")), **FLICKR)
    assert fetched.outcome is Outcome.REFUSED
    assert fetched.content == b""
    assert fetched.targets == [ROBOTS, TDMREP, FLICKR_TARGET]
    assert fetched.acquired.rights == {"tdmrep.json": f"tdm-reservation: 1, tdm-policy: {POLICY}"}
    assert "tdmrep.json" in fetched.error


def test_what_it_does_not_name_or_does_not_reserve_is_stored() -> None:
    assert acquire_from(site(file_of("/other/")), **FLICKR).acquired.rights == {}
    fetched = acquire_from(site(file_of("/", 0)), **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.rights["tdmrep.json"].startswith("tdm-reservation: 0")


def test_the_answers_own_header_goes_before_the_file() -> None:
    free = reply(PHOTO, headers=[("tdm-reservation", "0")])
    fetched = acquire_from(site(file_of("/"), free), **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.rights == {"tdm-reservation": "0"}
    reserved = reply(PHOTO, headers=[("tdm-reservation", "1")])
    assert acquire_from(site(file_of("/", 0), reserved), **FLICKR).outcome is Outcome.REFUSED


def test_the_user_may_store_it_all_the_same_and_the_declaration_is_kept() -> None:
    fetched = acquire_from(site(file_of("/")), ignore_opt_out=True, **FLICKR)
    assert fetched.outcome is Outcome.STORED
    assert "tdmrep.json" in fetched.acquired.rights


def test_the_file_is_asked_for_once_and_its_redirects_are_followed() -> None:
    moved = reply(b"", 302, [("Location", "/rules/tdm.json")])
    script = site(moved, rules=file_of("/nothing/"))
    with ScriptedServer(script) as server, client_of(server, **FLICKR) as client:
        for i in range(1, 4):
            assert client.acquire(photo(i), BytesSink()).outcome is Outcome.STORED
    assert server.targets == [ROBOTS, TDMREP, "/rules/tdm.json", *[FLICKR_TARGET] * 3]


@pytest.mark.parametrize(
    "file",
    [
        (reply(b"", 404),),
        (reply(b"", 500),),
        (reply(b"", 503),),
        (reply(b"<html>"),),
        (reply(b'[{"location": "/", "tdm-reser', length=500), Close()),
        (Close(),),
        (reply(b"", 302, [("Location", "http://127.0.0.1:1/")]),),
        (reply(b"", 302, [("Location", TDMREP)]),),
    ],
)
def test_a_site_whose_file_cannot_be_had_does_not_take_part(file: tuple[Step, ...]) -> None:
    # "Failure to provide access ... implies that the origin server does not implement this
    # protocol": W3C TDMRep, TDM File on the Origin Server.
    assert acquire_from(site(file), **FLICKR).outcome is Outcome.STORED


def test_a_file_is_read_although_it_comes_encoded() -> None:
    rules = gzip.compress(b'[{"location": "/", "tdm-reservation": 1}]')
    file = reply(rules, headers=[("Content-Encoding", "gzip")])
    assert acquire_from(site(file), **FLICKR).outcome is Outcome.REFUSED


def test_a_file_that_robots_txt_disallows_is_not_asked_for() -> None:
    robots = reply(b"User-agent: *\nDisallow: /.well-known/\n")
    fetched = acquire_from(site(file_of("/"), robots=robots), **FLICKR)
    assert (fetched.outcome, fetched.targets) == (Outcome.STORED, [ROBOTS, FLICKR_TARGET])


def test_a_redirect_is_judged_by_the_file_of_where_it_leads() -> None:
    moved = reply(b"", 302, [("Location", "/new/1.jpg")])
    fetched = acquire_from(site(file_of("/new/"), moved, new=WHOLE), **FLICKR)
    assert fetched.outcome is Outcome.REFUSED
    assert fetched.targets[-1] == "/new/1.jpg"


def test_the_persistent_copy_is_not_asked_for_one() -> None:
    assert acquire_from(in_turn(WHOLE)).targets == [S3_TARGET]
