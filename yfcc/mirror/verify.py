"""Reading every stored byte again, to see whether mirror and ledger still agree."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from yfcc.errors import TargetError, VerifyError
from yfcc.mirror.document import parse_media
from yfcc.mirror.layout import LEDGER, extension_in, ledger_name, media_path
from yfcc.mirror.ledger import find_committed, list_shards, read_shard
from yfcc.mirror.record import Record, decode_record
from yfcc.mirror.root import Mirror
from yfcc.mirror.store import LocalStore, Store, StoredFile
from yfcc.model import Outcome

#: Items handed to a thread at a time.
_ITEMS_A_TASK: Final = 32
#: Errors that tell of one file, not of the disk: a bad sector, a link, a directory.
_OF_ONE_FILE: Final = frozenset({errno.EIO, errno.ELOOP, errno.ENOTDIR, errno.EISDIR})
#: Damages named in the message of an error.
_N_NAMED: Final = 5


class Problem(StrEnum):
    """What is wrong with something that is recorded as stored."""

    MISSING = "missing"
    CHANGED = "changed"
    UNREADABLE = "unreadable"
    JSON_MISSING = "json_missing"
    JSON_CHANGED = "json_changed"
    LEDGER_DAMAGED = "ledger_damaged"


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as recorded.

    Attributes
    ----------
    problem : Problem
        What is wrong.
    path : str
        Of the file, below the mirror's root.
    expected, got : str
        As recorded, and as found.
    shard : int
        Whose it is.
    record : Record or None
        The item's; None for a damaged ledger.
    """

    problem: Problem
    path: str
    expected: str
    got: str
    shard: int
    record: Record | None = None

    def describe(self) -> str:
        """One line for the user."""
        return f"{self.path}: {self.problem}, expected {self.expected}, got {self.got}"


@dataclass(slots=True)
class VerifySummary:
    """What a verification found.

    Attributes
    ----------
    n_items : int
        Items recorded as stored, all of them read again.
    n_bytes : int
        Bytes as recorded.
    damages : list of Damage
        What is not as recorded, in order of shards.
    n_repaired : int
        Items taken back, which the next download fetches again.
    """

    n_items: int = 0
    n_bytes: int = 0
    damages: list[Damage] = field(default_factory=list)
    n_repaired: int = 0

    def raise_if_damaged(self) -> None:
        """Leave with the exit code of damage, if there is any.

        Raises
        ------
        VerifyError
            Something is not as recorded.
        """
        if not self.damages:
            return
        named = "; ".join(damage.describe() for damage in self.damages[:_N_NAMED])
        more = len(self.damages) - _N_NAMED
        what_next = (
            "run the download again: it fetches them anew"
            if self.n_repaired
            else "run `yfcc verify --repair`, then the download again"
        )
        raise VerifyError(
            f"{len(self.damages)} of {self.n_items} stored items are damaged: {named}"
            f"{f'; and {more} more' if more > 0 else ''}; {what_next}"
        )


def verify_mirror(
    mirror: Mirror,
    shards: Iterable[int] | None = None,
    n_workers: int = 2,
    report: Callable[[VerifySummary], None] | None = None,
) -> VerifySummary:
    """Read again everything that is recorded as stored; nothing is written.

    Memory: the records of one shard.

    Parameters
    ----------
    mirror : Mirror
        Also while a run is writing to it.
    shards : iterable of int, optional
        Only these.
    n_workers : int
        Threads that read.
    report : callable, optional
        Gets the sums after every shard.

    Raises
    ------
    TargetError
        The disk cannot be read.
    """
    store = LocalStore(mirror, run_id="verify")
    summary = VerifySummary()
    with ThreadPoolExecutor(n_workers, thread_name_prefix="yfcc-verify") as executor:
        for shard in list_shards(mirror) if shards is None else sorted(shards):
            content = find_committed(read_shard(mirror, shard))
            if content.n_damaged_bytes:
                summary.damages.append(_ledger_damage(shard, content.n_damaged_bytes))
            stored = list(latest_stored(content.iter_lines()))
            summary.n_items += len(stored)
            summary.n_bytes += sum(record.n_bytes or 0 for record in stored)
            portions = _portions(stored)
            for found in executor.map(lambda records: _check_all(store, records), portions):
                summary.damages.extend(found)
            if report is not None:
                report(summary)
    return summary


def latest_stored(lines: Iterable[bytes]) -> Iterator[Record]:
    """Records of the items whose latest outcome is ``stored``, from lines, oldest first."""
    latest: dict[int, Record] = {}
    for line in lines:
        record = decode_record(line)
        latest[record.photo_id] = record
    return (record for record in latest.values() if record.outcome is Outcome.STORED)


def check_stored(store: Store, record: Record) -> Damage | None:
    """What is wrong with a stored item; None if nothing.

    Raises
    ------
    TargetError
        The disk cannot be read, and that says nothing of this item.
    """
    try:
        return _check_media(store, record)
    except TargetError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _OF_ONE_FILE:
            raise
        said = _say(_expected(record))
        path = record.path or ""
        return Damage(Problem.UNREADABLE, path, said, str(error), record.shard, record)


def _check_media(store: Store, record: Record) -> Damage | None:
    path, expected = record.path or "", _expected(record)
    extension = extension_in(path, record.photo_id)
    found = None if extension is None else store.measure_media(record.photo_id, extension)
    if found is None:
        return Damage(Problem.MISSING, path, _say(expected), "no file", record.shard, record)
    if found != expected:
        return Damage(Problem.CHANGED, path, _say(expected), _say(found), record.shard, record)
    return _check_document(store, record, expected)


def _expected(record: Record) -> StoredFile:
    return StoredFile(record.n_bytes or 0, record.sha256 or "")


def _check_document(store: Store, record: Record, expected: StoredFile) -> Damage | None:
    path = media_path(record.photo_id, "json")
    document = store.read_document(record.photo_id)
    said = f"JSON of item {record.photo_id} with {_say(expected)}"
    if document is None:
        return Damage(Problem.JSON_MISSING, path, said, "no file", record.shard, record)
    media = parse_media(document, record.photo_id) or {}
    if (media.get("path"), media.get("n_bytes"), media.get("sha256")) != (
        record.path,
        record.n_bytes,
        record.sha256,
    ):
        got = f"{media['n_bytes']} bytes, {media['sha256']}" if media else "something else"
        return Damage(Problem.JSON_CHANGED, path, said, got, record.shard, record)
    return None


def _say(file: StoredFile) -> str:
    return f"{file.n_bytes} bytes with SHA-256 {file.sha256}"


def _ledger_damage(shard: int, n_bytes: int) -> Damage:
    path = f"{LEDGER}/{ledger_name(shard)}"
    return Damage(
        Problem.LEDGER_DAMAGED, path, "sealed commits", f"{n_bytes} bytes without a seal", shard
    )


def _check_all(store: Store, records: Sequence[Record]) -> list[Damage]:
    return [damage for record in records if (damage := check_stored(store, record)) is not None]


def _portions(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while portion := list(islice(rest, _ITEMS_A_TASK)):
        yield portion
