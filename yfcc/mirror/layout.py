"""Where things lie in a mirror: pure rules from numbers to names.

::

    mirror.json                       format, number of shards, date: written once
    media/420/715/4207153986.jpg      bytes as received
    media/420/715/4207153986.json     what is known of them
    ledger/0a3.jsonl                  outcomes of shard 0xa3, append only
    ledger/runs/<run_id>.json         what a run was asked and what came of it
    ledger/locks/<run_id>.lock        shards a living run holds
    ledger/tombstones.jsonl           what was removed for good, append only
    ledger/exports/….json             exports that were made, for removals to reach them
    ledger/cache/….parquet            the ledger as a table, for queries; may be deleted
    ledger/verify.jsonl               how far a verification has come that was cut short
    ledger/recheck.jsonl              the same of a recheck
    tmp/<run_id>/0…f/….part           files that are not whole yet

In a bucket the names are the same, without ``tmp``, and with ``ledger/0a3/00000018.jsonl`` for
commits that are not put together yet (:mod:`yfcc.mirror.bucket.segments`), and with
``ledger/verify/00000001.jsonl`` for the progress (:mod:`yfcc.mirror.bucket.journal`).

Unfinished files lie in directories of the run, not beside their final names: what a killed run
left behind is found by listing a few small directories, and no step ever lists ``media``, which
may hold 200 million names. It is the same file system, so a rename still publishes.

All names are digits and lower-case letters, shorter than 64 bytes, and differ by more than
case: they fit every file system.
"""

from __future__ import annotations

import re
from typing import Final

from yfcc.errors import YfccError
from yfcc.model import N_SHARDS, id_prefix, media_directory

MIRROR_FILE: Final = "mirror.json"
MEDIA: Final = "media"
LEDGER: Final = "ledger"
RUNS: Final = "runs"
LOCKS: Final = "locks"
CACHE: Final = "cache"
TMP: Final = "tmp"
PART_SUFFIX: Final = ".part"
#: Of the file in ``media`` by which a run tries the disk out; its id follows.
PROBE_PREFIX: Final = "probe-"
LOCK_SUFFIX: Final = ".lock"

_PHOTOS: Final = ("jpg", "png", "gif", "webp", "tif", "bmp", "heic", "avif")
_FILMS: Final = ("mp4", "mov", "m4v", "3gp", "3g2", "avi", "wmv", "flv", "mkv", "webm", "ogv")
_STREAMS: Final = ("mpg", "mts", "m2ts")

#: What a stored file's name may end with: what the bytes are, never what a row says.
EXTENSIONS: Final = frozenset(_PHOTOS + _FILMS + _STREAMS)

_MEDIA_PATH = re.compile(r"media/([0-9]{3})/([0-9]{3})/([1-9][0-9]{0,18})\.([0-9a-z]{2,4})")


def check_extension(extension: str) -> str:
    """The extension, if it is one that the mirror stores.

    Raises
    ------
    YfccError
        It is not: a name outside the fixed set would be a way out of the tree.
    """
    if extension not in EXTENSIONS:
        known = " ".join(sorted(EXTENSIONS))
        raise YfccError(f"the mirror stores no files named {extension!r}; it knows {known}")
    return extension


def media_name(photo_id: int, extension: str) -> str:
    """Name of an item's media file in its directory, ``4207153986.jpg``."""
    return f"{photo_id:d}.{extension}"


def document_name(photo_id: int) -> str:
    """Name of an item's JSON in its directory, ``4207153986.json``."""
    return f"{photo_id:d}.json"


def media_path(photo_id: int, extension: str) -> str:
    """Path of an item's media file below the mirror's root, ``media/420/715/4207153986.jpg``."""
    return f"{media_directory(photo_id)}/{media_name(photo_id, extension)}"


def directory_parts(photo_id: int) -> tuple[str, str, str]:
    """Directories from the root down to an item's files: ``('media', '420', '715')``."""
    return (MEDIA, *id_prefix(photo_id))


def extension_in(path: str, photo_id: int) -> str | None:
    """Extension in a recorded path, or None if that is not the path such an item can have."""
    match = _MEDIA_PATH.fullmatch(path)
    if match is None or match[4] not in EXTENSIONS or path != media_path(photo_id, match[4]):
        return None
    return match[4]


def ledger_name(shard: int) -> str:
    """Name of a shard's ledger file, ``0a3.jsonl``."""
    return f"{shard:03x}.jsonl"


def parse_ledger_name(name: str) -> int | None:
    """Shard of a ledger file's name, or None for any other name."""
    match = re.fullmatch(r"([0-9a-f]{3,})\.jsonl", name)
    if match is None:
        return None
    shard = int(match[1], 16)
    return shard if shard < N_SHARDS and ledger_name(shard) == name else None
