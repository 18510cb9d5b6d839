"""Standard output as a path that DuckDB may write to.

``/dev/stdout`` would be opened anew: a file that a shell opened to append to would be emptied, and
its end be written over. So DuckDB writes into a pipe, and a thread passes on what comes.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final, Self

from yfcc.errors import TargetError

_READ_BYTES: Final = 1 << 20


class StandardOutput:
    """Passes on what is written to ``path``; a context manager, for one writer.

    Attributes
    ----------
    path : str
        Below ``/dev/fd``; to be written once, from the beginning to the end.
    """

    def __init__(self) -> None:
        sys.stdout.flush()  # before what will overtake it
        self._target = sys.stdout.fileno()
        self._reading, self._writing = os.pipe()
        self.path = f"/dev/fd/{self._writing}"
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._pass_on, name="yfcc-stdout", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After Ctrl-C it may wait for a reader that reads no more: that is nobody's affair.
        self._end(is_waiting=kind is None)

    def _pass_on(self) -> None:
        try:
            while piece := os.read(self._reading, _READ_BYTES):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(self._target, rest) :]
        except OSError as error:
            self._error = error
        finally:
            # Whoever still writes is told that nobody reads.
            os.close(self._reading)

    def _end(self, *, is_waiting: bool) -> None:
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
        if is_waiting:
            self._thread.join()

    def finish(self) -> None:
        """Wait until all is passed on.

        Raises
        ------
        BrokenPipeError
            The reader of the output went away, as ``head`` does.
        TargetError
            It cannot be written.
        """
        self._end(is_waiting=True)
        error = self._error
        if isinstance(error, BrokenPipeError):
            raise error
        if error is not None:
            raise TargetError(
                f"standard output: cannot be written: {error.strerror}. What was written ends in "
                "the middle. Free space there or name another place, then run again."
            ) from error
