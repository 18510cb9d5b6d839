"""The bytes of an answer: counted, digested, and handed to a sink as they come."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from yfcc.media.answer import content_length
from yfcc.media.attempt import BrokenAnswerError, ErrorKind
from yfcc.media.client import Reply
from yfcc.media.headers import Headers
from yfcc.media.sink import Sink
from yfcc.media.sniff import N_SNIFF_BYTES, sniff

_CHUNK_BYTES: Final = 2**18

#: gzip or zlib, told apart by the header (zlib's manual, inflateInit2).
_ANY_WRAPPER: Final = 32 + zlib.MAX_WBITS
_DECODED: Final = frozenset(("gzip", "x-gzip", "deflate"))

#: The ETag of an object put in one part and not encrypted with a key service is the MD5 of its
#: bytes (Amazon S3, "Common Response Headers").
_MD5_ETAG: Final = re.compile(r'"?([0-9a-f]{32})"?')


@dataclass(frozen=True, slots=True)
class Body:
    """What an answer's body turned out to be.

    Attributes
    ----------
    n_bytes : int
        In the sink, after decoding.
    sha256, md5 : str
        Of the bytes in the sink.
    has_length : bool
        Whether the server said how long the body is, so that its end is known.
    is_decoded : bool
        Whether the bytes in the sink are others than those on the wire.
    """

    n_bytes: int
    sha256: str
    md5: str
    has_length: bool
    is_decoded: bool


class TooLarge(Exception):  # noqa: N818 - no error: the item's fate
    """The body has more bytes than a stored item may have."""


class NoMedia(Exception):  # noqa: N818
    """The body begins as no media do; its first bytes are in the sink."""


def md5_named_by(headers: Headers) -> str | None:
    """The MD5 that S3 names for an object; None if its ETag is something else."""
    etag = headers.first("etag")
    match = _MD5_ETAG.fullmatch(etag) if etag else None
    if match is None or headers.first("x-amz-server-side-encryption") not in {None, "AES256"}:
        return None
    return match[1]


def is_encoded(headers: Headers) -> bool:
    """Whether a body is encoded although identity was asked for, in a way that can be undone.

    Raises
    ------
    BrokenAnswerError
        It is encoded in another way.
    """
    coding = ", ".join(headers.all("content-encoding")).lower()
    if coding in {"", "identity"}:
        return False
    if coding not in _DECODED:
        raise BrokenAnswerError(
            ErrorKind.ENCODING, f"Content-Encoding: {coding[:100]}, identity was asked for"
        )
    return True


def receive_body(reply: Reply, sink: Sink, max_bytes: int, *, takes_junk: bool) -> Body:
    """Read an answer's body to its end into a sink that is empty.

    Parameters
    ----------
    reply : Reply
    sink : Sink
    max_bytes : int
    takes_junk : bool
        Whether it is read on although its beginning is that of no media.

    Raises
    ------
    BrokenAnswerError
        It broke off, or has another length or coding than its headers say.
    TooLarge
        It has more than ``max_bytes`` bytes, on the wire or decoded.
    NoMedia
        Its beginning is that of no media; the rest is not read, unless junk is taken.
    """
    length = content_length(reply.headers)
    if length is not None and length > max_bytes:
        raise TooLarge(f"Content-Length {length}, at most {max_bytes} bytes are stored")
    is_decoded = is_encoded(reply.headers)
    pieces: Iterator[bytes | bytearray] = _iter_wire(reply, length, max_bytes)
    if is_decoded:
        pieces = iter_decoded(pieces)
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    n_bytes, head, is_sniffed = 0, b"", takes_junk
    for piece in pieces:
        n_bytes += len(piece)
        if n_bytes > max_bytes:
            raise TooLarge(f"more than {max_bytes} bytes")
        sha256.update(piece)
        md5.update(piece)
        sink.write(piece)
        if not is_sniffed:
            head += piece[:N_SNIFF_BYTES]
            is_sniffed = len(head) >= N_SNIFF_BYTES
            if is_sniffed and sniff(memoryview(head)) is None:
                raise NoMedia
    return Body(n_bytes, sha256.hexdigest(), md5.hexdigest(), length is not None, is_decoded)


def _iter_wire(reply: Reply, length: int | None, max_bytes: int) -> Iterator[bytes | bytearray]:
    n_bytes = 0
    while n_bytes <= max_bytes:
        chunk = reply.read(_CHUNK_BYTES)
        if not chunk:
            break
        n_bytes += len(chunk)
        yield chunk
        if n_bytes == length:
            return
    if n_bytes > max_bytes:
        raise TooLarge(f"more than {max_bytes} bytes")
    if length not in {None, n_bytes}:
        raise BrokenAnswerError(ErrorKind.CUT, f"{n_bytes} bytes of {length} came")


def iter_decoded(chunks: Iterable[bytes | bytearray]) -> Iterator[bytes]:
    """Undo gzip or zlib in pieces of bounded size: a kilobyte may hold a gigabyte of zeros.

    What follows the end of the encoded body is passed over.

    Raises
    ------
    BrokenAnswerError
        It is something else, or ends too early.
    """
    inflate = zlib.decompressobj(_ANY_WRAPPER)
    try:
        for chunk in chunks:
            waiting = b"" if inflate.eof else bytes(chunk)  # zlib would keep all of it
            while waiting:
                yield inflate.decompress(waiting, _CHUNK_BYTES)
                waiting = inflate.unconsumed_tail
    except zlib.error as error:
        raise BrokenAnswerError(ErrorKind.DAMAGED, f"Content-Encoding: {error}") from error
    if not inflate.eof:
        raise BrokenAnswerError(ErrorKind.CUT, "the encoded body ends too early")
