"""What the bytes, the JSON and the names of a shard say, whether in a directory or a bucket."""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from yfcc.media.decode import DECODABLE, Decoders, Fate
from yfcc.media.facts import FlawedMedia
from yfcc.media.structure import inspect_media
from yfcc.mirror.document import CATALOG_MEMBERS
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import (
    EXTENSIONS,
    LEDGER,
    MEDIA,
    directory_parts,
    document_name,
    extension_in,
    ledger_name,
    media_name,
    media_path,
)
from yfcc.mirror.ledger import Committed, find_committed, read_shard
from yfcc.mirror.record import Record, decode_record
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.sampling import draw
from yfcc.model import Outcome

#: What a JSON says of its media that the record says too.
_SHARED_FIELDS: Final = (
    "path", "n_bytes", "sha256", "content_type", "width", "height", "source", "url", "fetched_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShardTask:
    """What to check of a shard.

    Attributes
    ----------
    shard : int
    leaves : sequence of int or None
        Six-digit prefixes of its directories that are there; None: their names are not looked at.
    n_sample : int or None
        So many of its stored items, chosen by ``seed``; None for all.
    seed : int
    """

    shard: int
    leaves: Sequence[int] | None = None
    n_sample: int | None = None
    seed: int = 0


def read_records(
    mirror: AnyMirror, task: ShardTask, findings: ShardFindings
) -> tuple[dict[int, Record], list[Record]]:
    """The latest record of each item of a shard, and those of the stored items to check.

    Damage of the ledger goes to the findings.

    Raises
    ------
    TargetError
        It cannot be read.
    """
    content = find_committed(read_shard(mirror, task.shard))
    latest = _latest_records(content.iter_lines())
    stored = [record for record in latest.values() if record.outcome is Outcome.STORED]
    damage = _check_seals(content, latest)
    if damage is not None:
        findings.damages.append(_ledger_damage(task.shard, *damage))
    if task.n_sample is not None:
        stored = draw(stored, task.n_sample, task.seed, task.shard)
    return latest, stored


def leaf_parts(leaf: int) -> tuple[str, str, str]:
    """Directories from the root down to the items of a six-digit prefix."""
    digits = f"{leaf:06d}"
    return (MEDIA, digits[:3], digits[3:])


class ItemFiles(Protocol):
    """The files of one stored item, wherever they lie."""

    @property
    def absence(self) -> str:
        """What to say of one that is not there."""

    def measure(self) -> tuple[int, str] | None:
        """Size and SHA-256 of its media, read again; None if there are none."""

    def view(self) -> AbstractContextManager[memoryview]:
        """All bytes of its media, once they were measured; there is at least one."""

    def read_document(self) -> bytes | None:
        """Its JSON; None if there is none."""


@dataclass(slots=True)
class Verdict:
    """What a look at one stored item says.

    Attributes
    ----------
    damage : Damage or None
    is_too_large : bool
        It was to be decoded, and has more pixels or bytes than a decoder may take.
    manifest : list of str
        A line for each of its files that is as recorded, in the form of ``sha256sum``.
    """

    damage: Damage | None = None
    is_too_large: bool = False
    manifest: list[str] = field(default_factory=list)


def judge(
    files: ItemFiles, record: Record, decoders: Decoders | None, *, with_manifest: bool
) -> Verdict:
    """Compare the files of a stored item with its record.

    Parameters
    ----------
    files : ItemFiles
        Those that the record's path means, which :func:`~yfcc.mirror.layout.extension_in` knows.
    record : Record
    decoders : Decoders or None
        A picture is decoded by them, and every structure walked.
    with_manifest : bool
        Also digest the JSON, and list what is as recorded.
    """
    measured = files.measure()
    if measured is None:
        return Verdict(damage_of(Problem.MISSING, record, files.absence))
    if measured != (record.n_bytes, record.sha256):
        return Verdict(damage_of(Problem.CHANGED, record, say_bytes(*measured)))
    verdict = Verdict()
    if decoders is not None and record.n_bytes:
        with files.view() as view:
            _check_content(view, record, decoders, verdict)
        if verdict.damage is not None:
            return verdict
    if with_manifest:
        verdict.manifest.append(f"{record.sha256}  {record.path}")
    document = files.read_document()
    verdict.damage = check_document(document, record, files.absence)
    if with_manifest and document is not None and verdict.damage is None:
        digest = hashlib.sha256(document).hexdigest()
        verdict.manifest.append(f"{digest}  {media_path(record.photo_id, 'json')}")
    return verdict


def _check_content(view: memoryview, record: Record, decoders: Decoders, verdict: Verdict) -> None:
    """What a look at an item's media says, beyond its digest."""
    facts = inspect_media(view)
    if isinstance(facts, FlawedMedia):
        verdict.damage = damage_of(Problem.UNDECODABLE, record, facts.reason)
    elif facts.extension != extension_in(record.path or "", record.photo_id):
        verdict.damage = damage_of(Problem.UNDECODABLE, record, f"a {facts.extension}")
    elif facts.content_type in DECODABLE:
        decoded = decoders.decode(view)
        verdict.is_too_large = decoded.fate is Fate.TOO_LARGE
        if decoded.fate not in {Fate.TOO_LARGE, Fate.DECODED}:
            verdict.damage = damage_of(Problem.UNDECODABLE, record, decoded.reason)


def add_verdict(findings: ShardFindings, record: Record, verdict: Verdict) -> None:
    """Add to a shard's findings what was found of a stored item."""
    findings.n_items += 1
    findings.n_bytes += record.n_bytes or 0
    findings.n_not_decoded += verdict.is_too_large
    findings.damages += [verdict.damage] if verdict.damage else []
    findings.manifest += verdict.manifest


def check_document(content: bytes | None, record: Record, absence: str) -> Damage | None:
    """What is wrong with an item's JSON; None if nothing.

    Parameters
    ----------
    content : bytes or None
        None: there is none.
    record : Record
    absence : str
        What to say then.
    """
    path = media_path(record.photo_id, "json")
    said = f"JSON of item {record.photo_id} with {say_bytes(record.n_bytes, record.sha256)}"
    if content is None:
        return Damage(Problem.JSON_MISSING, path, said, absence, record.shard, record)
    disagreement = _compare_document(content, record) or _compare_crc32(content, record)
    if disagreement is not None:
        return Damage(Problem.JSON_CHANGED, path, said, disagreement, record.shard, record)
    return None


def sort_out(
    names: Iterable[str],
    parts: tuple[str, ...],
    latest: Mapping[int, Record],
    has_document: Callable[[int], bool],
    findings: ShardFindings,
) -> None:
    """Add to the findings the names in a directory that no stored item accounts for.

    Parameters
    ----------
    names : iterable of str
    parts : tuple of str
        Where they lie, from the mirror's root.
    latest : mapping of int to Record
        The latest records of the shard.
    has_document : callable
        Whether an item has a JSON there by now.
    findings : ShardFindings
    """
    for name in sorted(names):
        stray = _find_stray(name, parts, latest, has_document)
        path = "/".join((*parts, name))
        if stray:
            damage = Damage(Problem.EXTRA, path, "no such file", stray, findings.shard)
            findings.damages.append(damage)
        elif stray is not None:
            findings.orphans.append(path)


def _find_stray(
    name: str,
    parts: tuple[str, ...],
    latest: Mapping[int, Record],
    has_document: Callable[[int], bool],
) -> str | None:
    """Why no run left a file behind; empty if one may have, None if a stored item has it."""
    stem, _, extension = name.partition(".")
    photo_id = int(stem) if stem.isascii() and stem.isdigit() and len(stem) < 20 else 0
    record = latest.get(photo_id)
    if record is not None and record.outcome is Outcome.STORED:
        recorded = (record.path or "").rpartition("/")[2]
        if name in {recorded, document_name(photo_id)}:
            return None
    is_ours = extension in EXTENSIONS or extension == "json"
    if not is_ours or name != media_name(photo_id, extension):
        return "a foreign name"
    if directory_parts(photo_id) != parts:
        return "a file of another directory"
    if record is not None:
        return "a file of a removed item" if record.outcome is Outcome.FORGOTTEN else ""
    # The JSON appears first: what was published since the ledger was read has one by now.
    return "" if extension == "json" or has_document(photo_id) else "media without record or JSON"


def _latest_records(lines: Iterable[bytes]) -> dict[int, Record]:
    """The latest record of each item, from lines, oldest first."""
    latest: dict[int, Record] = {}
    for line in lines:
        record = decode_record(line)
        latest[record.photo_id] = record
    return latest


def _compare_document(content: bytes, record: Record) -> str | None:
    """How an item's JSON disagrees with its record; None if it does not."""
    try:
        found: dict[str, Any] = orjson.loads(content)
        if found["photo_id"] != record.photo_id:
            return f"that of item {found['photo_id']}"
        missing = [name for name in (*CATALOG_MEMBERS, "schema_version") if name not in found]
        if missing:
            return f"no {', '.join(missing)}"
        media = found["media"]
        for name in _SHARED_FIELDS:
            said, recorded = media[name], getattr(record, name)
            if (said or None) != (recorded or None):
                return f"{name} {said!r}"[:200]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "something else"
    return None


def _compare_crc32(content: bytes, record: Record) -> str | None:
    """How the bytes of an item's JSON disagree with its record; None if they do not."""
    expected, got = record.document_crc32, zlib.crc32(content)
    if expected is None or got == expected:
        return None
    return f"{len(content)} bytes with CRC-32 {got:08x} instead of {expected:08x}"


def damage_of(problem: Problem, record: Record, got: str) -> Damage:
    """Something wrong with an item's media."""
    expected = say_bytes(record.n_bytes, record.sha256)
    return Damage(problem, record.path or "", expected, got, record.shard, record)


def say_bytes(n_bytes: int | None, sha256: str | None) -> str:
    """Size and digest, for messages."""
    return f"{n_bytes or 0} bytes with SHA-256 {sha256 or ''}"


def _check_seals(content: Committed, latest: Mapping[int, Record]) -> tuple[str, str] | None:
    """What the seals of a shard's ledger should be, and are; None if nothing is wrong."""
    if content.n_damaged_bytes:
        return "sealed commits", f"{content.n_damaged_bytes} bytes without a seal"
    counts = Counter(record.outcome.value for record in latest.values())
    n_bytes = sum(record.n_bytes or 0 for record in latest.values())
    seal = content.seal
    if seal is None or (Counter(seal.counts), seal.n_bytes) == (counts, n_bytes):
        return None
    return f"{dict(counts)} of {n_bytes} bytes", f"a seal with {seal.counts} of {seal.n_bytes}"


def _ledger_damage(shard: int, expected: str, got: str) -> Damage:
    """Something wrong in a shard's ledger."""
    path = f"{LEDGER}/{ledger_name(shard)}"
    return Damage(Problem.LEDGER_DAMAGED, path, expected, got, shard)
