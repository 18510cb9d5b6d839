"""Standard streams whose other end may go away while a command is at work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Final

_STDERR: Final = 2


class PatientStream(io.TextIOWrapper):
    """A standard error that may lose its reader: what is said from then on is lost, no more."""

    def write(self, text: str) -> int:
        """Say something; never fails for want of a reader, or of room."""
        try:
            return super().write(text)
        except OSError:
            self._lose()
            return len(text)

    def flush(self) -> None:
        """Likewise."""
        try:
            super().flush()
        except OSError:
            self._lose()
            super().flush()

    def _lose(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def keep_stderr_usable() -> None:
    """Have no message about a command's progress end it: its work is what counts."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # none that has a descriptor
        if sys.stderr.fileno() == _STDERR and not isinstance(sys.stderr, PatientStream):
            raw = io.FileIO(_STDERR, "w", closefd=False)
            sys.stderr = PatientStream(
                io.BufferedWriter(raw),
                encoding=sys.stderr.encoding,
                errors="backslashreplace",
                line_buffering=True,
                write_through=True,
            )
