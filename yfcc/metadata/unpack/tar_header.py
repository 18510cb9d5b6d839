"""The 512 bytes before each member of a tar archive."""

from __future__ import annotations

from typing import Final

BLOCK_BYTES: Final = 512


def is_tar_header(head: bytes) -> bool:
    """Whether bytes begin with a header of tar: its checksum fits (old ones lack ``ustar``)."""
    if len(head) < BLOCK_BYTES or not head[0]:
        return False
    try:
        return number_of(head[148:156]) == sum(head[:148]) + 8 * 32 + sum(head[156:BLOCK_BYTES])
    except ValueError:
        return False


def number_of(text: bytes) -> int:
    """Octal digits, or from 8 GiB on GNU's base 256.

    Raises
    ------
    ValueError
        Neither.
    """
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    digits = text.strip(b" \0")
    if not digits.isdigit():
        raise ValueError(text)
    return int(digits, 8)
