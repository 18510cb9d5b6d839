"""Lines of the metadata files, made up; no row of the true dataset is here."""

from __future__ import annotations

import bz2
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from yfcc.metadata.bzip2 import BlockPosition
from yfcc.metadata.layouts import COLUMNS_V1, COLUMNS_V2
from yfcc.metadata.lines import LineChunk


def hash_of(url: str) -> str:
    """MD5 of the download URL, each byte printed without its leading zero."""
    digest = hashlib.md5(url.encode(), usedforsecurity=False).digest()
    return "".join(f"{byte:x}" for byte in digest)


def fields(photo_id: int | str, line_number: int = 0, /, **changes: str) -> dict[str, str]:
    """Every field of a photo as it stands in the 25-column file; ``changes`` replace some."""
    url = f"http://farm1.staticflickr.com/2/{photo_id}_0123456789.jpg"
    row = {
        "line_number": str(line_number),
        "photo_id": str(photo_id),
        "photo_hash": hash_of(url),
        "user_nsid": "10000001@N00",
        "user_nickname": "ada+example",
        "date_taken": "2011-03-04 05:06:07.0",
        "date_uploaded": "1300000000",
        "capture_device": "Example+Camera",
        "title": "A+title+%26+more",
        "description": "Two%0Alines",
        "user_tags": "one+tag,b%2Cc",
        "machine_tags": "ns%3Apred%3Dvalue",
        "longitude": "8.5",
        "latitude": "-47.25",
        "accuracy": "16",
        "page_url": f"http://www.flickr.com/photos/10000001@N00/{photo_id}/",
        "download_url": url,
        "license_name": "Attribution-NonCommercial License",
        "license_url": "http://creativecommons.org/licenses/by-nc/2.0/",
        "server_id": "2",
        "farm_id": "1",
        "secret": "0123456789",
        "secret_original": "abcdef0123",
        "extension": "jpg",
        "marker": "0",
    }
    assert changes.keys() <= row.keys()
    return row | changes


def line_v2(photo_id: int | str, line_number: int = 0, /, **changes: str) -> bytes:
    """A line of 25 columns, without its newline."""
    row = fields(photo_id, line_number, **changes)
    return "\t".join(row[name] for name in COLUMNS_V2).encode()


def line_v1(photo_id: int | str, /, **changes: str) -> bytes:
    """A line of 23 columns, without its newline."""
    row = fields(photo_id, **changes)
    return "\t".join(row[name] for name in COLUMNS_V1).encode()


def lines_v2(photo_ids: Iterable[int]) -> list[bytes]:
    """Plain lines of 25 columns, numbered from 0."""
    return [line_v2(photo_id, number) for number, photo_id in enumerate(photo_ids)]


def pack_line(photo_id: int, value: str) -> bytes:
    """A line of a pack, without its newline."""
    return f"{photo_id}\t{value}".encode()


def autotags(photo_ids: Iterable[int]) -> list[bytes]:
    """Lines of autotags that tell the id in a score."""
    return [pack_line(i, f"cat:0.5,the {i}:0.7500") for i in photo_ids]


def exif(photo_ids: Iterable[int]) -> list[bytes]:
    """Lines of exif that tell the id in a value."""
    return [pack_line(i, f"Exif+IFD0.Model:Number+{i}") for i in photo_ids]


def places(photo_ids: Iterable[int]) -> list[bytes]:
    """Lines of places that tell the id in the WOEID."""
    return [pack_line(i, f"{i}:Bern%2C+Town:Town,23424957:Switzerland:Country") for i in photo_ids]


def joined(lines: Iterable[bytes]) -> bytes:
    """Lines as the bytes of a file."""
    return b"".join(line + b"\n" for line in lines)


def one_chunk(data: bytes, *, first_line: int = 0, raw_offset: int = 0) -> LineChunk:
    """All of ``data``, whole lines, as one chunk."""
    n_lines = data.count(b"\n")
    return LineChunk("made-up", data, n_lines, first_line, raw_offset, BlockPosition(32))


def write_files(directory: Path, files: Mapping[str, Iterable[bytes] | bytes]) -> Path:
    """Compress files into a directory; bytes are written as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        content = lines if isinstance(lines, bytes) else bz2.compress(joined(lines), 1)
        (directory / name).write_bytes(content)
    return directory


def edition_v2(
    dataset: Iterable[bytes],
    *,
    autotags: Iterable[bytes] | None = None,
    exif: Iterable[bytes] | None = None,
    places: Iterable[bytes] | None = None,
    hash: Iterable[bytes] | None = None,  # noqa: A002 - the pack's name
) -> dict[str, Iterable[bytes]]:
    """Files of the edition of 2016 by name; packs that are not given are not there."""
    packs = {"autotags": autotags, "exif": exif, "places": places, "hash": hash}
    files = {"yfcc100m_dataset.bz2": dataset}
    return files | {f"yfcc100m_{n}.bz2": lines for n, lines in packs.items() if lines is not None}
