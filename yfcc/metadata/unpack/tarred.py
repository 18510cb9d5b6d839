"""The data inside a tar archive, as it streams by.

Headers are read here and not by ``tarfile``: as a stream that takes a damaged header, and an
archive cut between two members, for the end of the archive.

Format: POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from yfcc.errors import SourceDamaged
from yfcc.metadata.unpack.packing import check_text
from yfcc.metadata.unpack.pieces import PIECE_BYTES, Piece, damaged_at, truncated_at
from yfcc.metadata.unpack.tar_header import BLOCK_BYTES, is_tar_header, number_of

_REGULAR: Final = b"0\x007"  # type flags; 7 is "contiguous", read like 0
_LONG_NAMES: Final = b"LK"
_PAX: Final = b"xg"
_WITHOUT_CONTENT: Final = b"123456"  # links, devices, directories
#: Longest extended header: names and a few numbers.
_MAX_EXTENSION_BYTES: Final = 1 << 20
#: A member that is no longer and has no tab is a readme or a checksum: lines of data have tabs.
_TELLING_BYTES: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of an archive.

    Attributes
    ----------
    name : str
        Its last path component.
    n_bytes : int
    """

    name: str
    n_bytes: int

    @property
    def is_hidden(self) -> bool:
        """``._x`` and the like, which macOS adds."""
        return self.name.startswith(".")


def iter_tar(pieces: Iterable[Piece], name: str) -> Iterator[tuple[Member, Iterator[Piece]]]:
    """Regular files of an archive, in its order, with their content.

    Parameters
    ----------
    pieces : iterable of Piece
        The archive, unpacked.
    name : str
        For messages.

    Yields
    ------
    (Member, iterator of Piece)
        What is not read of a member is skipped.

    Raises
    ------
    SourceDamaged
        Cut, without its end, damaged, or of a kind whose content is spread.
    """
    reader = _Reader(name, iter(pieces))
    size_of_next: int | None = None
    long_name: bytes | None = None
    while (header := reader.header()) is not None:
        kind = header[156:157]
        n_bytes = reader.size(header)
        if kind in _LONG_NAMES:
            text = reader.extension(n_bytes)
            long_name = text.rstrip(b"\0") if kind == b"L" else long_name
        elif kind in _PAX:
            records = reader.pax_records(n_bytes)
            if kind == b"x":
                size_of_next = int(records[b"size"]) if b"size" in records else None
                long_name = records.get(b"path", long_name)
        else:
            n_bytes = n_bytes if size_of_next is None else size_of_next
            if kind in _REGULAR:
                path = long_name or header[:100].split(b"\0")[0]
                content = reader.content(n_bytes)
                yield Member(_last_part(path), n_bytes), content
                for _ in content:
                    pass
            elif kind not in _WITHOUT_CONTENT:
                raise reader.damaged(f"a member of kind {kind!r}, which yfcc cannot read")
            size_of_next = long_name = None
    reader.check_rest()


def iter_data(pieces: Iterable[Piece], name: str) -> Iterator[Piece]:
    """Lines of all data in an archive, member after member.

    Members that are hidden, or short and without a tab, are passed over. A member whose last line
    lacks its newline gets one, so that no two lines become one.

    Raises
    ------
    SourceDamaged
        As :func:`iter_tar`, or without any data.
    """
    seen: list[str] = []
    has_data = False
    for member, content in iter_tar(pieces, name):
        seen.append(member.name)
        if member.is_hidden:
            continue
        leading: list[Piece] = []
        is_data = member.n_bytes > _TELLING_BYTES
        for piece in content:
            leading.append(piece)
            is_data = is_data or b"\t" in piece.raw
            if is_data:
                break
        if not is_data:
            continue
        has_data = True
        check_text(leading[0].raw, f"{name}, {member.name}")
        last = leading[-1]
        yield from leading
        for last in content:
            yield last
        if not last.raw.endswith(b"\n"):
            yield Piece(b"\n", last.n_compressed)
    if not has_data:
        raise SourceDamaged(
            f"{name}: none of the archive's files holds lines with tabs; found "
            f"{', '.join(seen[:5]) or 'no files'}. Is it the file its name says?"
        )


@dataclass(slots=True)
class _Reader:
    """Takes headers and contents off a stream of pieces."""

    name: str
    pieces: Iterator[Piece]
    rest: bytes = b""
    n_compressed: int = 0
    n_raw: int = field(default=0)  # taken so far

    def header(self) -> bytes | None:
        """The next member's header; None at the end of the archive."""
        header = b"".join(piece.raw for piece in self._take(BLOCK_BYTES, "before the end mark"))
        if not any(header):
            return None
        if not is_tar_header(header):
            raise self.damaged("no header of the archive where one should be")
        return header

    def size(self, header: bytes) -> int:
        """Bytes of content."""
        try:
            n_bytes = number_of(header[124:136])
        except ValueError:
            n_bytes = -1
        if n_bytes < 0:
            raise self.damaged(f"a member's size is {header[124:136]!r}")
        return n_bytes

    def content(self, n_bytes: int) -> Iterator[Piece]:
        """A member's bytes; the padding behind them is taken too."""
        yield from self._take(n_bytes, "inside a member of the archive")
        for _ in self._take(-n_bytes % BLOCK_BYTES, "inside a member of the archive"):
            pass

    def extension(self, n_bytes: int) -> bytes:
        """Content of a header's extension."""
        if n_bytes > _MAX_EXTENSION_BYTES:
            raise self.damaged(f"an extended header of {n_bytes:,} bytes")
        return b"".join(piece.raw for piece in self.content(n_bytes))[:n_bytes]

    def pax_records(self, n_bytes: int) -> dict[bytes, bytes]:
        """``length key=value`` lines (POSIX, "pax Extended Header")."""
        text = self.extension(n_bytes)
        records = {}
        while text:
            digits, _, _ = text.partition(b" ")
            length = int(digits) if digits.isdigit() else 0
            key, equals, value = text[len(digits) + 1 : max(length - 1, 0)].partition(b"=")
            if not equals or text[length - 1 : length] != b"\n":
                raise self.damaged("an extended header that cannot be read")
            records[key] = value
            text = text[length:]
        if any(key.startswith(b"GNU.sparse") for key in records):
            raise self.damaged("a sparse file, which yfcc cannot read")
        if not records.get(b"size", b"0").isdigit():
            raise self.damaged("an extended header that cannot be read")
        return records

    def check_rest(self) -> None:
        """Behind the end mark there is only padding."""
        while self.rest or self._more():
            if self.rest.strip(b"\0"):
                raise self.damaged("bytes follow the archive's end mark")
            self.n_raw += len(self.rest)
            self.rest = b""

    def damaged(self, what: str) -> SourceDamaged:
        return damaged_at(self.name, self.n_compressed, self.n_raw, what)

    def _take(self, n_bytes: int, where: str) -> Iterator[Piece]:
        while n_bytes > 0:
            if not self.rest and not self._more():
                raise truncated_at(self.name, self.n_compressed, self.n_raw, where)
            taken = self.rest[: min(n_bytes, PIECE_BYTES)]
            self.rest = self.rest[len(taken) :]
            n_bytes -= len(taken)
            self.n_raw += len(taken)
            yield Piece(taken, self.n_compressed)

    def _more(self) -> bool:
        for piece in self.pieces:
            self.n_compressed = piece.n_compressed
            if piece.raw:
                self.rest = piece.raw
                return True
        return False


def _last_part(path: bytes) -> str:
    return path.rstrip(b"/").rsplit(b"/", 1)[-1].decode("utf-8", "replace")
