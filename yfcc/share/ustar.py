"""Members of a tar archive in POSIX's oldest common form, USTAR: same content, same bytes.

Owner, permissions and time are the same in every archive, on any machine and day; the form is that
of IEEE Std 1003.1-1988, which every reader of tar knows.
"""

from __future__ import annotations

import struct
from typing import Final

BLOCK_BYTES: Final = 512
#: Two blocks of zeros end an archive.
END: Final = bytes(2 * BLOCK_BYTES)
#: Eleven octal digits.
MAX_MEMBER_BYTES: Final = 8**11 - 1
_MAX_NAME_BYTES: Final = 100

#: Name, mode, owner, group, size, time, checksum, type, link, magic, version, the names of owner
#: and group, device numbers, prefix.
_HEADER: Final = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 6s 2s 32s 32s 8s 8s 155s 12x")
_ZERO: Final = b"0000000\0"


def build_header(name: str, n_bytes: int) -> bytes:
    """The block before a member's content.

    Parameters
    ----------
    name : str
        At most 100 bytes.
    n_bytes : int
        At most 8 GiB less one.

    Raises
    ------
    ValueError
        The form has no room for it.
    """
    encoded = name.encode()
    if not 0 < len(encoded) <= _MAX_NAME_BYTES or not 0 <= n_bytes <= MAX_MEMBER_BYTES:
        raise ValueError(f"{name}, {n_bytes:,} bytes: more than a tar archive of this form holds")
    fields = [encoded, b"0000644\0", _ZERO, _ZERO, b"%011o\0" % n_bytes, b"%011o\0" % 0, b" " * 8]
    rest = [b"0", b"", b"ustar\0", b"00", b"", b"", b"", b"", b""]
    blank = _HEADER.pack(*fields, *rest)
    # The sum counts its own field as blanks.
    fields[6] = b"%06o\0 " % sum(blank)
    return _HEADER.pack(*fields, *rest)


def build_padding(n_bytes: int) -> bytes:
    """What fills up the last block of a content."""
    return bytes(-n_bytes % BLOCK_BYTES)


def measure_member(n_bytes: int) -> int:
    """Bytes that a member takes, header and padding included.

    Examples
    --------
    >>> measure_member(513)
    1536
    """
    return BLOCK_BYTES + n_bytes + -n_bytes % BLOCK_BYTES
