"""Pictures made smaller, also those that want to do harm."""

from __future__ import annotations

import io
import os
import signal

import pytest
from PIL import Image

from yfcc.media.guarded import PictureLimits
from yfcc.media.resize import Resizers


def picture(
    width: int, height: int, form: str = "JPEG", mode: str = "RGB", **more: object
) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert(mode).save(buffer, form, **more)
    return buffer.getvalue()


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize(
    ("shape", "smaller"), [((500, 375), (85, 64)), ((375, 500), (64, 85)), ((500, 64), None)]
)
@pytest.mark.parametrize(("form", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "P")])
def test_the_shorter_side_gets_the_size_and_none_grows(
    shape: tuple[int, int], smaller: tuple[int, int] | None, form: str, mode: str
) -> None:
    with Resizers(1) as resizers:
        done = resizers.resize(picture(*shape, form, mode), 64)
    assert done.reason == ""
    assert (done.width, done.height) == (smaller or shape)
    if smaller is None:
        assert done.content is None
    else:
        image = opened(done.content)
        assert (image.size, image.format) == (smaller, form)


def test_orientation_is_carried_out_and_notices_stay() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    exif[0x8298] = "(c) Ann"
    with Resizers(1) as resizers:
        done = resizers.resize(picture(500, 375, exif=exif.tobytes()), 64)
    image = opened(done.content)
    assert image.size == (done.width, done.height) == (64, 85)
    assert image.getexif().get(0x0112, 1) == 1
    assert image.getexif()[0x8298] == "(c) Ann"


def test_what_cannot_be_decoded_stays_as_it_is_and_costs_one_picture() -> None:
    whole = picture(500, 375)
    with Resizers(1, PictureLimits(max_pixels=500_000)) as resizers:
        for broken, reason in (
            (b"\xff\xd8\xff" + b"\0" * 99, "cannot identify"),
            (picture(2_000, 1_000), "more than 500,000 pixels"),
            (b"", "cannot identify"),
        ):
            done = resizers.resize(broken, 64)
            assert done.content is None
            assert reason in done.reason
        assert resizers.resize(whole, 64).content is not None


def test_a_process_that_ends_is_replaced() -> None:
    with Resizers(1) as resizers:
        first = resizers.resize(picture(500, 375), 64)
        (pid,) = resizers.process_ids()
        os.kill(pid, signal.SIGKILL)  # while it is idle: no picture's fault
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert resizers.resize(picture(500, 375), 64) == first
        assert resizers.process_ids() != [pid]


def test_a_process_that_is_stalled_costs_one_picture_and_not_the_export() -> None:
    small = picture(20, 20)
    with Resizers(1, PictureLimits(wall_s=2.0)) as resizers:
        resizers.resize(small, 64)
        (pid,) = resizers.process_ids()
        os.kill(pid, signal.SIGSTOP)
        assert resizers.resize(small, 64).reason == "it did not answer in time"
        assert resizers.resize(small, 64).reason == ""


def test_a_picture_larger_than_a_pipe_goes_and_comes_back_whole() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((1_100, 1_000), 90).save(buffer, "PNG")
    with Resizers(1) as resizers:
        done = resizers.resize(buffer.getvalue(), 700)
    assert done.content is not None
    assert len(done.content) > 1 << 18
    assert opened(done.content).size == (done.width, done.height) == (770, 700)


def test_a_picture_that_takes_too_long_is_given_up() -> None:
    # Of a PNG all pixels are decoded, for a hundred times as long as it may take.
    with Resizers(1, PictureLimits(cpu_s=0.001)) as resizers:
        done = resizers.resize(picture(4_000, 4_000, "PNG", compress_level=1), 64)
    assert done.reason == "the decoder took too long"
