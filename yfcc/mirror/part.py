"""The bytes of one item on their way: in memory while small, in a file once they are large."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from yfcc.mirror.disk import Disk, target_errors

#: Bytes kept in memory before a part goes to disk: above nearly every photo of 500 px.
MEMORY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class SpillFile:
    """An open file that is not whole yet.

    Attributes
    ----------
    fd : int
        Opened for reading and writing.
    lane : str
        The directory it lies in, one of the run's for temporary files.
    name : str
        In that directory.
    """

    fd: int
    lane: str
    name: str


class Part:
    """A sink for the bytes of one attempt, to be published or discarded.

    Parameters
    ----------
    disk : Disk
        Where large parts go.
    open_spill : callable
        Makes a new file for a large part.
    drop_spill : callable
        Removes such a file again.
    memory_bytes : int
        Up to this size the part stays in memory.
    """

    __slots__ = ("_buffer", "_disk", "_drop_spill", "_limit", "_open_spill", "n_bytes", "spill")

    def __init__(
        self,
        disk: Disk,
        open_spill: Callable[[], SpillFile],
        drop_spill: Callable[[SpillFile], None],
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self._disk = disk
        self._open_spill = open_spill
        self._drop_spill = drop_spill
        self._limit = memory_bytes
        self._buffer: bytes | bytearray = b""
        self.spill: SpillFile | None = None
        self.n_bytes = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append bytes; the chunk is the sink's from now on.

        Raises
        ------
        TargetError
            The disk takes no more.
        """
        if self.spill is None:
            if self.n_bytes + len(chunk) <= self._limit:
                self._append(chunk)
                self.n_bytes += len(chunk)
                return
            self.spill = self._open_spill()
            self._to_disk(self.spill, self._buffer)
            self._buffer = b""
        self._to_disk(self.spill, chunk)
        self.n_bytes += len(chunk)

    def reset(self) -> None:
        """Forget every byte: the next attempt starts anew."""
        self.discard()

    def discard(self) -> None:
        """Give memory and disk back; harmless when that is done already."""
        # A new buffer, not an emptied one: somebody may still hold a view of the old.
        self._buffer = b""
        self.n_bytes = 0
        if self.spill is not None:
            spill, self.spill = self.spill, None
            self._drop_spill(spill)

    def give_up_spill(self) -> SpillFile | None:
        """The file that holds the bytes, whose care passes to the caller; None if in memory."""
        spill, self.spill = self.spill, None
        return spill

    def view(self) -> memoryview:
        """All bytes so far, read only; valid until the next ``write``, ``reset`` or ``discard``."""
        if self.spill is None:
            return memoryview(self._buffer).toreadonly()
        with target_errors(f"read back {self.spill.name}"):
            return memoryview(mmap.mmap(self.spill.fd, self.n_bytes, prot=mmap.PROT_READ))

    def _append(self, chunk: bytes | bytearray | memoryview) -> None:
        if not self._buffer and not isinstance(chunk, memoryview):
            self._buffer = chunk  # mostly the only one
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        try:
            self._buffer += chunk
        except BufferError:  # a view is alive, and keeps what it has seen
            self._buffer = self._buffer + bytes(chunk)

    def _to_disk(self, spill: SpillFile, content: bytes | bytearray | memoryview) -> None:
        with target_errors(f"write {spill.name}"):
            self._disk.write_all(spill.fd, content)
