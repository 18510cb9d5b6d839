"""zstd, all frames of a file (RFC 8878), in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa

from yfcc.errors import SourceDamaged
from yfcc.metadata.unpack.pieces import PIECE_BYTES, Piece, damaged_at, truncated_at

#: Arrow's words for a file that ends inside a frame.
_TRUNCATED: Final = "Truncated"
_WIDE_WINDOW: Final = "too much memory"


def iter_zstd(chunks: Iterable[bytes], name: str) -> Iterator[Piece]:
    """Decompress a zstd file.

    Arrow reads frame after frame, skippable ones too, and notices an end inside a frame and
    anything behind the last that is no frame. A window of more than 128 MiB (``--long=28`` and
    up) is refused: memory stays bounded. A flipped bit is noticed where frames carry checksums;
    the command-line tool writes them, some libraries do not.

    Parameters
    ----------
    chunks : iterable of bytes
        The file from its first byte.
    name : str
        For messages.

    Raises
    ------
    SourceDamaged
        Truncated, damaged, of too wide a window, or followed by anything that is not zstd.
    """
    file = _ChunksAsFile(chunks)
    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")
    n_raw = 0
    while True:
        try:
            raw = stream.read(PIECE_BYTES)
        except OSError as error:
            # Errors of the source are no OSError: they come through Arrow as they are.
            if _TRUNCATED in str(error):
                raise truncated_at(name, file.n_read, n_raw, "inside zstd data") from error
            if _WIDE_WINDOW in str(error):
                raise SourceDamaged(
                    f"{name}: compressed with a window of more than 128 MiB, which yfcc does not "
                    "hold in memory. Decompress the file, or compress it again without --long."
                ) from error
            raise damaged_at(name, file.n_read, n_raw, str(error)) from error
        if not raw:
            return
        n_raw += len(raw)
        yield Piece(raw, file.n_read)


class _ChunksAsFile:
    """Chunks of bytes as the file that Arrow wants."""

    closed = False

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = memoryview(b"")
        self.n_read = 0

    def read(self, n_bytes: int) -> bytes:
        """The next bytes, at most so many; none at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        taken, self._rest = self._rest[:n_bytes], self._rest[n_bytes:]
        self.n_read += len(taken)
        return bytes(taken)

    def close(self) -> None:
        self.closed = True
