"""Checking one shard of a mirror: every stored byte of it, and every name in its directories."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from yfcc.errors import TargetError
from yfcc.media.decode import DECODABLE, Decoders, Fate
from yfcc.media.facts import FlawedMedia
from yfcc.media.structure import inspect_media
from yfcc.mirror.disk import target_errors
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
from yfcc.mirror.ledger import find_committed, read_shard
from yfcc.mirror.record import Record, decode_record
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import list_names, open_regular_file, read_file
from yfcc.model import Outcome, id_prefix

#: Errors that tell of one file, not of the disk: a bad sector, a link, a directory.
_OF_ONE_FILE: Final = frozenset({errno.EIO, errno.ELOOP, errno.ENOTDIR, errno.EISDIR})

_READ_BYTES: Final = 1 << 18

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


class ShardChecker:
    """Checks shards, one after the other, in one thread.

    Parameters
    ----------
    mirror : Mirror
    decoders : Decoders or None
        Every picture is decoded by them, and every structure walked.
    with_manifest : bool
        Also digest the JSON, and list all files that are as recorded.
    """

    def __init__(
        self, mirror: Mirror, decoders: Decoders | None = None, *, with_manifest: bool = False
    ) -> None:
        self._mirror = mirror
        self._decoders = decoders
        self._with_manifest = with_manifest
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def check_shard(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard; nothing is written. Memory: its records.

        Raises
        ------
        TargetError
            The disk cannot be read, and that says nothing of a single item.
        """
        findings = ShardFindings(task.shard)
        content = find_committed(read_shard(self._mirror, task.shard))
        if content.n_damaged_bytes:
            findings.damages.append(ledger_damage(task.shard, content.n_damaged_bytes))
        latest = latest_records(content.iter_lines())
        stored = [record for record in latest.values() if record.outcome is Outcome.STORED]
        if task.n_sample is not None:
            choice = random.Random(f"{task.seed}-{task.shard}")  # noqa: S311 - no secret
            stored = choice.sample(stored, min(task.n_sample, len(stored)))
        by_leaf: dict[int, list[Record]] = defaultdict(list)
        for record in stored:
            by_leaf[int("".join(id_prefix(record.photo_id)))].append(record)
        for leaf in sorted(by_leaf.keys() | set(task.leaves or ())):
            parts = (MEDIA, f"{leaf:06d}"[:3], f"{leaf:06d}"[3:])
            with self._open_leaf(parts) as leaf_fd:
                for record in by_leaf[leaf]:
                    self._add(findings, record, leaf_fd)
                if task.leaves is not None and isinstance(leaf_fd, int):
                    self._find_strays(findings, parts, leaf_fd, latest)
        return findings

    def check_item(self, record: Record) -> Damage | None:
        """What is wrong with one stored item; None if nothing.

        Raises
        ------
        TargetError
            As for :meth:`check_shard`.
        """
        findings = ShardFindings(record.shard)
        with self._open_leaf(directory_parts(record.photo_id)) as leaf_fd:
            self._add(findings, record, leaf_fd)
        return findings.damages[0] if findings.damages else None

    @contextmanager
    def _open_leaf(self, parts: tuple[str, ...]) -> Iterator[int | OSError]:
        """Descriptor of a directory with items, or why there is none."""
        leaf_fd: int | OSError
        with target_errors(f"read {self._mirror.name(*parts)}"):
            try:
                leaf_fd = self._mirror.open_directory(*parts)
            except OSError as error:
                if error.errno not in {errno.ENOENT, *_OF_ONE_FILE}:
                    raise
                leaf_fd = error
        try:
            yield leaf_fd
        finally:
            if isinstance(leaf_fd, int):
                os.close(leaf_fd)

    def _add(self, findings: ShardFindings, record: Record, leaf_fd: int | OSError) -> None:
        findings.n_items += 1
        findings.n_bytes += record.n_bytes or 0
        damage = self._check(findings, record, leaf_fd)
        if damage is not None:
            findings.damages.append(damage)

    def _check(
        self, findings: ShardFindings, record: Record, leaf_fd: int | OSError
    ) -> Damage | None:
        path = record.path or ""
        doing = f"read {self._mirror.name(path)}"
        try:
            with target_errors(doing):
                if isinstance(leaf_fd, OSError):
                    raise leaf_fd
                return self._check_files(findings, record, leaf_fd)
        except TargetError as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError):
                return damage_of(Problem.MISSING, record, "no file")
            if not isinstance(cause, OSError) or cause.errno not in _OF_ONE_FILE:
                raise
            return damage_of(Problem.UNREADABLE, record, str(error))

    def _check_files(self, findings: ShardFindings, record: Record, leaf_fd: int) -> Damage | None:
        extension = extension_in(record.path or "", record.photo_id)
        if extension is None:
            return damage_of(Problem.MISSING, record, "no path that an item can have")
        fd = open_regular_file(self._mirror.disk, leaf_fd, media_name(record.photo_id, extension))
        try:
            n_bytes, sha256 = self._measure(fd)
            if (n_bytes, sha256) != (record.n_bytes, record.sha256):
                return damage_of(Problem.CHANGED, record, say_bytes(n_bytes, sha256))
            undecodable = self._decode(findings, record, extension, fd) if self._decoders else None
        finally:
            os.close(fd)
        if undecodable is not None:
            return undecodable
        if self._with_manifest:
            findings.manifest.append(f"{sha256}  {record.path}")
        return self._check_document(findings, record, leaf_fd)

    def _measure(self, fd: int) -> tuple[int, str]:
        digest = hashlib.sha256()
        n_bytes = 0
        while n_read := os.readv(fd, [self._buffer]):
            digest.update(self._buffer[:n_read])
            n_bytes += n_read
        return n_bytes, digest.hexdigest()

    def _decode(
        self, findings: ShardFindings, record: Record, extension: str, fd: int
    ) -> Damage | None:
        """What a look at the content says; the bytes were just read, so a map of them is safe."""
        if not record.n_bytes or self._decoders is None:
            return None
        with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
            facts = inspect_media(view)
            if isinstance(facts, FlawedMedia):
                return damage_of(Problem.UNDECODABLE, record, facts.reason)
            if facts.extension != extension:
                return damage_of(Problem.UNDECODABLE, record, f"a {facts.extension}")
            if facts.content_type not in DECODABLE:
                return None
            decoded = self._decoders.decode(view)
        if decoded.fate is Fate.TOO_LARGE:
            findings.n_not_decoded += 1
        elif decoded.fate is not Fate.DECODED:
            return damage_of(Problem.UNDECODABLE, record, decoded.reason)
        return None

    def _check_document(
        self, findings: ShardFindings, record: Record, leaf_fd: int
    ) -> Damage | None:
        path = media_path(record.photo_id, "json")
        said = f"JSON of item {record.photo_id} with {say_bytes(record.n_bytes, record.sha256)}"
        try:
            content = read_file(self._mirror.disk, leaf_fd, document_name(record.photo_id))
        except FileNotFoundError:
            return Damage(Problem.JSON_MISSING, path, said, "no file", record.shard, record)
        disagreement = compare_document(content, record)
        if disagreement is not None:
            return Damage(Problem.JSON_CHANGED, path, said, disagreement, record.shard, record)
        if self._with_manifest:
            findings.manifest.append(f"{hashlib.sha256(content).hexdigest()}  {path}")
        return None

    def _find_strays(
        self,
        findings: ShardFindings,
        parts: tuple[str, ...],
        leaf_fd: int,
        latest: Mapping[int, Record],
    ) -> None:
        """Sort out the names in a directory that no stored item accounts for."""
        with target_errors(f"list {self._mirror.name(*parts)}"):
            names = set(list_names(leaf_fd))
        for name in sorted(names):
            stray = find_stray(
                name, parts, latest, lambda photo_id: _exists(leaf_fd, document_name(photo_id))
            )
            path = "/".join((*parts, name))
            if stray:
                damage = Damage(Problem.EXTRA, path, "no such file", stray, findings.shard)
                findings.damages.append(damage)
            elif stray is not None:
                findings.orphans.append(path)


def find_stray(
    name: str,
    parts: tuple[str, ...],
    latest: Mapping[int, Record],
    has_document: Callable[[int], bool],
) -> str | None:
    """Why no run left a file behind; empty if one may have, None if a stored item has it.

    Parameters
    ----------
    name : str
    parts : tuple of str
        Where it lies, from the mirror's root.
    latest : mapping of int to Record
        The latest records of the shard.
    has_document : callable
        Whether an item has a JSON there by now.
    """
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


def latest_records(lines: Iterable[bytes]) -> dict[int, Record]:
    """The latest record of each item, from lines, oldest first."""
    latest: dict[int, Record] = {}
    for line in lines:
        record = decode_record(line)
        latest[record.photo_id] = record
    return latest


def compare_document(content: bytes, record: Record) -> str | None:
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


def damage_of(problem: Problem, record: Record, got: str) -> Damage:
    """Something wrong with an item's media."""
    expected = say_bytes(record.n_bytes, record.sha256)
    return Damage(problem, record.path or "", expected, got, record.shard, record)


def say_bytes(n_bytes: int | None, sha256: str | None) -> str:
    """Size and digest, for messages."""
    return f"{n_bytes or 0} bytes with SHA-256 {sha256 or ''}"


def ledger_damage(shard: int, n_bytes: int) -> Damage:
    """Bytes in a shard's ledger that belong to no commit."""
    path = f"{LEDGER}/{ledger_name(shard)}"
    return Damage(
        Problem.LEDGER_DAMAGED, path, "sealed commits", f"{n_bytes} bytes without a seal", shard
    )


def _exists(dir_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
