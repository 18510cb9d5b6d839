"""Small films made for tests, of every container that has one: whole, and with nothing to see."""

from __future__ import annotations

import struct

from tests.fakes.pictures import avi, film
from yfcc.media import asf

WIDTH, HEIGHT = 320, 240


def flv_tag(kind: int, content: bytes, back: int | None = None) -> bytes:
    """A tag, and how long it was."""
    length = len(content).to_bytes(3, "big")
    back = 11 + len(content) if back is None else back
    return bytes([kind]) + length + bytes(7) + content + struct.pack(">I", back)


def flv_pieces() -> list[bytes]:
    """A header, what is known of the film, and tags of video and audio in turn."""
    numbers = (("duration", 4.5), ("width", WIDTH), ("height", HEIGHT))
    known = b"\x02\x00\x0aonMetaData\x08" + struct.pack(">I", len(numbers))
    for name, number in numbers:
        known += struct.pack(">H", len(name)) + name.encode() + b"\x00" + struct.pack(">d", number)
    head = b"FLV\x01\x05" + struct.pack(">II", 9, 0) + flv_tag(18, known + b"\x00\x00\x09")
    tags = [flv_tag(9 - n % 2, bytes([n + 1]) * (30 + n)) for n in range(3)]
    return [head + tags[0], *tags[1:]]


def element(kind: int, content: bytes, *, has_length: bool = True) -> bytes:
    """An element of Matroska, its length in eight bytes."""
    length = struct.pack(">Q", 1 << 56 | len(content)) if has_length else b"\xff"
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + length + content


def _tracks() -> bytes:
    video = element(0xB0, struct.pack(">H", WIDTH)) + element(0xBA, struct.pack(">H", HEIGHT))
    film_track = element(0xAE, element(0xD7, b"\1") + element(0xE0, video))
    sound_track = element(0xAE, element(0xE1, element(0x9F, b"\x02")))
    return element(0x1549A966, bytes(5)) + element(0x1654AE6B, sound_track + film_track)


_BLOCKS = (element(0xE7, b"\x00"), element(0xA3, b"a block" * 9), element(0xEC, bytes(7)))


def matroska(kind: bytes = b"matroska") -> bytes:
    """A header and a segment with tracks, two clusters, and space between them."""
    cluster = element(0x1F43B675, b"".join(_BLOCKS))
    content = _tracks() + cluster + element(0xEC, bytes(20)) + cluster
    return element(0x1A45DFA3, element(0x4282, kind)) + element(0x18538067, content)


def sent_matroska_pieces() -> list[bytes]:
    """The same as it was sent: segment and clusters have no length."""
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    head += element(0x18538067, b"", has_length=False) + _tracks()
    cluster = element(0x1F43B675, b"", has_length=False)
    return [head + cluster, *_BLOCKS, element(0xEC, bytes(20)), cluster, *_BLOCKS]


def wmv(*, has_lengths: bool = True, packet_bytes: int = 200) -> bytes:
    """A header, packets and an index; as it was sent if it has no lengths."""
    return b"".join(wmv_pieces(has_lengths=has_lengths, packet_bytes=packet_bytes))


def wmv_pieces(*, has_lengths: bool = False, packet_bytes: int = 200) -> list[bytes]:
    """What :func:`wmv` is made of."""
    stream = struct.pack(
        "<16s16sQIIHIII", asf.VIDEO, bytes(16), 0, 51, 0, 1, 0, WIDTH, HEIGHT
    ) + bytes(43)
    packets = [b"\x82\x00\x00" + bytes([n]) * (packet_bytes - 3) for n in range(1, 4)]
    data_length = 50 + 3 * packet_bytes if has_lengths else 50
    data = asf.DATA + struct.pack("<Q", data_length) + bytes(26)
    index = min(asf.INDEXES) + struct.pack("<Q", 24 + 40) + bytes(40)
    header, n_bytes = b"", 0
    for _ in range(2):  # the header says how long the file is with the header
        numbers = (n_bytes, *(0,) * 5, 0 if has_lengths else 1, packet_bytes, packet_bytes)
        objects = b"".join(
            kind + struct.pack("<Q", 24 + len(content)) + content
            for kind, content in (
                (asf.FILE, bytes(16) + struct.pack("<QQQQQQIII", *numbers) + bytes(4)),
                (asf.STREAM, stream),
            )
        )
        header = asf.HEADER + struct.pack("<QI", 30 + len(objects), 2) + b"\1\2" + objects
        n_bytes = sum(map(len, (header, data, *packets, index))) if has_lengths else 0
    return [header + data + packets[0], *packets[1:], index]


_SEQUENCE = b"\x00\x00\x01\xb3" + (WIDTH << 12 | HEIGHT).to_bytes(3, "big") + bytes(5)


def mpeg_packet(stream: int, content: bytes) -> bytes:
    """A packet of a program stream."""
    return b"\x00\x00\x01" + bytes([stream]) + struct.pack(">H", len(content)) + content


def mpeg_pieces(version: int = 2, *, has_end: bool = True) -> list[bytes]:
    """Two packs, each with a packet of video and one of audio, and zeros between them."""
    pack = b"\x00\x00\x01\xba"
    pack += b"!" + bytes(7) if version == 1 else b"D" + bytes(8) + b"\xfa\xff\xff"
    packets = [mpeg_packet(0xE0, _SEQUENCE + b"film" * 20), mpeg_packet(0xC0, b"sound" * 9)]
    first = pack + mpeg_packet(0xBB, bytes(6)) + packets[0]
    end = [b"\x00\x00\x01\xb9"] if has_end else []
    return [first, packets[1], bytes(90) + pack, *packets, *end]


def transport_pieces(*, is_timed: bool = False) -> list[bytes]:
    """Packets of a transport stream: four make it one."""
    time = b"\x12\x34\x56\x78" if is_timed else b""
    packets = [time + b"\x47" + bytes([n]) * 187 for n in range(1, 8)]
    return [b"".join(packets[:4]), *packets[4:]]


def ogg_page(content: bytes, flags: int = 0, stream: int = 7) -> bytes:
    """A page with a checksum, worked out bit by bit."""
    lacing = [255] * (len(content) // 255) + [len(content) % 255]
    head = b"OggS\x00" + struct.pack("<BQII", flags, 0, stream, 0)
    tail = bytes([len(lacing), *lacing]) + content
    register = 0
    for byte in head + bytes(4) + tail:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register >> 31 else 0)) & 0xFFFFFFFF
    return head + struct.pack("<I", register) + tail


def ogv(*, has_film: bool = True) -> bytes:
    """A stream of pictures and one of sound, each with its beginning and end."""
    theora = b"\x80theora\x03\x02\x01" + bytes(4)
    theora += WIDTH.to_bytes(3, "big") + HEIGHT.to_bytes(3, "big") + bytes(20)
    begin, end = 2, 4
    film_pages = [ogg_page(theora, begin, 1), ogg_page(b"film" * 90, 0, 1), ogg_page(b"", end, 1)]
    sound_pages = [ogg_page(b"\x01vorbis" + bytes(23), begin, 2), ogg_page(b"sound" * 9, end, 2)]
    if not has_film:
        return b"".join(sound_pages)
    return film_pages[0] + sound_pages[0] + film_pages[1] + sound_pages[1] + film_pages[2]


#: Films whose container says where it ends, by extension: no part of one passes for a whole.
CLOSED = {
    "mp4": film(),
    "mov": film(b"qt  "),
    "m4v": film(b"M4V "),
    "3gp": film(b"3gp4"),
    "3g2": film(b"3g2a"),
    "avi": avi((WIDTH, HEIGHT)),
    "mkv": matroska(),
    "webm": matroska(b"webm"),
    "wmv": wmv(),
    "ogv": ogv(),
}

#: Films that may end wherever one of their pieces does, by what they are.
OPEN_PIECES = {
    "flv": flv_pieces(),
    "mkv, sent": sent_matroska_pieces(),
    "wmv, sent": wmv_pieces(),
    "mpg": mpeg_pieces(),
    "mpg, version 1": mpeg_pieces(1, has_end=False),
    "mts": transport_pieces(),
    "m2ts": transport_pieces(is_timed=True),
}
OPEN = {name: b"".join(pieces) for name, pieces in OPEN_PIECES.items()}
