"""An answer as it comes from the socket: watched, and its headers read strictly.

The reading of bodies, chunked or not, is ``http.client``'s. Its reading of headers is not used:
its parser, made for mail, takes an unreadable line for the end of the headers, so that an opt-out
behind it would be overlooked, and takes a third of the time of a whole request. Nor is that of
the lengths of chunks: it takes what Python takes for a number, also ``-1``.
"""

from __future__ import annotations

import http.client
import io
import re
import socket
import ssl
from typing import Final

from yfcc.media.attempt import BrokenAnswerError, ErrorKind
from yfcc.media.headers import Headers
from yfcc.media.watch import Watch

#: Enough for all headers and, mostly, the whole of a small answer in one read.
_BUFFER_BYTES: Final = 2**15


_MAX_LINE_BYTES: Final = 2**16
_MAX_HEADERS: Final = 100
_INTERIM: Final = range(100, 200)  # RFC 9110, 15.2
#: More of them before one answer, and more lines behind its last chunk, are an attack.
_MAX_INTERIM: Final = 20
_MAX_TRAILERS: Final = _MAX_HEADERS

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\n]*)?\r?\n")
_NAME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Headers of which every line is a field: nearly all.
_PLAIN_FIELDS: Final = re.compile(rf"(?:{_NAME.pattern.decode()}[ \t]*:[^\r\n]*\r*\n)+")
_PLAIN_FIELD: Final = re.compile(r"([^ \t:]+)[ \t]*:([^\n]*)\n")
_END_OF_FIELDS: Final = b"\r\n\r\n"
#: The length of a chunk, blanks that some servers fill it up with, and extensions (RFC 9112, 7.1).
_CHUNK: Final = re.compile(rb"(0*[0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


class _WatchedIO(io.RawIOBase):
    """The read side of a socket, with a watch on it."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, watch: Watch) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw  # keeps the socket open until the answer is read
        self._watch = watch
        self.is_over = False  # then nothing more is asked of the socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self.receive(buffer, 0)

    def receive(self, buffer: memoryview, flags: int) -> int:
        """Number of bytes that came, 0 at the end."""
        while not self.is_over:
            try:
                n_bytes = self._sock.recv_into(buffer, 0, flags)
            except (TimeoutError, BlockingIOError):
                self._watch.note_silence()
                continue
            self._watch.note_bytes(n_bytes)
            return n_bytes
        return 0

    def close(self) -> None:
        self._raw.close()
        super().close()


class Answer(http.client.HTTPResponse):
    """An answer read through a watch.

    Attributes
    ----------
    fields : Headers
        All header fields; those of the mail parser are not filled.
    """

    def __init__(self, sock: socket.socket, *, watch: Watch, method: str | None = None) -> None:
        super().__init__(sock, method=method)
        self._wire = _WatchedIO(sock, self.fp.detach(), watch)
        self._flags = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        self.fp = io.BufferedReader(self._wire, _BUFFER_BYTES)
        self.fields = Headers(())

    def begin(self, **_: object) -> None:
        """Read status and headers; called once, by ``http.client``.

        Raises
        ------
        http.client.RemoteDisconnected
            Not one byte came.
        BrokenAnswerError
            What came is not what RFC 9112 describes.
        """
        for _n_before in range(_MAX_INTERIM + 1):
            minor, status = _read_status(self.fp)
            self.fields = Headers(_read_fields(self.fp))
            if status not in _INTERIM:
                break
        else:
            message = f"more than {_MAX_INTERIM} interim answers"
            raise BrokenAnswerError(ErrorKind.PROTOCOL, message)
        self.code = self.status = status
        self.version = 10 + minor
        coding = ", ".join(self.fields.all("transfer-encoding")).lower()
        self.chunked = coding == "chunked"
        self.chunk_left = None
        self.length = self._length_of_body()
        options = ", ".join(self.fields.all("connection")).lower()
        self.will_close = "close" in options or (minor == 0 and "keep-alive" not in options)
        if self.length is None and not self.chunked:
            self.will_close = True

    def read(self, amt: int | None = None) -> bytes | bytearray:  # type: ignore[override]
        """The next bytes of the body; fewer than asked for at its end, and where it breaks off.

        A body of known length is read with as few calls as the system allows: each one lets
        another thread go first, and costs more than the bytes do.
        """
        if self.chunked or not self.length or amt is None or self.fp is None:
            return super().read(amt)
        found = bytearray(min(amt, self.length))
        with memoryview(found) as view:
            n_read = n_more = self.fp.readinto1(view)
            while n_more and n_read < len(found):
                n_more = self._wire.receive(view[n_read:], self._flags)
                n_read += n_more
        del found[n_read:]
        self.length -= n_read
        if not (found and self.length):
            self._close_conn()
        return found

    def _close_conn(self) -> None:
        """Done with the body, says ``http.client``; bytes behind it end the connection too.

        Whoever sends more than was asked for would have it taken for the next item's answer.
        """
        self._wire.is_over = True
        if self.fp.peek():
            self.will_close = True
        super()._close_conn()  # type: ignore[misc]

    def _get_chunk_left(self) -> int | None:
        """Bytes left of this chunk, of the next one if it is over; None behind the last."""
        if not self.chunk_left:
            if self.chunk_left is not None:
                self._read_end_of_chunk()
            self.chunk_left = self._read_next_chunk_size()
            if self.chunk_left == 0:
                self._read_and_discard_trailer()
                self._close_conn()
                self.chunk_left = None
        return self.chunk_left

    def _read_end_of_chunk(self) -> None:
        end = self.fp.read(2)
        if len(end) < 2:
            raise http.client.IncompleteRead(b"")
        if end != b"\r\n":
            raise BrokenAnswerError(ErrorKind.PROTOCOL, f"{end!r} in place of the end of a chunk")

    def _read_next_chunk_size(self) -> int:
        line = self.fp.readline(_MAX_LINE_BYTES + 1)
        if len(line) > _MAX_LINE_BYTES:
            raise http.client.LineTooLong("chunk size")
        if not line.endswith(b"\n"):
            raise http.client.IncompleteRead(b"")
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise BrokenAnswerError(ErrorKind.PROTOCOL, f"{line[:60]!r} is no length of a chunk")
        return int(match[1], 16)

    def _read_and_discard_trailer(self) -> None:
        """Read the lines behind the last chunk, as ``http.client`` does, but not without end."""
        for _ in range(_MAX_TRAILERS + 1):
            line = self.fp.readline(_MAX_LINE_BYTES + 1)
            if len(line) > _MAX_LINE_BYTES:
                raise http.client.LineTooLong("trailer line")
            if line in {b"\r\n", b"\n", b""}:
                return
        message = f"more than {_MAX_TRAILERS} trailers"
        raise BrokenAnswerError(ErrorKind.PROTOCOL, message)

    def _length_of_body(self) -> int | None:
        """RFC 9112, 6.3; a length that makes no sense is said once the body is wanted."""
        if self.status in {204, 304}:
            return 0
        try:
            return content_length(self.fields)
        except BrokenAnswerError:
            return None


def content_length(headers: Headers) -> int | None:
    """The length of the body that the server names; None if it names none.

    Raises
    ------
    BrokenAnswerError
        It names one that cannot be, or two (RFC 9112, 6.3).
    """
    if "transfer-encoding" in headers:
        coding = ", ".join(headers.all("transfer-encoding")).lower()
        if coding != "chunked":
            raise BrokenAnswerError(ErrorKind.PROTOCOL, f"Transfer-Encoding: {coding[:100]}")
        return None
    values = headers.all("content-length")
    if not values:
        return None
    lengths = {part.strip() for value in values for part in value.split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit() and len(length) < 19):
        raise BrokenAnswerError(ErrorKind.LENGTH, f"Content-Length: {', '.join(values)[:200]}")
    return int(length)


def _read_status(stream: io.BufferedIOBase) -> tuple[int, int]:
    line = stream.readline(_MAX_LINE_BYTES + 1)
    if not line:
        raise http.client.RemoteDisconnected("no answer")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BrokenAnswerError(ErrorKind.PROTOCOL, f"{line[:60]!r} is no status line of HTTP/1")
    return int(match[1]), int(match[2])


def _read_fields(stream: io.BufferedReader) -> list[tuple[str, str]]:
    """Names and values, in order; obsolete folding is joined (RFC 9112, 5.2)."""
    begun = stream.peek()
    end = begun.find(_END_OF_FIELDS)
    head = begun[: end + 2].decode("latin-1") if end >= 0 else ""
    if _PLAIN_FIELDS.fullmatch(head) and head.count("\n") <= _MAX_HEADERS:
        stream.read(len(head) + 2)
        return _PLAIN_FIELD.findall(head)
    return _read_line_by_line(stream)


def _read_line_by_line(stream: io.BufferedReader) -> list[tuple[str, str]]:
    """As :func:`_read_fields`, for what has something odd, and says what."""
    fields: list[tuple[str, str]] = []
    while len(fields) <= _MAX_HEADERS:
        line = stream.readline(_MAX_LINE_BYTES + 1)
        if line in {b"\r\n", b"\n"}:
            return fields
        if not line.endswith(b"\n"):
            what = "a line without end" if len(line) > _MAX_LINE_BYTES else "no end of headers"
            raise BrokenAnswerError(ErrorKind.HEADERS, what)
        # Some take it for the end of a line, and what follows for a header of its own.
        if b"\r" in line.rstrip(b"\r\n"):
            raise BrokenAnswerError(ErrorKind.HEADERS, f"{line[:60]!r} has a CR within")
        if line[0] in b" \t" and fields:
            name, value = fields[-1]
            fields[-1] = name, f"{value} {line.decode('latin-1').strip()}"
            continue
        left, colon, right = line.partition(b":")
        if not colon or _NAME.fullmatch(left.rstrip(b" \t")) is None:
            raise BrokenAnswerError(ErrorKind.HEADERS, f"{line[:60]!r} is no header")
        fields.append((left.rstrip(b" \t").decode("ascii"), right.decode("latin-1")))
    raise BrokenAnswerError(ErrorKind.HEADERS, f"more than {_MAX_HEADERS} headers")
