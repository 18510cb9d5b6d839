"""Servers whose bodies are not what they say."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator

import pytest

from tests.fakes.fetching import acquire_from, client_of, photo, video
from tests.fakes.pictures import film, jpeg, picture
from tests.fakes.scripted_server import (
    Close,
    Endless,
    Pause,
    Reset,
    ScriptedServer,
    in_turn,
    reply,
)
from yfcc.media.sink import BytesSink
from yfcc.model import Outcome

PHOTO = jpeg()
HALF = PHOTO[: len(PHOTO) // 2]
WHOLE = reply(PHOTO)


def etag_of(content: bytes) -> tuple[str, str]:
    return ("ETag", f'"{hashlib.md5(content).hexdigest()}"')


def test_a_whole_photo_is_stored_with_all_that_is_known_of_it() -> None:
    fetched = acquire_from(in_turn(reply(PHOTO, headers=[etag_of(PHOTO)])))
    acquired = fetched.acquired
    assert fetched.content == PHOTO
    assert (acquired.outcome, acquired.source, acquired.http_status) == ("stored", "s3", 200)
    assert (acquired.extension, acquired.content_type) == ("jpg", "image/jpeg")
    assert (acquired.width, acquired.height) == (40, 30)
    assert (acquired.n_bytes, acquired.n_trailing_bytes) == (len(PHOTO), 0)
    assert acquired.sha256 == hashlib.sha256(PHOTO).hexdigest()
    assert acquired.md5 == hashlib.md5(PHOTO).hexdigest()
    assert (acquired.attempts, acquired.first_error, acquired.last_error) == (1, None, None)
    assert dict(acquired.rights) == {}
    assert acquired.url == f"{fetched.server.url}{fetched.targets[0]}"


def test_a_body_shorter_than_its_length_is_asked_for_again_and_never_stored() -> None:
    cut = (reply(HALF, length=len(PHOTO)), Close())
    fetched = acquire_from(in_turn(cut, WHOLE))
    assert fetched.outcome is Outcome.STORED
    assert fetched.content == PHOTO
    assert fetched.acquired.attempts == 2
    assert f"{len(HALF)} bytes of {len(PHOTO)} came" in (fetched.acquired.first_error or "")
    fetched = acquire_from(in_turn(cut), max_attempts=3)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 3)


def test_a_body_without_length_is_whole_only_if_the_image_is() -> None:
    whole = (reply(PHOTO, length=None), Close())
    cut = (reply(HALF, length=None), Close())
    assert acquire_from(in_turn(whole)).outcome is Outcome.STORED
    fetched = acquire_from(in_turn(cut, whole))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert "truncated" in (fetched.acquired.first_error or "")


@pytest.mark.parametrize("n_bytes", [0, 1, 2, 11])
def test_a_body_cut_before_its_first_bytes_is_no_final_result(n_bytes: int) -> None:
    cut = (reply(PHOTO[:n_bytes], length=None), Close())
    assert acquire_from(in_turn(cut, WHOLE)).outcome is Outcome.STORED


def test_a_length_that_is_too_small_is_noticed_at_the_end_of_the_image() -> None:
    fetched = acquire_from(in_turn((reply(PHOTO, length=len(HALF)), Close()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert fetched.content == PHOTO


def test_half_a_photo_before_a_whole_one_is_damage() -> None:
    other = jpeg(2)
    fetched = acquire_from(in_turn(reply(HALF + other), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert fetched.content == PHOTO
    assert "damaged" in (fetched.acquired.first_error or "")


def test_two_lengths_that_differ_are_damage_and_two_equal_ones_are_not() -> None:
    other = reply(PHOTO, headers=[("Content-Length", str(len(HALF)))])
    same = reply(PHOTO, headers=[("Content-Length", str(len(PHOTO)))])
    fetched = acquire_from(in_turn(other, same))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert "Content-Length" in (fetched.acquired.first_error or "")


#: One length said twice: ``http.client`` reads none.
TWICE = [("Content-Length", f"{len(PHOTO)}, {len(PHOTO)}")]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(PHOTO, headers=TWICE, length=None), Outcome.STORED),
        (reply(b"no such thing", 404, length=None), Outcome.GONE),
    ],
    ids=["length-twice", "404-without-length"],
)
def test_who_keeps_the_connection_open_is_not_waited_for(answer: bytes, outcome: Outcome) -> None:
    is_done = threading.Event()
    was_waited_for: list[bool] = []

    def script(_: object) -> Iterator[bytes]:
        yield answer
        was_waited_for.append(not is_done.wait(10))

    with ScriptedServer(script) as server, client_of(server, read_timeout_s=15.0) as client:
        assert client.acquire(photo(), BytesSink()).outcome is outcome
        is_done.set()
    assert was_waited_for == [False]


def test_a_flipped_bit_is_noticed_by_the_etag() -> None:
    broken = bytearray(PHOTO)
    broken[len(broken) // 2] ^= 4
    fetched = acquire_from(
        in_turn(
            reply(bytes(broken), headers=[etag_of(PHOTO)]), reply(PHOTO, headers=[etag_of(PHOTO)])
        )
    )
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert fetched.content == PHOTO
    assert "MD5" in (fetched.acquired.first_error or "")


def test_a_truncated_object_that_the_etag_proves_is_never_asked_for_again() -> None:
    fetched = acquire_from(in_turn(reply(HALF, headers=[etag_of(HALF)])))
    assert (fetched.outcome, fetched.n_requests) == (Outcome.NOT_MEDIA, 1)
    assert "truncated" in fetched.error
    assert "lies at the source" in fetched.error


def test_an_etag_of_several_parts_is_no_digest() -> None:
    fetched = acquire_from(in_turn(reply(PHOTO, headers=[("ETag", f'"{"0" * 32}-2"')])))
    assert fetched.outcome is Outcome.STORED


def test_a_hole_of_zeros_is_stored_with_a_flag_as_nothing_can_prove_it() -> None:
    large = picture("JPEG", (200, 200))
    middle = len(large) // 2
    holed = large[:middle] + bytes(8192) + large[middle + 8192 :]
    fetched = acquire_from(in_turn(reply(holed)))
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.has_zero_run


def test_trailing_garbage_is_counted() -> None:
    fetched = acquire_from(in_turn(reply(PHOTO + bytes(7))))
    assert fetched.outcome is Outcome.STORED
    assert fetched.acquired.n_trailing_bytes == 7


@pytest.mark.parametrize(
    "junk",
    [
        b"<!DOCTYPE html><title>Sign in</title>",
        b'{"stat": "fail", "code": 1}',
        b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>",
        b"",
        bytes(3000),
    ],
)
def test_junk_with_200_is_not_media_whatever_its_content_type(junk: bytes) -> None:
    answer = reply(junk, headers=[("Content-Type", "image/jpeg")])
    fetched = acquire_from(in_turn(answer))
    assert fetched.outcome is Outcome.NOT_MEDIA
    assert fetched.acquired.evidence == junk[:256]
    assert fetched.n_requests == 1


@pytest.mark.parametrize("junk", [bytes(3000), b"<html>" + b"x" * 3000, b"<html>"])
def test_junk_of_another_digest_than_the_object_has_is_asked_for_again(junk: bytes) -> None:
    fetched = acquire_from(in_turn(reply(junk, headers=[etag_of(PHOTO)]), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert "MD5" in (fetched.acquired.first_error or "")
    fetched = acquire_from(in_turn(reply(junk, headers=[etag_of(junk)])))
    assert (fetched.outcome, fetched.n_requests) == (Outcome.NOT_MEDIA, 1)
    assert fetched.acquired.evidence == junk[:256]


def test_html_without_end_is_left_after_its_beginning() -> None:
    page = (reply(b"<html>" + b"x" * 2000, length=None), Endless(b"y" * 65536))
    fetched = acquire_from(in_turn(page), max_bytes=2**30)
    assert fetched.outcome is Outcome.NOT_MEDIA
    assert len(fetched.content) < 2**20


def test_a_length_over_the_cap_is_too_large_and_not_read() -> None:
    fetched = acquire_from(in_turn(reply(PHOTO, length=10**12)), max_bytes=10**6)
    assert fetched.outcome is Outcome.TOO_LARGE
    assert fetched.content == b""
    assert fetched.n_requests == 1


def test_a_body_without_end_is_too_large_at_the_cap() -> None:
    start = reply(PHOTO, length=None)
    fetched = acquire_from(in_turn((start, Endless(bytes(65536)))), max_bytes=10**6)
    assert fetched.outcome is Outcome.TOO_LARGE
    assert len(fetched.content) < 2 * 10**6


def test_exactly_the_cap_is_stored() -> None:
    for length in (-1, None):
        answer = (reply(PHOTO, length=length), Close())
        assert acquire_from(in_turn(answer), max_bytes=len(PHOTO)).outcome is Outcome.STORED
        found = acquire_from(in_turn(answer), max_bytes=len(PHOTO) - 1)
        assert found.outcome is Outcome.TOO_LARGE


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP", "deflate"])
def test_an_encoded_body_is_decoded_although_identity_was_asked_for(coding: str) -> None:
    encoded = zlib.compress(PHOTO) if coding == "deflate" else gzip.compress(PHOTO)
    answer = reply(encoded, headers=[("Content-Encoding", coding), etag_of(encoded)])
    fetched = acquire_from(in_turn(answer))
    assert fetched.outcome is Outcome.STORED
    assert fetched.content == PHOTO
    assert fetched.server.requests[0].headers["accept-encoding"] == "identity"


def test_a_bomb_is_too_large_and_never_unpacked_whole() -> None:
    bomb = gzip.compress(PHOTO + bytes(50 * 10**6))
    assert len(bomb) < 100_000
    answer = reply(bomb, headers=[("Content-Encoding", "gzip")])
    tracemalloc.start()
    try:
        fetched = acquire_from(in_turn(answer), max_bytes=10**6)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fetched.outcome is Outcome.TOO_LARGE
    assert len(fetched.content) <= 10**6
    assert peak_bytes < 10**7


def test_an_encoded_body_without_end_that_holds_nothing_is_too_large_at_the_cap() -> None:
    nothing = b"\x00\x00\x00\xff\xff"  # an empty block, and not the last
    start = reply(gzip.compress(b"")[:10], headers=[("Content-Encoding", "gzip")], length=None)
    fetched = acquire_from(in_turn((start, Endless(nothing * 10_000))), max_bytes=10**6)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.TOO_LARGE, 1)


def test_what_comes_without_end_behind_an_encoded_body_is_not_kept() -> None:
    encoded = reply(gzip.compress(PHOTO), headers=[("Content-Encoding", "gzip")], length=None)
    tracemalloc.start()
    try:
        fetched = acquire_from(in_turn((encoded, Endless(bytes(65536)))), max_bytes=3 * 10**7)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (fetched.outcome, fetched.n_requests) == (Outcome.TOO_LARGE, 1)
    assert peak_bytes < 5 * 10**6


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "rot13"])
def test_a_coding_that_is_not_known_is_refused_at_once(coding: str) -> None:
    fetched = acquire_from(in_turn(reply(PHOTO, headers=[("Content-Encoding", coding)])))
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 1)
    assert coding in fetched.error


def test_an_encoded_body_that_is_broken_or_cut_is_asked_for_again() -> None:
    encoded = gzip.compress(PHOTO)
    header = [("Content-Encoding", "gzip")]
    for broken in (encoded[:-9], encoded[:-1], b"\x1f\x8b\x08\x00" + b"?" * 40):
        fetched = acquire_from(in_turn(reply(broken, headers=header), WHOLE))
        assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunks(content: bytes, size: int = 700) -> bytes:
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


def test_a_chunked_body_is_put_together() -> None:
    script = in_turn(CHUNKED + chunks(PHOTO) + b"0\r\nTrailer: x\r\n\r\n")
    fetched = acquire_from(script)
    assert fetched.outcome is Outcome.STORED
    assert fetched.content == PHOTO


@pytest.mark.parametrize(
    "ending", [b"", b"2bc\r\nshort", b"zz\r\n", b"-1\r\n", b"f" * 70_000, chunks(PHOTO)[:-900]]
)
def test_a_chunked_body_that_breaks_off_is_asked_for_again(ending: bytes) -> None:
    fetched = acquire_from(in_turn((CHUNKED + ending, Close()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)


@pytest.mark.parametrize(
    "length", [b"-5", b"-1", b"+2bc", b"0x2bc", b"2_bc", b" 2bc", b"2bc 1", b"f" * 17, b""]
)
def test_the_length_of_a_chunk_is_a_number_and_nothing_else(length: bytes) -> None:
    first = length + b"\r\n" + PHOTO[:700] + b"\r\n"
    answer = CHUNKED + first + chunks(PHOTO[700:]) + b"0\r\n\r\n"
    fetched = acquire_from(in_turn((answer, Close()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert "length of a chunk" in (fetched.acquired.first_error or "")


@pytest.mark.parametrize("length", [b"-1", b"-5"])
def test_a_chunk_of_negative_length_and_no_end_is_left_at_once(length: bytes) -> None:
    tracemalloc.start()
    try:
        endless = (CHUNKED + length + b"\r\n" + PHOTO, Endless(bytes(65536)))
        fetched = acquire_from(in_turn(endless), max_attempts=1, deadline_s=1.0)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 1)
    assert peak_bytes < 5 * 10**6


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (chunks(PHOTO[:700])[:-2] + b"XY" + chunks(PHOTO[700:]) + b"0\r\n\r\n", "end of a chunk"),
        (chunks(PHOTO) + b"0", "cut"),
        (chunks(PHOTO), "cut"),
    ],
    ids=["no-line-end", "cut-in-the-last-length", "cut-before-it"],
)
def test_a_chunk_ends_with_its_line_and_the_last_one_has_none(ending: bytes, reason: str) -> None:
    fetched = acquire_from(in_turn((CHUNKED + ending, Close()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert reason in (fetched.acquired.first_error or "")


def test_a_reset_in_the_middle_is_asked_for_again() -> None:
    fetched = acquire_from(in_turn((reply(HALF, length=len(PHOTO)), Reset()), WHOLE))
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)


EXTRA = reply(picture("GIF"))


@pytest.mark.parametrize(
    "smuggling",
    [
        (WHOLE + EXTRA,),
        (WHOLE + EXTRA[:50], Pause(0.05), EXTRA[50:]),
        (CHUNKED + chunks(PHOTO) + b"0\r\n\r\n" + EXTRA,),
    ],
    ids=["at-once", "begun-at-once", "after-chunks"],
)
def test_bytes_behind_a_body_end_the_connection(smuggling: tuple[bytes | Pause, ...]) -> None:
    with ScriptedServer(in_turn(smuggling, WHOLE)) as server, client_of(server) as client:
        for photo_id in (1, 2):
            sink = BytesSink()
            assert client.acquire(photo(photo_id), sink).outcome is Outcome.STORED
            assert bytes(sink.view()) == PHOTO
        assert (server.n_connections, len(server.requests)) == (2, 2)


def test_bytes_that_come_while_nothing_is_asked_for_are_not_taken_for_an_answer() -> None:
    with (
        ScriptedServer(in_turn((WHOLE, Pause(0.05), EXTRA), WHOLE)) as server,
        client_of(server) as client,
    ):
        for photo_id in (1, 2):
            sink = BytesSink()
            assert client.acquire(photo(photo_id), sink).outcome is Outcome.STORED
            assert bytes(sink.view()) == PHOTO
            time.sleep(0.5)


def test_the_extension_is_what_the_bytes_are() -> None:
    fetched = acquire_from(in_turn(reply(picture("PNG"))))
    assert (fetched.outcome, fetched.acquired.extension) == (Outcome.STORED, "png")


def test_a_video_is_walked_to_its_end() -> None:
    fetched = acquire_from(in_turn(reply(film()[:-1]), reply(film())), video())
    assert (fetched.outcome, fetched.acquired.extension) == (Outcome.STORED, "mp4")
    assert fetched.acquired.attempts == 2
    assert fetched.targets[0].endswith(".mp4")


def test_a_picture_in_place_of_a_video_is_not_media() -> None:
    assert acquire_from(in_turn(WHOLE), video()).outcome is Outcome.NOT_MEDIA


def test_a_known_placeholder_in_the_persistent_copy_is_told_by_its_digest() -> None:
    known = frozenset({hashlib.sha256(PHOTO).hexdigest()})
    fetched = acquire_from(in_turn(WHOLE), known_placeholders=known)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.PLACEHOLDER, 1)


def test_a_png_that_several_jpg_keys_give_is_a_placeholder() -> None:
    with (
        ScriptedServer(in_turn(reply(picture("PNG")))) as server,
        client_of(server) as client,
    ):
        outcomes = [client.acquire(photo(i), BytesSink()).outcome for i in (1, 2, 3)]
    assert outcomes == [Outcome.STORED, Outcome.PLACEHOLDER, Outcome.PLACEHOLDER]


def test_the_same_jpg_for_many_items_is_stored_and_reported() -> None:
    with ScriptedServer(in_turn(WHOLE)) as server, client_of(server) as client:
        outcomes = {client.acquire(photo(i), BytesSink()).outcome for i in range(1, 21)}
        alarms = client.repeated_pictures()
    assert outcomes == {Outcome.STORED}
    assert [(alarm.n_items, alarm.photo_id) for alarm in alarms] == [(20, 1)]
