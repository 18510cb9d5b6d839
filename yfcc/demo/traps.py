"""Rare forms of valid rows, put at fixed rows so that a small sample has each of them.

A trap stands at one row of every chunk whose index divides by ``every``; the first chunk has
them all. What is frequent (empty fields, escapes, several scripts) comes from the pools.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from yfcc.demo.encoding import form_encode

#: An astronaut and a flag of two code points each and joiners, a combining accent, a ligature of
#: 18 letters, letters outside the basic plane.
_JOINED: Final = (
    "\U0001f469\U0001f3ff\u200d\U0001f680 \U0001f3f3\ufe0f\u200d\U0001f308 "
    "e\u0301 \ufdfd \U0001d509"
)
#: Both secrets of an item for which Flickr made no second one.
_TEN_HEX: Final = "0123456789"
_HOSTILE_TITLE: Final = "<script>alert(1)</script>"

#: Bytes of the description that makes the longest line; the true maximum is 197,990 a line.
LONGEST_DESCRIPTION: Final = 197_000


@dataclass(frozen=True)
class Trap:
    """Fields of one dataset row that are replaced.

    Attributes
    ----------
    name : str
        What is unusual.
    row : int
        Within the chunk.
    every : int
        Chunks from one occurrence to the next.
    fields : mapping
        Column of `yfcc.demo.dataset_lines.DatasetColumns` to the text in the file.
    """

    name: str
    row: int
    every: int
    fields: dict[str, str] = field(default_factory=dict)


def _geotag(longitude: str, latitude: str, accuracy: str) -> dict[str, str]:
    return {"longitude": longitude, "latitude": latitude, "accuracy": accuracy}


TRAPS: Final = (
    Trap("encoded NUL", 11, 8, {"title": "cut%00here"}),
    Trap("encoded U+FFFD", 23, 4, {"title": "caf%EF%BF%BD", "description": "%EF%BF%BD%EF%BF%BD"}),
    Trap("encoded TAB and line ends", 37, 2, {"description": "a%09b%0D%0Ac%0Dd%0Ae%E2%80%A8f"}),
    Trap("comma inside a tag", 41, 1, {"tags": "paris%2C+texas,road,smith%2C+j.%2C+1"}),
    Trap(
        "comma inside a machine tag",
        43,
        2,
        {"machine_tags": "geo%3Aplace%3Dhere%2C+there,a%3Ab%3D"},
    ),
    Trap("literal plus and per cent", 53, 1, {"title": "C%2B%2B+%2B+100%25+%252B"}),
    Trap("the word null", 67, 4, {"title": "null", "tags": "null", "nickname": "null"}),
    Trap("the word NA", 71, 4, {"title": "NA", "description": "NaN", "tags": "nan,true"}),
    Trap("null date", 83, 1, {"taken": "null"}),
    Trap("year 1864", 97, 16, {"taken": "1864-07-04 12:00:00.0"}),
    Trap("year 2023", 101, 16, {"taken": "2023-01-01 00:00:00.0"}),
    Trap("before 1970", 103, 2, {"taken": "1953-08-15 00:00:00.0"}),
    Trap("leap day", 107, 4, {"taken": "2004-02-29 23:59:59.0"}),
    Trap("camera's clock never set", 109, 1, {"taken": "1980-01-01 00:00:00.0"}),
    Trap("upload date 0", 113, 2, {"uploaded": "0"}),
    Trap("scientific notation", 127, 2, _geotag("-1.2E-5", "51.478", "16")),
    Trap("zero island", 131, 2, _geotag("0.0", "0.0", "1")),
    Trap("both in scientific notation", 137, 8, _geotag("9.0E-6", "-4.5E-4", "12")),
    Trap("antimeridian and pole", 139, 8, _geotag("-180.0", "-90.0", "1")),
    Trap("farthest east and north", 149, 8, _geotag("180.0", "89.999999", "3")),
    Trap("whole degrees", 151, 2, _geotag("-1.0", "-1.0", "16")),
    Trap("blanks at the ends", 163, 1, {"title": "+two+++blanks+", "description": "+"}),
    Trap("backslash", 167, 2, {"title": "%5CN", "description": "C%3A%5Ctemp%5C"}),
    Trap("quotes", 173, 1, {"title": "%22never+closed", "tags": "%22,o%27clock"}),
    Trap("comma and quote at once", 179, 2, {"title": "a%2C%22b%22%2Cc", "nickname": "x%2C%22y"}),
    Trap("formula", 181, 4, {"title": "%3D1%2B1", "description": "%40SUM%28A1%29"}),
    Trap("markup", 191, 4, {"title": form_encode(_HOSTILE_TITLE), "nickname": "%3Cimg+src%3Dx%3E"}),
    Trap(
        "right to left",
        193,
        2,
        {"title": form_encode("\u202eexe.jpg \u0645\u0631\u062d\u0628\u0627")},
    ),
    Trap("joined emoji", 197, 1, {"title": form_encode(_JOINED)}),
    Trap("byte order mark", 199, 8, {"title": "%EF%BB%BFtitle", "description": "%C2%A0"}),
    Trap("tilde and star", 211, 1, {"title": "%7E*%7E+a.b-c_d+*"}),
    Trap("equal secrets", 223, 1, {"secret": _TEN_HEX, "secret_original": _TEN_HEX}),
    Trap(
        "all text empty",
        227,
        1,
        {
            "device": "",
            "title": "",
            "description": "",
            "tags": "",
            "machine_tags": "",
        },
    ),
    Trap("server 0", 229, 8, {"server": "0"}),
    Trap("many tags", 233, 8, {"tags": ",".join(f"tag{n:03d}" for n in range(75))}),
    Trap("long device", 239, 8, {"device": form_encode("Invented & Sons, Ltd. " + "Mark II " * 8)}),
    Trap("very long line", 777, 24, {"description": "%E3%81%82%0A" * (LONGEST_DESCRIPTION // 12)}),
)


def iter_traps(chunk_index: int) -> Iterator[Trap]:
    """The traps of one chunk."""
    return (trap for trap in TRAPS if chunk_index % trap.every == 0)


def trapped_rows(chunk_index: int, column: str) -> list[int]:
    """Rows of a chunk where a trap replaces `column`."""
    return [trap.row for trap in iter_traps(chunk_index) if column in trap.fields]
