"""Making pictures smaller, in processes of their own: see :mod:`yfcc.media.guarded`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from yfcc.media.guarded import GuardedPool, PictureLimits, ProcessDiedError
from yfcc.media.guarded_child import Code

#: Content types that can be made smaller and stay what they are; animations would lose frames.
RESIZABLE: Final = frozenset(("image/jpeg", "image/png"))


@dataclass(frozen=True, slots=True)
class Resized:
    """What became of a picture that was to be made smaller.

    Attributes
    ----------
    content : bytes or None
        The new one; None if it stays as it is.
    width, height : int
        Pixels.
    reason : str
        Why it could not be done; empty if it could, or if the picture was small enough.
    """

    content: bytes | None
    width: int = 0
    height: int = 0
    reason: str = ""


class Resizers(GuardedPool):
    """A pool of processes; safe for use by many threads. A context manager.

    Parameters
    ----------
    n_processes : int, optional
        As many as there are cores.
    limits : PictureLimits, optional
    """

    def __init__(self, n_processes: int | None = None, limits: PictureLimits | None = None) -> None:
        super().__init__("yfcc.media.resize_child", "--size", n_processes, limits)

    def resize(self, content: bytes, size: int) -> Resized:
        """Make a picture smaller, waiting for a process that is idle.

        Parameters
        ----------
        content : bytes
            Of one of the types in :data:`RESIZABLE`.
        size : int
            Pixels of the shorter side.

        Raises
        ------
        YfccError
            No process can be started.
        """
        if len(content) > self.limits.max_bytes:
            return Resized(None, reason=f"{len(content):,} bytes are more than are decoded")
        try:
            answer = self.ask(content, size)
        except ProcessDiedError as death:
            return Resized(None, reason=str(death))
        if answer.code is not Code.DECODED:
            return Resized(None, reason=answer.reason)
        return Resized(answer.told or None, answer.width, answer.height)
