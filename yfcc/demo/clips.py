"""Videos of the sample: a pan over a drawn picture, H.264 in MP4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import av
import numpy as np
import numpy.typing as npt

from yfcc.demo.pictures import draw_canvas

CLIP_SIZE: Final = (320, 240)
_FRAMES_PER_S: Final = 20
_SHORTEST_FRAMES: Final = 22
_LONGEST_FRAMES: Final = 38
_PAN_PIXELS: Final = 3


def draw_clip(photo_id: int, theme: str) -> bytes:
    """A playable MP4 of 1 to 2 s, 320 x 240; the same bytes for the same id.

    The index stands before the frames, so that a browser plays it while it loads.
    """
    n_frames = Random(photo_id).randint(_SHORTEST_FRAMES, _LONGEST_FRAMES)
    width, height = CLIP_SIZE
    canvas = draw_canvas(photo_id, theme, (width + _PAN_PIXELS * n_frames, height))
    pixels = np.asarray(canvas)
    with TemporaryDirectory() as directory:
        # A named file: to put the index first, the muxer reads back what it wrote.
        path = Path(directory, "clip.mp4")
        _encode(path, pixels, n_frames)
        return path.read_bytes()


def _encode(path: Path, pixels: npt.NDArray[np.uint8], n_frames: int) -> None:
    """Write a clip that moves over `pixels` (height x width x 3) from left to right."""
    width, height = CLIP_SIZE
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(path, "w", format="mp4", options=options) as container:
        # One thread: the bytes must not depend on the number of cores.
        stream = container.add_stream(
            "libx264",
            rate=Fraction(_FRAMES_PER_S),
            options={"preset": "veryfast", "crf": "27", "threads": "1"},
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(n_frames):
            left = number * _PAN_PIXELS
            still = np.ascontiguousarray(pixels[:, left : left + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
        container.mux(stream.encode())
