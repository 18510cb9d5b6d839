"""Films by container: what they are, and whether the walk comes to their end."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.films import (
    CLOSED,
    HEIGHT,
    OPEN,
    OPEN_PIECES,
    WIDTH,
    element,
    flv_tag,
    matroska,
    mpeg_packet,
    mpeg_pieces,
    ogg_page,
    ogv,
    wmv,
)
from yfcc.media import asf
from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts
from yfcc.media.find import find_bytes
from yfcc.media.structure import inspect_media
from yfcc.mirror.layout import check_extension


def facts_of(content: bytes) -> MediaFacts:
    found = inspect_media(memoryview(content))
    assert isinstance(found, MediaFacts), found
    return found


def flaw_of(content: bytes) -> FlawedMedia:
    found = inspect_media(memoryview(content))
    assert isinstance(found, FlawedMedia), found
    return found


def test_every_film_can_be_stored_under_what_it_is() -> None:
    for name, content in (CLOSED | OPEN).items():
        facts = facts_of(content)
        assert facts.extension == check_extension(name.partition(",")[0])
        assert facts.content_type.startswith("video/")


@pytest.mark.parametrize("name", OPEN)
def test_a_film_without_an_end_is_known_by_its_bytes(name: str) -> None:
    facts = facts_of(OPEN[name])
    assert facts.n_trailing_bytes == 0
    has_size = name not in {"mts", "m2ts"}
    assert (facts.width, facts.height) == ((WIDTH, HEIGHT) if has_size else (None, None))


@pytest.mark.parametrize("name", OPEN)
def test_a_film_without_an_end_passes_for_whole_only_between_its_pieces(name: str) -> None:
    content, pieces = OPEN[name], OPEN_PIECES[name]
    ends = list(itertools.accumulate(map(len, pieces)))
    for n in range(12, len(content)):
        last = max((end for end in ends if end <= n), default=None)
        # Zeros behind a packet belong to nothing, and an MPEG's packets begin with two of them.
        may_pass = last is not None and not any(content[last:n])
        found = inspect_media(memoryview(content)[:n])
        assert isinstance(found, MediaFacts) == may_pass, n
        if isinstance(found, MediaFacts):
            assert last is not None
            assert found.n_trailing_bytes == n - last
        elif n >= 780:  # so many bytes tell every format
            assert found.flaw is not Flaw.NOT_MEDIA


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.parametrize("tail", [bytes(50), b"\r\n\r\n\r\n", b"<html>trailing garbage"])
def test_bytes_that_belong_to_nothing_are_counted(name: str, tail: bytes) -> None:
    assert facts_of(OPEN[name] + tail).n_trailing_bytes == len(tail)


@pytest.mark.parametrize("name", sorted(OPEN.keys() - {"flv", "wmv, sent"}))
def test_a_hole_between_packets_is_no_end_where_packets_have_a_signature(name: str) -> None:
    pieces = OPEN_PIECES[name]
    for tail in (b"<html>not ours</html>", b"\x99" * 300):
        content = b"".join(pieces) + tail + b"".join(pieces)
        assert flaw_of(content).flaw is Flaw.DAMAGED


def test_flash_tags_say_twice_how_long_they_are() -> None:
    head, tag = OPEN_PIECES["flv"][0], OPEN_PIECES["flv"][1]
    for back in (0, 20, 30, 31):  # as some writers count
        assert facts_of(head + flv_tag(8, bytes(20), back) + tag).n_trailing_bytes == 0
    assert flaw_of(head + flv_tag(8, bytes(20), 21) + tag).flaw is Flaw.DAMAGED
    assert flaw_of(head + b"\x07" + tag[1:] + tag).flaw is Flaw.DAMAGED
    no_film = flv_tag(8, bytes(20)) * 3
    assert flaw_of(b"FLV\x01\x04" + struct.pack(">II", 9, 0) + no_film).flaw is Flaw.TRUNCATED


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 0.0, 1e300])
def test_an_absurd_size_of_a_flash_video_is_unknown(number: float) -> None:
    wanted, there = struct.pack(">d", number), struct.pack(">d", WIDTH)
    facts = facts_of(OPEN["flv"].replace(there, wanted))
    assert (facts.width, facts.height) == (None, None)


def test_elements_have_to_add_up_to_their_segment() -> None:
    header = element(0x1A45DFA3, element(0x4282, b"webm"))
    tracks, cluster = element(0x1654AE6B, b""), element(0x1F43B675, bytes(9))
    whole = tracks + element(0x2AD7B1, b"unknown, but of some length") + cluster
    assert facts_of(header + element(0xEC, bytes(9)) + element(0x18538067, whole)).width is None
    for content, flaw in (
        (element(0x18538067, tracks), Flaw.TRUNCATED),
        (element(0x18538067, cluster), Flaw.TRUNCATED),
        (element(0x18538067, tracks + cluster[:-1]), Flaw.DAMAGED),
        (element(0x18538067, tracks + cluster + bytes(3)), Flaw.DAMAGED),
        (element(0x18538067, element(0x1654AE6B, b"", has_length=False)), Flaw.DAMAGED),
        (tracks + cluster, Flaw.DAMAGED),
    ):
        assert flaw_of(header + content).flaw is flaw
    other = flaw_of(matroska(b"something"))
    assert other.flaw is Flaw.NOT_MEDIA
    assert "something" in other.reason


def test_a_windows_media_file_is_as_long_as_its_header_says() -> None:
    whole = wmv()
    index = whole.rindex(min(asf.INDEXES))
    assert flaw_of(whole[:index]).flaw is Flaw.TRUNCATED
    assert "end of file" in flaw_of(whole[:index]).reason
    assert flaw_of(whole.replace(asf.DATA, bytes(16))).flaw is Flaw.DAMAGED
    stream = whole.index(asf.STREAM)
    longer = whole[: stream + 16] + struct.pack("<Q", 9_999) + whole[stream + 24 :]
    assert flaw_of(longer).flaw is Flaw.DAMAGED
    data = whole.index(asf.DATA)
    filled = whole[:16] + struct.pack("<Q", data + 8) + whole[24:data] + bytes(8) + whole[data:]
    assert flaw_of(filled).flaw is Flaw.DAMAGED
    # Packets of no known length are what there is.
    assert facts_of(wmv(has_lengths=False, packet_bytes=150)).n_trailing_bytes == 0


def test_a_program_stream_needs_a_film_and_packs_of_some_version() -> None:
    first = mpeg_pieces()[0]
    pack = first[: first.index(b"\x00\x00\x01\xbb")]
    assert flaw_of(pack + mpeg_packet(0xC0, b"sound" * 9)).flaw is Flaw.TRUNCATED
    assert flaw_of(pack[:4] + b"\xff" + pack[5:] + first).flaw is Flaw.DAMAGED
    video = b"\x00\x00\x01\xb3" + (WIDTH << 12 | HEIGHT).to_bytes(3, "big") + bytes(9)
    facts = facts_of(video)
    assert (facts.extension, facts.width, facts.height) == ("mpg", WIDTH, HEIGHT)
    assert facts_of(b"\x00\x00\x01\xb3" + bytes(8)).width is None


def test_a_transport_stream_needs_four_packets() -> None:
    stream = OPEN["mts"]
    assert flaw_of(stream[: 3 * 188]).flaw is Flaw.NOT_MEDIA
    spoilt = bytearray(stream)
    spoilt[2 * 188] = 0
    assert flaw_of(bytes(spoilt)).flaw is Flaw.NOT_MEDIA  # the beginning tells what it is


def test_a_flipped_bit_of_an_ogg_is_noticed_and_every_stream_has_to_end() -> None:
    whole = ogv()
    for at in range(5, len(whole), 3):
        broken = bytearray(whole)
        broken[at] ^= 4
        assert isinstance(inspect_media(memoryview(broken)), FlawedMedia), at
    third = ogg_page(b"\x80more" + bytes(9), 2, 3)
    assert "last page of a stream" in flaw_of(third + whole).reason
    assert flaw_of(ogv(has_film=False)).flaw is Flaw.NOT_MEDIA


def test_bytes_are_found_where_windows_of_the_search_meet() -> None:
    content = bytearray(3 << 20)
    for at in (0, (1 << 20) - 2, (2 << 20) - 1, (3 << 20) - 4):
        content[at : at + 4] = b"here"
        view = memoryview(content)
        assert find_bytes(view, b"here", 0) == at
        assert find_bytes(view, b"here", at + 1) == -1
        assert find_bytes(view, b"here", 0, at + 3) == -1
        content[at : at + 4] = bytes(4)


FILMS = list((CLOSED | OPEN).values())


@given(st.sampled_from(FILMS), st.integers(4, 400), st.binary(max_size=900))
def test_any_bytes_behind_a_beginning_are_facts_or_a_flaw(
    film: bytes, n_kept: int, rest: bytes
) -> None:
    found = inspect_media(memoryview(film[:n_kept] + rest))
    if isinstance(found, MediaFacts):
        assert 0 <= found.n_trailing_bytes < n_kept + len(rest)


@given(st.sampled_from(FILMS), st.data())
def test_damage_anywhere_never_escapes_as_an_error(film: bytes, data: st.DataObject) -> None:
    content = bytearray(film)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + 8] = data.draw(st.binary(max_size=9))
    found = inspect_media(memoryview(content))
    assert isinstance(found, MediaFacts | FlawedMedia)


@given(st.sampled_from(FILMS), st.integers(0, 400), st.integers(0, 255))
def test_no_byte_sends_the_walk_in_a_circle(film: bytes, at: int, byte: int) -> None:
    content = bytearray(film)
    content[min(at, len(content) - 1)] = byte
    assert isinstance(inspect_media(memoryview(content)), MediaFacts | FlawedMedia)
