"""How a file is packed, told by its first bytes; names only lend a hand."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from yfcc.errors import SourceDamaged
from yfcc.metadata.unpack.tar_header import is_tar_header


class Packing(StrEnum):
    """What the bytes of a file are."""

    BZIP2 = "bzip2"
    GZIP = "gzip"
    ZSTD = "zstd"
    SQLITE = "SQLite"
    PLAIN = "plain text"


#: So many first bytes tell the packing; a header of tar is as long.
HEAD_BYTES: Final = 512

_MAGIC: Final = {
    b"BZh": Packing.BZIP2,
    b"\x1f\x8b": Packing.GZIP,
    b"\x28\xb5\x2f\xfd": Packing.ZSTD,
    b"SQLite format 3\0": Packing.SQLITE,
}
#: Frames that hold no data; pzstd begins its files with one (RFC 8878, 3.1.2).
_SKIPPABLE_ZSTD: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18", re.DOTALL)
_PAGE: Final = re.compile(rb"\s*<(!doctype|html|head|body|\?xml|error)\b", re.IGNORECASE)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
#: What the end of a name promises. Such a file without a magic number is damaged at its first
#: bytes, or is not what it is called: taken for plain text it would be noise.
_PROMISES: Final = {
    ".bz2": Packing.BZIP2,
    ".gz": Packing.GZIP,
    ".tgz": Packing.GZIP,
    ".zst": Packing.ZSTD,
    ".sql": Packing.SQLITE,
    ".sqlite": Packing.SQLITE,
    ".sqlite3": Packing.SQLITE,
    ".db": Packing.SQLITE,
}


def tell_packing(head: bytes, name: str, url: str) -> Packing:
    """The packing of a file.

    Parameters
    ----------
    head : bytes
        Its first 512 bytes, or all there are.
    name : str
        Of the file; ``.bz2`` with gzip inside is gzip.
    url : str
        For messages.

    Raises
    ------
    SourceDamaged
        Empty, a web page, or without the packing that its name promises.
    """
    promised = next((each for end, each in _PROMISES.items() if name.endswith(end)), None)
    expected = promised or "data"
    if not head:
        raise SourceDamaged(
            f"{url}: the file is empty (0 bytes); expected {expected}. Fetch the file again."
        )
    for magic, packing in _MAGIC.items():
        if head.startswith(magic):
            return packing
    if _SKIPPABLE_ZSTD.match(head):
        return Packing.ZSTD
    if is_page(head):
        raise SourceDamaged(
            f"{url}: not {expected} but a web page or an error message ({head[:40]!r}…). "
            "Whatever fetched the file stored the server's answer instead of it; fetch it again."
        )
    if promised:
        raise SourceDamaged(
            f"{url}: not {promised} at compressed offset 0, as its name promises, and of no other "
            f"known packing: it begins with {head[:16]!r}. The copy is damaged or is another kind "
            "of file; fetch it again."
        )
    return Packing.PLAIN


def is_page(head: bytes) -> bool:
    """Whether bytes begin like HTML, or like the XML with which S3 says no."""
    return _PAGE.match(head.removeprefix(_BYTE_ORDER_MARK)) is not None


def check_text(head: bytes, url: str) -> None:
    """Refuse what is no text though it was unpacked.

    Parameters
    ----------
    head : bytes
        First bytes of the unpacked data.
    url : str
        For messages.

    Raises
    ------
    SourceDamaged
        A web page, or something packed twice.
    """
    if is_page(head):
        raise SourceDamaged(
            f"{url}: holds a web page or an error message ({head[:40]!r}…) instead of data. "
            "Fetch the file again."
        )
    inner = next((each for magic, each in _MAGIC.items() if head.startswith(magic)), None)
    if inner or is_tar_header(head):
        raise SourceDamaged(
            f"{url}: holds {inner or 'an archive'} inside, packed twice. Unpack it once."
        )
