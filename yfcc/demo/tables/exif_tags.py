"""EXIF tags with the values they take, and how often each occurs.

A row has one of four amounts of EXIF: all that the camera wrote (full), what an editor left
(edited), what a web service kept (short), or hardly more than a date (bare).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


class Detail(IntEnum):
    """How much of the EXIF survived; indexes `ExifTag.shares`."""

    FULL = 0
    EDITED = 1
    SHORT = 2
    BARE = 3


@dataclass(frozen=True)
class ExifTag:
    """One ``Category.Tag`` whose value says nothing about the other files.

    Attributes
    ----------
    key : str
        As decoded.
    shares : tuple of float
        (0 to 1) of the rows of each `Detail` that have it.
    values : tuple of str
        What it says, as decoded; may be empty text.
    """

    key: str
    shares: tuple[float, float, float, float]
    values: tuple[str, ...]


_ALWAYS: Final = (0.97, 0.95, 0.5, 0.9)
_SHOT: Final = (0.97, 0.9, 0.85, 0.02)
_SHOT_DETAIL: Final = (0.7, 0.35, 0.1, 0.0)
_MAKERS_DETAIL: Final = (0.4, 0.15, 0.04, 0.0)
_SELDOM: Final = (0.12, 0.08, 0.03, 0.01)
_ODD: Final = (0.02, 0.02, 0.01, 0.01)
_EDITORS: Final = (0.1, 0.9, 0.2, 0.8)
_THUMBNAIL: Final = (0.85, 0.75, 0.05, 0.35)


def _numbers(form: str, *bounds: int) -> tuple[str, ...]:
    """`form` filled with the numbers of a range."""
    return tuple(form.format(number) for number in range(*bounds))


_RESOLUTIONS: Final = (
    *("72 dots per inch",) * 5,
    *("180 dots per inch",) * 2,
    *("300 dots per inch",) * 2,
    "240 dots per inch",
    "96 dots per inch",
    "1/0 dots per inch",
)
_SOFTWARE: Final = (
    "Adobe Photoshop CS2 Windows",
    "Adobe Photoshop CS3 Windows",
    "Adobe Photoshop CS3 Macintosh",
    "Adobe Photoshop CS5 Macintosh",
    *_numbers("Adobe Photoshop Lightroom {}.0 (Macintosh)", 1, 6),
    *_numbers("Adobe Photoshop Lightroom 3.{} (Windows)", 0, 7),
    "Adobe Photoshop Elements 6.0 Windows",
    "Picasa",
    "Picasa 3.0",
    *_numbers("QuickTime 7.6.{}", 0, 9),
    *_numbers("Aperture 3.{}", 0, 5),
    *_numbers("iPhoto 9.{}", 0, 6),
    *_numbers("GIMP 2.{}", 2, 9, 2),
    *_numbers("digiKam-1.{}.0", 0, 9),
    *_numbers("Ver.1.{:02d} ", 0, 20),
    *_numbers("{}.1.2", 2, 8),
)
_LENSES: Final = (
    *_numbers("EF{}mm f/1.8 II", 24, 100, 13),
    *_numbers("EF-S17-{}mm f/4-5.6 IS USM", 55, 136, 15),
    *_numbers("{}-200mm f/3.5-5.6", 16, 30, 2),
    "",
    "----",
)

POOLED_TAGS: Final = (
    ExifTag("Exif IFD0.Artist", _SELDOM, ("", "Ünal & Søn", "写真館", "Vel Tashi", "x: y, z")),
    ExifTag(
        "Exif IFD0.Copyright",
        _SELDOM,
        (
            *_numbers("© {} all of us", 2000, 2014),
            "100% + more\nsecond line",
            "Some rights reserved (CC BY 2.0)",
            "",
        ),
    ),
    ExifTag(
        "Exif IFD0.Orientation",
        (0.95, 0.85, 0.4, 0.3),
        (
            *("Top, left side (Horizontal / normal)",) * 7,
            *("Right side, top (Rotate 90 CW)",) * 2,
            "Left side, bottom (Rotate 270 CW)",
            "Unknown (0)",
        ),
    ),
    ExifTag("Exif IFD0.Resolution Unit", _ALWAYS, ("Inch",) * 12 + ("cm",)),
    ExifTag("Exif IFD0.Software", _EDITORS, _SOFTWARE),
    # The same key twice in a row: two directories of one name. Values in sorted order.
    ExifTag("Exif IFD0.Unknown tag (0xea1c)", _ODD, _numbers("[{} bytes]", 2060, 2090)),
    ExifTag("Exif IFD0.Unknown tag (0xea1c)", _ODD, _numbers("[{} bytes]", 4108, 4140)),
    ExifTag("Exif IFD0.White Point", _ODD, ("313/1000 329/1000",)),
    ExifTag("Exif IFD0.X Resolution", _ALWAYS, _RESOLUTIONS),
    ExifTag("Exif IFD0.Y Resolution", _ALWAYS, _RESOLUTIONS),
    ExifTag(
        "Exif IFD0.YCbCr Positioning",
        (0.8, 0.15, 0.05, 0.02),
        ("Datum point", "Center of pixel array"),
    ),
    ExifTag(
        "Exif SubIFD.Body Serial Number",
        _SELDOM,
        _numbers("{:010d}", 320100007, 3101999999, 1999993),
    ),
    ExifTag("Exif SubIFD.Brightness Value", _MAKERS_DETAIL, _numbers("{}/256", -900, 2800, 7)),
    ExifTag("Exif SubIFD.Color Space", (0.95, 0.9, 0.1, 0.7), ("sRGB",) * 5 + ("Undefined",)),
    ExifTag("Exif SubIFD.Components Configuration", (0.9, 0.3, 0.1, 0.0), ("YCbCr",) * 9 + ("Y",)),
    ExifTag(
        "Exif SubIFD.Compressed Bits Per Pixel",
        _MAKERS_DETAIL,
        ("4 bits/pixel", "3 bits/pixel", *_numbers("{}/100 bits/pixel", 90, 540, 3)),
    ),
    ExifTag("Exif SubIFD.Contrast", _MAKERS_DETAIL, ("None", "None", "Soft", "Hard")),
    ExifTag(
        "Exif SubIFD.Custom Rendered", _SHOT_DETAIL, ("Normal process",) * 6 + ("Custom process",)
    ),
    ExifTag(
        "Exif SubIFD.Digital Zoom Ratio", _MAKERS_DETAIL, ("Digital zoom not used.", "1", "1.0")
    ),
    ExifTag("Exif SubIFD.Exif Version", _SHOT, ("2.20", "2.21", "2.21", "2.30")),
    ExifTag(
        "Exif SubIFD.Exposure Bias Value",
        _SHOT_DETAIL,
        (*("0 EV",) * 5, *_numbers("{}/3 EV", -5, 6), *_numbers("{}/10 EV", -20, 21)),
    ),
    ExifTag(
        "Exif SubIFD.Exposure Mode",
        _SHOT_DETAIL,
        ("Auto exposure",) * 4 + ("Manual exposure", "Auto bracket"),
    ),
    ExifTag(
        "Exif SubIFD.Exposure Program",
        _SHOT_DETAIL,
        (
            "Program normal",
            "Program normal",
            "Aperture priority",
            "Shutter priority",
            "Manual control",
            "Unknown program (0)",
        ),
    ),
    ExifTag(
        "Exif SubIFD.Exposure Time",
        _SHOT,
        (
            *_numbers("1/{} sec", 2, 2000, 7),
            *_numbers("10/{} sec", 40, 9000, 50),
            *_numbers("0.{:03d} sec", 1, 600, 3),
            *_numbers("{} sec", 1, 31),
        ),
    ),
    ExifTag(
        "Exif SubIFD.F-Number", _SHOT, ("F2.8", "F3.5", *(f"F{n / 10}" for n in range(14, 160)))
    ),
    ExifTag("Exif SubIFD.File Source", _SHOT_DETAIL, ("Digital Still Camera (DSC)",)),
    ExifTag(
        "Exif SubIFD.Flash",
        _SHOT,
        (
            *("Flash did not fire",) * 2,
            *("Flash did not fire, auto",) * 2,
            "Flash fired, auto",
            "Flash did not fire, compulsory flash mode",
            "Flash fired, return detected",
            "Flash fired, red-eye reduction",
        ),
    ),
    ExifTag("Exif SubIFD.FlashPix Version", (0.9, 0.3, 0.1, 0.0), ("1.00",)),
    ExifTag("Exif SubIFD.Focal Length 35", _MAKERS_DETAIL, _numbers("{}mm", 18, 380)),
    ExifTag(
        "Exif SubIFD.Focal Plane X Resolution",
        _MAKERS_DETAIL,
        _numbers("{}/1247744 inches", 201, 9_000, 11),
    ),
    ExifTag("Exif SubIFD.Gain Control", _MAKERS_DETAIL, ("None", "Low gain up", "Low gain down")),
    ExifTag(
        "Exif SubIFD.ISO Speed Ratings", _SHOT, ("100", "200", "400", *_numbers("{}", 50, 1650, 5))
    ),
    ExifTag("Exif SubIFD.Lens Model", _SELDOM, _LENSES),
    ExifTag(
        "Exif SubIFD.Max Aperture Value",
        _SHOT_DETAIL,
        tuple(f"F{n / 100}" for n in range(140, 620, 3)),
    ),
    ExifTag(
        "Exif SubIFD.Metering Mode",
        _SHOT_DETAIL,
        ("Multi-segment",) * 4 + ("Center weighted average", "Spot", "Partial"),
    ),
    ExifTag("Exif SubIFD.Saturation", _MAKERS_DETAIL, ("None", "None", "Low saturation")),
    ExifTag(
        "Exif SubIFD.Scene Capture Type",
        _SHOT_DETAIL,
        ("Standard",) * 5 + ("Landscape", "Portrait"),
    ),
    ExifTag("Exif SubIFD.Sensing Method", _MAKERS_DETAIL, ("One-chip color area sensor",)),
    ExifTag("Exif SubIFD.Sharpness", _MAKERS_DETAIL, ("None", "None", "Hard")),
    ExifTag("Exif SubIFD.Shutter Speed Value", _SHOT_DETAIL, _numbers("1/{} sec", 1, 2000, 3)),
    ExifTag("Exif SubIFD.Sub-Sec Time", _MAKERS_DETAIL, _numbers("{:02d}", 100)),
    ExifTag("Exif SubIFD.Sub-Sec Time Digitized", _MAKERS_DETAIL, _numbers("{:02d}", 100)),
    ExifTag("Exif SubIFD.Sub-Sec Time Original", _MAKERS_DETAIL, _numbers("{:03d}", 1000)),
    ExifTag(
        "Exif SubIFD.Subject Distance",
        _SELDOM,
        ("Infinity", "Unknown", *(f"{n / 100} metres" for n in range(20, 2000, 9))),
    ),
    ExifTag("Exif SubIFD.User Comment", _SELDOM, ("", "", "a=b:c.d, e", "                    ")),
    ExifTag(
        "Exif SubIFD.White Balance Mode",
        _SHOT_DETAIL,
        ("Auto white balance",) * 4 + ("Manual white balance",),
    ),
    ExifTag("Exif Thumbnail.Resolution Unit", _THUMBNAIL, ("Inch",)),
    ExifTag("Exif Thumbnail.Thumbnail Compression", _THUMBNAIL, ("JPEG (old-style)",)),
    ExifTag("Exif Thumbnail.Thumbnail Length", _THUMBNAIL, _numbers("{} bytes", 1500, 12_000)),
    ExifTag("Exif Thumbnail.Thumbnail Offset", _THUMBNAIL, _numbers("{} bytes", 196, 5000, 2)),
    ExifTag("Exif Thumbnail.X Resolution", _THUMBNAIL, ("72 dots per inch",)),
    ExifTag("Exif Thumbnail.Y Resolution", _THUMBNAIL, ("72 dots per inch",)),
    ExifTag(
        "Interoperability.Interoperability Index",
        (0.6, 0.05, 0.02, 0.0),
        ("Recommended Exif Interoperability Rules (ExifR98)",),
    ),
    ExifTag("Interoperability.Interoperability Version", (0.6, 0.05, 0.02, 0.0), ("1.00",)),
    ExifTag("Iptc.Keywords", _ODD, ("harbour", "boat, small")),
    ExifTag("Iptc.Keywords", _ODD, ("summer", "tea + cake")),
)
