"""Where the bytes of an item go while they come in."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """The bytes of one item, one attempt after the other."""

    def write(self, chunk: bytes | bytearray | memoryview, /) -> None:
        """Append bytes; the chunk is the sink's from now on, and must not be changed.

        Raises
        ------
        TargetError
            The disk takes no more; it passes through this room untouched and stops the run.
        """

    def reset(self) -> None:
        """Forget every byte: another attempt starts."""

    def view(self) -> memoryview:
        """All bytes so far, read only, valid until the next call."""


class BytesSink:
    """A sink in memory."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, chunk: bytes | bytearray | memoryview, /) -> None:
        """Append bytes."""
        self._chunks.append(bytes(chunk))

    def reset(self) -> None:
        """Forget every byte."""
        self._chunks.clear()

    def view(self) -> memoryview:
        """All bytes so far."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return memoryview(self._chunks[0] if self._chunks else b"")
