"""Everything that stops a command, each with its exit code.

::

    YfccError                 1   unexpected
    ├── UsageError            2   the command was asked for something it cannot do
    ├── SourceError           4   the source of bytes is at fault
    │   ├── SourceMissing         no such bucket, object or file
    │   ├── SourceForbidden       no permission to read it
    │   ├── SourceDamaged         the bytes are not what they should be
    │   ├── SourceChanged         the bytes changed while they were read
    │   └── SourceUnreachable     the network gave up, after retries
    ├── LockedError           5   another run holds it
    ├── TargetError           6   full, read-only or failing disk
    ├── RateLimitedError      7   a host asked for more patience than allowed
    ├── VerifyError           8   stored bytes differ from their records
    ├── TooManyRejectsError   9   more rejected lines than allowed
    └── InterruptedRun      130   Ctrl-C (143: SIGTERM)

What becomes of one item is no exception but an :class:`yfcc.model.Outcome`.
"""

from __future__ import annotations


class YfccError(Exception):
    """A failure with a message for the user: what, where, expected and got, what next."""

    exit_code = 1


class UsageError(YfccError):
    """The command was asked for something it cannot do."""

    exit_code = 2


class SourceError(YfccError):
    """The source is missing, forbidden, damaged, changed or out of reach."""

    exit_code = 4


class SourceMissing(SourceError):  # noqa: N818 - the state of the source is the name
    """No such bucket, object or file."""


class SourceForbidden(SourceError):  # noqa: N818
    """The source exists, but it may not be read."""


class SourceDamaged(SourceError):  # noqa: N818
    """The bytes of the source are not what their format says."""


class SourceChanged(SourceError):  # noqa: N818
    """The source was replaced while it was read."""


class SourceUnreachable(SourceError):  # noqa: N818
    """The source did not answer, after retries."""


class LockedError(YfccError):
    """Another run holds the lock."""

    exit_code = 5


class TargetError(YfccError):
    """The target is full, read-only or failing."""

    exit_code = 6


class RateLimitedError(YfccError):
    """A host asked for a longer pause than this run may take."""

    exit_code = 7


class VerifyError(YfccError):
    """Stored bytes differ from their records."""

    exit_code = 8


class TooManyRejectsError(YfccError):
    """More lines were rejected than the run allows."""

    exit_code = 9


class InterruptedRun(YfccError):  # noqa: N818 - it is not the program that erred
    """The user or the system ended the run.

    Parameters
    ----------
    signal_number : int
        2 for Ctrl-C (exit code 130), 15 for SIGTERM (143).
    """

    def __init__(self, signal_number: int, message: str = "stopped; run it again to go on") -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
