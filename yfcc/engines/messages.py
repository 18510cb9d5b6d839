"""What a run's processes tell each other, through pipes, pickled.

The parent writes an :class:`Order` to the child's standard input, and later perhaps the number of
a signal. The child writes :class:`~yfcc.mirror.totals.RunProgress` now and then to its standard
output, and in the end a :class:`~yfcc.mirror.totals.RunSummary` or a :class:`Failure`. The end of
its standard input tells a child that its parent is no more.
"""

from __future__ import annotations

import pickle  # between a process and its own children  # nosec B403
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Self

from yfcc import errors
from yfcc.errors import InterruptedRun, YfccError
from yfcc.mirror.download import DownloadRequest
from yfcc.mirror.totals import RunProgress, RunSummary


@dataclass(frozen=True, slots=True)
class Order:
    """What a child is to do.

    Attributes
    ----------
    request : DownloadRequest
    counts : mapping of int to int
        The child's shards, and how many items are selected in each.
    licenses : mapping of int to mapping of str to int
        The same by licence.
    """

    request: DownloadRequest
    counts: Mapping[int, int]
    licenses: Mapping[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that stopped a child.

    Attributes
    ----------
    kind : str
        Name of its class.
    message : str
    exit_code : int
    """

    kind: str
    message: str
    exit_code: int

    @classmethod
    def of(cls, error: YfccError) -> Self:
        """An error as a message."""
        return cls(type(error).__name__, str(error), error.exit_code)

    def as_error(self) -> YfccError:
        """The error again, of its own class."""
        if self.kind == InterruptedRun.__name__:
            return InterruptedRun(self.exit_code - 128, self.message)
        found = getattr(errors, self.kind, YfccError)
        error = found(self.message)
        assert isinstance(error, YfccError)  # noqa: S101 - the module has no others  # nosec B101
        return error


Message = RunProgress | RunSummary | Failure


def send(stream: IO[bytes], message: Order | Message | int) -> None:
    """Write a message.

    Raises
    ------
    BrokenPipeError
        Nobody reads it any more.
    """
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: IO[bytes]) -> object | None:
    """The next message; None if there will be no more."""
    try:
        message: object = pickle.load(stream)  # noqa: S301 - see above  # nosec B301
    except (EOFError, pickle.UnpicklingError):  # the writer was killed
        return None
    return message
