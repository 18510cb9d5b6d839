"""What bytes are, and whether they are whole."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.films import CLOSED, HEIGHT, WIDTH
from tests.fakes.pictures import avi, box, jpeg, picture
from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts
from yfcc.media.structure import inspect_media

PNG = picture("PNG")
GIF = picture("GIF")
WHOLE = {
    "jpg": jpeg(),
    "png": PNG,
    "gif": GIF,
    "webp": picture("WEBP"),
} | CLOSED


def facts_of(content: bytes) -> MediaFacts:
    found = inspect_media(memoryview(content))
    assert isinstance(found, MediaFacts), found
    return found


def flaw_of(content: bytes) -> FlawedMedia:
    found = inspect_media(memoryview(content))
    assert isinstance(found, FlawedMedia), found
    return found


@pytest.mark.parametrize("extension", WHOLE)
def test_whole_media_are_known_by_their_bytes(extension: str) -> None:
    facts = facts_of(WHOLE[extension])
    assert facts.extension == extension
    assert facts.n_trailing_bytes == 0
    size = (WIDTH, HEIGHT) if extension in CLOSED else (40, 30)
    assert (facts.width, facts.height) == size


@pytest.mark.parametrize("extension", WHOLE)
@pytest.mark.parametrize("tail", [bytes(1), bytes(4096), b"\r\n", b"<html>trailing garbage"])
def test_bytes_after_the_end_are_counted(extension: str, tail: bytes) -> None:
    assert facts_of(WHOLE[extension] + tail).n_trailing_bytes == len(tail)


@pytest.mark.parametrize("extension", WHOLE)
def test_no_part_of_whole_media_passes_for_whole(extension: str) -> None:
    content = WHOLE[extension]
    for length in range(12, len(content)):
        found = inspect_media(memoryview(content)[:length])
        assert isinstance(found, FlawedMedia), length
        if length >= 16:
            assert found.flaw is not Flaw.NOT_MEDIA, length


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing"),
        (b"  \n<!DOCTYPE html><html>", "HTML"),
        (b"<HTML><body>sign in", "HTML"),
        (b"<?xml version='1.0'?><Error>", "XML"),
        (b"<Error><Code>NoSuchKey</Code>", "XML"),
        (b'{"stat": "fail"}', "JSON"),
        (b"\xef\xbb\xbf[1, 2]", "JSON"),
        (bytes(5000), "zeros"),
        (b"abc", "3 bytes"),
        (b"just some text that is no picture", "no known format"),
        (b"RIFF\x04\x00\x00\x00WAVE", "no known format"),
        (box(b"ftyp", b"heic" + bytes(4)) + bytes(100), "heic"),
    ],
)
def test_what_is_no_media_is_described(content: bytes, reason: str) -> None:
    found = flaw_of(content)
    assert found.flaw is Flaw.NOT_MEDIA
    assert reason in found.reason


def test_a_marker_among_the_bits_of_a_jpeg_is_no_end() -> None:
    start = jpeg().index(b"\xff\xda")
    head = jpeg()[:start] + jpeg()[start : start + 14]
    scan = b"\x12\xff\x00\xd9\xff\xd0\x34\xff\xff\x00\xff\xd7"
    assert facts_of(head + scan + b"\xff\xff\xd9").n_trailing_bytes == 0
    assert flaw_of(head + scan).flaw is Flaw.TRUNCATED


def test_the_thumbnail_inside_a_jpeg_is_not_its_end() -> None:
    exif = b"\xff\xe1" + struct.pack(">H", 2 + len(jpeg(2))) + jpeg(2)
    content = b"\xff\xd8" + exif + jpeg()[2:]
    assert facts_of(content).n_trailing_bytes == 0
    assert flaw_of(content[: len(exif) + 40]).flaw is Flaw.TRUNCATED


def test_a_jpeg_that_begins_again_is_damaged_and_one_behind_its_end_is_not() -> None:
    whole = picture("JPEG", (200, 200))
    for n_bytes in (len(whole) // 3, len(whole) // 2, len(whole) - 2):
        assert "begins again" in flaw_of(whole[:n_bytes] + whole).reason
    assert facts_of(whole + jpeg()).n_trailing_bytes == len(jpeg())


def test_a_jpeg_without_a_picture_is_damaged() -> None:
    for content in (b"\xff\xd8\xff\xd9" + bytes(20), b"\xff\xd8\xff\xe0\x00\x01" + bytes(20)):
        assert flaw_of(content).flaw is Flaw.DAMAGED


def test_a_picture_without_width_or_height_is_damaged() -> None:
    for size in ((0, 30), (40, 0)):
        spelled = struct.pack(">HH", size[1], size[0])
        assert "pixels" in flaw_of(jpeg().replace(struct.pack(">HH", 30, 40), spelled, 1)).reason
        header = b"IHDR" + struct.pack(">II", *size) + PNG[24:29]
        content = PNG[:12] + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]
        assert "pixels" in flaw_of(content).reason


def riff(kind: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    content = kind + b"".join(name + struct.pack("<I", len(each)) + each for name, each in chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    "content",
    [
        riff(b"WEBP", (b"VP8 ", b"<html>not a picture at all</html>")),
        riff(b"WEBP", (b"VP8L", bytes(40))),
        riff(b"WEBP", (b"VP8X", bytes(10)), (b"EXIF", bytes(40))),
        riff(b"WEBP", (b"XXXX", bytes(40))),
        WHOLE["webp"][:16] + b"\xff\xff\x00\x00" + WHOLE["webp"][20:],
        riff(b"AVI ", (b"JUNK", bytes(200))),
        riff(b"AVI ", (b"LIST", b"movi" + bytes(200))),
        b"RIFF\x00\x00\x00\x00AVI <html>" + bytes(200),
    ],
)
def test_a_name_on_the_outside_makes_no_picture(content: bytes) -> None:
    assert flaw_of(content).flaw is Flaw.DAMAGED


def test_a_large_avi_that_is_cut_in_the_head_of_its_next_part_is_truncated() -> None:
    first, second = avi(), riff(b"AVIX", (b"LIST", b"movi" + bytes(20)))
    assert facts_of(first + second).n_trailing_bytes == 0
    for n_bytes in range(1, len(second)):
        assert flaw_of(first + second[:n_bytes]).flaw is Flaw.TRUNCATED


def test_a_hole_of_zeros_in_a_jpeg_is_flagged() -> None:
    content = picture("JPEG", (200, 200))
    assert len(content) > 20_000
    assert not facts_of(content).has_zero_run
    middle = len(content) // 2
    holed = content[:middle] + bytes(8192) + content[middle + 8192 :]
    assert facts_of(holed).has_zero_run


def test_the_height_of_a_jpeg_may_come_after_its_first_scan() -> None:
    content = jpeg().replace(struct.pack(">HH", 30, 40), struct.pack(">HH", 0, 40), 1)
    assert "40 x 0" in flaw_of(content).reason
    dnl = b"\xff\xdc\x00\x04\x00\x1e"
    assert facts_of(content[:-2] + dnl + b"\xff\xd9").height == 30


def test_one_flipped_bit_of_a_png_is_noticed() -> None:
    for at in range(8, len(PNG), 7):
        broken = bytearray(PNG)
        broken[at] ^= 1
        assert isinstance(inspect_media(memoryview(broken)), FlawedMedia), at


def test_a_png_needs_its_header_and_pixels() -> None:
    def chunk(kind: bytes, content: bytes = b"") -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )  # fmt: skip

    header = chunk(b"IHDR", struct.pack(">II", 1, 1) + bytes(5))
    for chunks in ((b"IEND",), (b"IDAT", b"IEND")):
        assert flaw_of(PNG[:8] + b"".join(map(chunk, chunks))).flaw is Flaw.DAMAGED
    assert flaw_of(PNG[:8] + header + chunk(b"IEND")).flaw is Flaw.DAMAGED
    assert flaw_of(PNG[:8] + b"\xff" * 20).flaw is Flaw.DAMAGED


def test_a_gif_with_an_unknown_block_or_no_picture_is_damaged() -> None:
    assert flaw_of(GIF[:13] + b"\x99" + GIF[13:]).flaw is Flaw.DAMAGED
    assert flaw_of(b"GIF89a\x01\x00\x01\x00\x00\x00\x00;").flaw is Flaw.DAMAGED


def test_a_film_needs_its_index_and_its_pictures() -> None:
    ftyp, mdat = box(b"ftyp", b"isom" + bytes(4)), box(b"mdat", bytes(10))
    fragment = ftyp + box(b"moov") + mdat + box(b"moof", bytes(30))
    for content in (ftyp + mdat, ftyp + box(b"moov"), ftyp, fragment):
        assert flaw_of(content).flaw is Flaw.TRUNCATED


def test_half_the_name_of_another_box_is_no_rubbish_behind_a_film() -> None:
    film = CLOSED["mp4"]
    more = box(b"moof", bytes(9)) + box(b"mdat")
    assert facts_of(film + more).n_trailing_bytes == 0
    for n in range(5, len(more) - 8):
        assert flaw_of(film + more[:n]).flaw is Flaw.TRUNCATED


def test_boxes_of_every_length_form_are_walked() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 16 + 5) + bytes(5)
    to_the_end = struct.pack(">I4s", 0, b"mdat") + bytes(50)
    for mdat in (large, to_the_end):
        assert facts_of(box(b"moov") + mdat).extension == "mov"
    for broken in (struct.pack(">I4sQ", 1, b"mdat", 3), struct.pack(">I4s", 7, b"mdat")):
        assert flaw_of(box(b"moov") + broken + bytes(20)).flaw is Flaw.DAMAGED


def test_an_avi_of_several_parts_and_one_that_never_was_finished() -> None:
    part = b"RIFF" + struct.pack("<I", 8) + b"AVIXmore"
    assert facts_of(avi() + part).n_trailing_bytes == 0
    assert flaw_of(avi() + part[:-1]).flaw is Flaw.TRUNCATED
    unfinished = b"RIFF" + bytes(4) + avi()[8:]
    assert facts_of(unfinished + bytes(9)).n_trailing_bytes == 0


beginnings = st.sampled_from([content[:40] for content in WHOLE.values()])


@given(beginnings, st.binary(max_size=300))
def test_any_bytes_are_facts_or_a_flaw(beginning: bytes, rest: bytes) -> None:
    assert isinstance(inspect_media(memoryview(beginning + rest)), MediaFacts | FlawedMedia)


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damage_anywhere_never_escapes_as_an_error(extension: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[extension])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + 4] = data.draw(st.binary(max_size=8))
    assert isinstance(inspect_media(memoryview(content)), MediaFacts | FlawedMedia)
