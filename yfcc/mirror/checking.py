"""Checking one shard of a mirror: every stored byte of it, and every name in its directories."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from yfcc.errors import TargetError
from yfcc.media.decode import Decoders
from yfcc.mirror.disk import target_errors
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import (
    directory_parts,
    document_name,
    extension_in,
    media_name,
    media_path,
)
from yfcc.mirror.record import Record
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import list_names, open_regular_file, read_file
from yfcc.mirror.verdicts import (
    ShardTask,
    check_content,
    check_document,
    damage_of,
    leaf_parts,
    read_records,
    say_bytes,
    sort_out,
)
from yfcc.model import id_prefix

#: Errors that tell of one file, not of the disk: a bad sector, a link, a directory.
_OF_ONE_FILE: Final = frozenset({errno.EIO, errno.ELOOP, errno.ENOTDIR, errno.EISDIR})

_READ_BYTES: Final = 1 << 18


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
        latest, stored = read_records(self._mirror, task, findings)
        by_leaf: dict[int, list[Record]] = defaultdict(list)
        for record in stored:
            by_leaf[int("".join(id_prefix(record.photo_id)))].append(record)
        for leaf in sorted(by_leaf.keys() | set(task.leaves or ())):
            parts = leaf_parts(leaf)
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
            return check_content(view, record, extension, self._decoders, findings)

    def _check_document(
        self, findings: ShardFindings, record: Record, leaf_fd: int
    ) -> Damage | None:
        content: bytes | None
        try:
            content = read_file(self._mirror.disk, leaf_fd, document_name(record.photo_id))
        except FileNotFoundError:
            content = None
        damage = check_document(content, record, "no file")
        if damage is None and content is not None and self._with_manifest:
            path = media_path(record.photo_id, "json")
            findings.manifest.append(f"{hashlib.sha256(content).hexdigest()}  {path}")
        return damage

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
        sort_out(names, parts, latest, lambda each: _exists(leaf_fd, document_name(each)), findings)


def _exists(dir_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
