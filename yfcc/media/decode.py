"""Decoding pictures fully, in processes of their own.

A walk of the structure cannot see into compressed pixels; a decoder notices where they make no
sense. (Not everywhere: a JPEG decoder fills up what is missing before an end marker, and flipped
bits may decode to other pixels. Only a digest proves bytes.) Decoders have faults of their own, so
each works in a guarded process (:mod:`yfcc.media.guarded`), and what a picture does to that
process costs one picture and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from yfcc.media.guarded import GuardedPool, PictureLimits, ProcessDiedError
from yfcc.media.guarded_child import Code

#: Content types that are decoded; films are not.
DECODABLE: Final = frozenset(("image/jpeg", "image/png", "image/gif", "image/webp"))


class Fate(Enum):
    """What became of a picture that was to be decoded."""

    DECODED = "decoded"
    BROKEN = "broken"
    TOO_LARGE = "too large"
    DECODER_DIED = "decoder died"


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of decoding one picture.

    Attributes
    ----------
    fate : Fate
    width, height : int or None
        Pixels; None unless decoded.
    reason : str
        Empty if decoded.
    """

    fate: Fate
    width: int | None = None
    height: int | None = None
    reason: str = ""


_FATES: Final = {
    Code.DECODED: Fate.DECODED,
    Code.BROKEN: Fate.BROKEN,
    Code.TOO_LARGE: Fate.TOO_LARGE,
    Code.NO_MEMORY: Fate.DECODER_DIED,
}


class Decoders(GuardedPool):
    """A pool of decoder processes; safe for use by many threads. A context manager.

    Parameters
    ----------
    n_processes : int, optional
        As many as there are cores.
    limits : PictureLimits, optional
    """

    def __init__(self, n_processes: int | None = None, limits: PictureLimits | None = None) -> None:
        module = "yfcc.media.decode_child"
        super().__init__(module, "--decode and --deep", n_processes, limits)

    def decode(self, view: memoryview) -> Decoded:
        """Decode one picture, waiting for a process that is idle.

        Parameters
        ----------
        view : memoryview
            All bytes of a picture of a type in :data:`DECODABLE`.

        Raises
        ------
        YfccError
            No decoder can be started.
        """
        if len(view) > self.limits.max_bytes:
            reason = f"{len(view):,} bytes, at most {self.limits.max_bytes:,} are decoded"
            return Decoded(Fate.TOO_LARGE, reason=reason)
        try:
            answer = self.ask(view)
        except ProcessDiedError as death:
            return Decoded(Fate.DECODER_DIED, reason=str(death))
        fate = _FATES[answer.code]
        if fate is Fate.DECODED:
            return Decoded(fate, answer.width, answer.height)
        return Decoded(fate, reason=answer.reason)
