"""The values that flow through yfcc, and the pure rules that tie them to places.

The words are those of the dataset: an *item* is one photo or video, ``photo_id`` its
identifier (videos too), ``photo_hash`` the key of the persistent copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: The number of shards, written into every catalog and mirror.
N_SHARDS: Final = 4096

#: Knuth's multiplicative hash: 2**32 / golden ratio, odd, so that neighbours spread.
SHARD_MULTIPLIER: Final = 2_654_435_761
SHARD_SHIFT: Final = 20  # 32 bits of hash, the upper 12 are the shard


class Outcome(StrEnum):
    """What became of an item in the end."""

    STORED = "stored"
    ALREADY_STORED = "already_stored"
    GONE = "gone"
    PLACEHOLDER = "placeholder"
    NOT_MEDIA = "not_media"
    REFUSED = "refused"
    FORGOTTEN = "forgotten"
    TOO_LARGE = "too_large"
    BLOCKED = "blocked"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Whether the next run leaves the item alone."""
        return self is not Outcome.FAILED


class MediaKind(StrEnum):
    """The dataset's marker: 0 is a photo, 1 a video."""

    PHOTO = "photo"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Item:
    """One selected item, with all that is needed to fetch and store it.

    Attributes
    ----------
    photo_id : int
        1 to 2**63 - 1, unique in a catalog.
    photo_hash : str
        16 to 32 lower-case hex digits, never padded.
    media_kind : MediaKind
    download_url : str
        As the dataset has it: 500 px photo, or original of a video.
    shard : int
        0 to 4095.
    document : str
        JSON text of an object with ``attribution``, ``metadata``, ``autotags``, ``exif`` and
        ``places``: the part of the item's JSON that the catalog knows.
    """

    photo_id: int
    photo_hash: str
    media_kind: MediaKind
    download_url: str
    shard: int
    document: str


def id_prefix(photo_id: int) -> tuple[str, str]:
    """Digits 1-3 and 4-6 of an id, padded on the left with zeros to six digits.

    Examples
    --------
    >>> id_prefix(4207153986)
    ('420', '715')
    >>> id_prefix(7)
    ('000', '007')
    """
    digits = f"{photo_id:06d}"
    return digits[:3], digits[3:6]


def shard_of(photo_id: int) -> int:
    """The shard (0 to 4095) that owns the media directory of an id.

    The rule in SQL is the macro ``shard_of`` in ``sql/schema``; a test keeps the two equal.
    """
    first, second = id_prefix(photo_id)
    return (int(first + second) * SHARD_MULTIPLIER % 2**32) >> SHARD_SHIFT


def media_directory(photo_id: int) -> str:
    """Directory of an item's files below the mirror's root, ``media/420/715``."""
    first, second = id_prefix(photo_id)
    return f"media/{first}/{second}"
