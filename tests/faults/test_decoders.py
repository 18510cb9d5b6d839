"""Decoding in processes that pictures may kill, stall or blow up."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.fakes.fetching import acquire_from
from tests.fakes.pictures import jpeg, picture
from tests.fakes.scripted_server import in_turn, reply
from tests.faults.test_http_body import etag_of
from yfcc.errors import YfccError
from yfcc.media.decode import Decoded, Decoders, Fate
from yfcc.media.facts import MediaFacts
from yfcc.media.guarded import PictureLimits
from yfcc.media.structure import inspect_media
from yfcc.mirror.one_core import allowed_cores
from yfcc.model import Outcome


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(1) as pool:
        yield pool


def decode(pool: Decoders, content: bytes) -> Decoded:
    return pool.decode(memoryview(content))


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def drawing(mode: str = "RGB", size: tuple[int, int] = (61, 47)) -> Image.Image:
    image = Image.effect_noise(size, 40).convert("RGB")
    ImageDraw.Draw(image).ellipse((5, 5, size[0] // 2 + 6, size[1] // 2 + 6), fill=(200, 30, 90))
    return image.convert(mode)


def with_bad_pixels() -> bytes:
    """A PNG whose chunks are faultless and whose pixels are not."""
    content = bytearray(picture("PNG"))
    at = content.index(b"IDAT")
    end = at + 4 + struct.unpack(">I", content[at - 4 : at])[0]
    content[at + 100] ^= 1
    content[end : end + 4] = struct.pack(">I", zlib.crc32(content[at:end]))
    return bytes(content)


BAD = with_bad_pixels()
#: So many pixels of one colour are a small file and half a second of work.
LARGE = saved(Image.new("RGB", (7000, 7000)), "PNG")


def test_pictures_of_every_known_format_are_decoded(decoders: Decoders) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP"):
        assert decode(decoders, picture(kind)) == Decoded(Fate.DECODED, 40, 30)


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "ICO", "PPM"])
def test_formats_that_no_sniffer_accepts_reach_no_decoder(decoders: Decoders, kind: str) -> None:
    assert decode(decoders, picture(kind)).fate is Fate.BROKEN


def test_pixels_that_make_no_sense_are_noticed_behind_a_faultless_structure(
    decoders: Decoders,
) -> None:
    assert isinstance(inspect_media(memoryview(BAD)), MediaFacts)
    assert decode(decoders, BAD) == Decoded(
        Fate.BROKEN, reason="broken data stream when reading image file"
    )
    animated = bytearray(
        saved(drawing(), "GIF", save_all=True, append_images=[drawing(), drawing()])
    )
    animated[-300:-200] = bytes(byte ^ 0x5A for byte in animated[-300:-200])
    assert decode(decoders, bytes(animated)).fate is Fate.BROKEN


sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(
    size=sizes,
    mode=st.sampled_from(["RGB", "L", "CMYK"]),
    options=st.fixed_dictionaries(
        {
            "progressive": st.booleans(),
            "optimize": st.booleans(),
            "quality": st.integers(1, 98),
            "subsampling": st.sampled_from([0, 1, 2]),
            "restart_marker_blocks": st.integers(0, 4),
            "comment": st.binary(max_size=40),
        }
    ),
    thumbnail=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_jpeg_of_pillow_is_refused(
    decoders: Decoders,
    size: tuple[int, int],
    mode: str,
    options: dict[str, Any],
    thumbnail: bool,
) -> None:
    if thumbnail:
        options["exif"] = b"Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00" + jpeg()
    accepted(decoders, saved(drawing(mode, size), "JPEG", **options), size)


@given(size=sizes, kind=st.sampled_from(["PNG", "GIF", "WEBP"]), n_frames=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_no_animation_of_pillow_is_refused(
    decoders: Decoders, size: tuple[int, int], kind: str, n_frames: int
) -> None:
    frames = [drawing("RGB", size) for _ in range(n_frames)]
    accepted(
        decoders, saved(frames[0], kind, save_all=n_frames > 1, append_images=frames[1:]), size
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_no_png_of_pillow_is_refused(decoders: Decoders, mode: str) -> None:
    image = Image.new(mode, (33, 21)) if mode == "I;16" else drawing(mode, (33, 21))
    accepted(decoders, saved(image, "PNG"), (33, 21))


def test_an_interlaced_png_and_a_lossless_webp_are_accepted(decoders: Decoders) -> None:
    rows = b"\x00\xff" * 1 + b"\x00\x80"  # one pixel a pass: passes 1 and 6 of a 2 x 1 picture
    header = struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 1)
    content = b"\x89PNG\r\n\x1a\n"
    for name, payload in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(payload)) + name + payload
        content += struct.pack(">I", zlib.crc32(name + payload))
    accepted(decoders, content, (2, 1))
    accepted(decoders, saved(drawing("RGBA"), "WEBP", lossless=True), (61, 47))


def test_a_jpeg_of_several_pictures_is_one_photo(decoders: Decoders) -> None:
    content = saved(drawing(), "MPO", save_all=True, append_images=[drawing()])
    facts = inspect_media(memoryview(content))
    assert isinstance(facts, MediaFacts)
    assert facts.n_trailing_bytes > 500  # the second picture
    assert decode(decoders, content) == Decoded(Fate.DECODED, 61, 47)


def accepted(decoders: Decoders, content: bytes, size: tuple[int, int]) -> None:
    facts = inspect_media(memoryview(content))
    assert isinstance(facts, MediaFacts), facts
    assert (facts.width, facts.height) == size
    assert decode(decoders, content) == Decoded(Fate.DECODED, *size)


def test_more_pixels_or_bytes_than_allowed_are_not_decoded() -> None:
    with Decoders(1, PictureLimits(max_pixels=1000, max_bytes=2500)) as pool:
        content = saved(Image.new("RGB", (40, 25)), "PNG")
        assert decode(pool, content).fate is Fate.DECODED
        many = saved(Image.new("RGB", (40, 26)), "PNG")
        assert decode(pool, many) == Decoded(Fate.TOO_LARGE, reason="more than 1,000 pixels")
        found = decode(pool, content + bytes(2500))
        assert found.fate is Fate.TOO_LARGE
        assert "at most 2,500 are decoded" in found.reason


def test_a_picture_that_takes_too_long_costs_only_itself() -> None:
    with Decoders(1, PictureLimits(cpu_s=0.1)) as pool:
        assert decode(pool, LARGE) == Decoded(Fate.DECODER_DIED, reason="the decoder took too long")
        assert decode(pool, jpeg()).fate is Fate.DECODED


def test_a_picture_that_wants_too_much_memory_costs_only_itself() -> None:
    with Decoders(1, PictureLimits(memory_bytes=160 << 20)) as pool:
        assert decode(pool, jpeg()).fate is Fate.DECODED
        found = decode(pool, LARGE)
        assert found.fate is Fate.DECODER_DIED
        assert "memory" in found.reason
        assert decode(pool, jpeg()).fate is Fate.DECODED


def test_a_decoder_that_is_killed_or_stalled_costs_only_its_picture() -> None:
    with Decoders(1, PictureLimits(wall_s=1.0)) as pool, ThreadPoolExecutor(1) as executor:
        decode(pool, jpeg())
        (pid,) = pool.process_ids()
        os.kill(pid, signal.SIGKILL)  # while it is idle: no picture's fault
        wait_for_end(pid)
        assert decode(pool, jpeg()).fate is Fate.DECODED
        (pid,) = pool.process_ids()
        busy = executor.submit(decode, pool, LARGE)
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        assert busy.result() == Decoded(Fate.DECODER_DIED, reason="the decoder ended with SIGKILL")
        assert decode(pool, jpeg()).fate is Fate.DECODED
        (pid,) = pool.process_ids()
        os.kill(pid, signal.SIGSTOP)
        assert decode(pool, jpeg()).reason == "it did not answer in time"
        assert decode(pool, jpeg()).fate is Fate.DECODED


def test_a_large_picture_for_a_stalled_decoder_is_given_up_too() -> None:
    with Decoders(1, PictureLimits(wall_s=0.5)) as pool:
        decode(pool, jpeg())
        os.kill(pool.process_ids()[0], signal.SIGSTOP)
        assert decode(pool, bytes(8 << 20)).reason == "it did not answer in time"
        # And one that is larger than a pipe arrives whole.
        assert decode(pool, jpeg() + bytes(8 << 20)) == Decoded(Fate.DECODED, 40, 30)


def test_many_threads_share_few_decoders() -> None:
    pictures = [picture("JPEG", (20 + n, 30)) for n in range(16)] + [BAD]
    with Decoders(2) as pool, ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda n: decode(pool, pictures[n % 17]), range(340)))
        assert len(pool.process_ids()) == 2
    for n, each in enumerate(found):
        assert (each.width or 0) == (0 if n % 17 == 16 else 20 + n % 17)


@pytest.mark.skipif(len(allowed_cores()) < 2, reason="two cores are needed")
def test_decoders_use_all_cores_though_who_asks_keeps_to_one() -> None:
    def ask() -> list[int]:
        os.sched_setaffinity(0, {min(allowed_cores())})
        decode(pool, jpeg())
        return pool.process_ids()

    with Decoders(1) as pool, ThreadPoolExecutor(1) as executor:
        (pid,) = executor.submit(ask).result()
        assert os.sched_getaffinity(pid) == allowed_cores()


def test_decoders_end_with_the_pool_and_with_their_parent() -> None:
    with Decoders(1) as pool:
        decode(pool, jpeg())
        (pid,) = pool.process_ids()
    assert not is_running(pid)
    script = (
        "import sys, time\n"
        "from tests.fakes.pictures import jpeg\n"
        "from yfcc.media.decode import Decoders\n"
        "pool = Decoders(1)\n"
        "pool.decode(memoryview(jpeg()))\n"
        "print(pool.process_ids()[0], flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
    wait_for_end(pid)


def test_a_decoder_outlives_the_thread_that_needed_it_first() -> None:
    with Decoders(1) as pool:
        with ThreadPoolExecutor(1) as executor:
            executor.submit(decode, pool, jpeg()).result()
        before = pool.process_ids()
        time.sleep(0.05)
        assert decode(pool, jpeg()).fate is Fate.DECODED
        assert pool.process_ids() == before


def test_no_decoder_at_all_is_an_error_that_says_how_to_find_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        Decoders(1) as pool,
        pytest.raises(YfccError, match=r"exit code 1\): run `.* -m yfcc\.media\.decode_child`"),
    ):
        decode(pool, jpeg())


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_for_end(pid: int) -> None:
    end = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < end, "the process is still there"
        time.sleep(0.01)


def test_what_does_not_decode_is_asked_for_again_unless_the_digest_proves_it() -> None:
    answer = reply(BAD)
    fetched = acquire_from(in_turn(answer, reply(picture("PNG"))), decode=True)
    assert (fetched.outcome, fetched.acquired.attempts) == (Outcome.STORED, 2)
    assert "does not decode: broken data stream" in (fetched.acquired.first_error or "")
    fetched = acquire_from(in_turn(answer), decode=True, max_attempts=2)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.FAILED, 2)
    fetched = acquire_from(in_turn(reply(BAD, headers=[etag_of(BAD)])), decode=True)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.NOT_MEDIA, 1)
    assert "so it lies at the source" in fetched.error
    assert fetched.acquired.evidence == BAD[:256]
    assert acquire_from(in_turn(answer)).outcome is Outcome.STORED


def test_a_picture_of_too_many_pixels_is_too_large_to_store() -> None:
    content = saved(Image.new("1", (9000, 9000)), "PNG")
    fetched = acquire_from(in_turn(reply(content)), decode=True)
    assert (fetched.outcome, fetched.n_requests) == (Outcome.TOO_LARGE, 1)
    assert "64,000,000 pixels" in fetched.error
