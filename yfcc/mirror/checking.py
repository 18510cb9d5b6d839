"""Checking one shard of a mirror: every stored byte of it, and every name in its directories."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

from yfcc.errors import TargetError
from yfcc.media.decode import Decoders
from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import directory_parts, document_name, extension_in, media_name
from yfcc.mirror.record import Record
from yfcc.mirror.root import Mirror
from yfcc.mirror.tree import list_names, open_regular_file, read_file
from yfcc.mirror.verdicts import (
    ShardTask,
    Verdict,
    add_verdict,
    damage_of,
    judge,
    leaf_parts,
    read_records,
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
                    add_verdict(findings, record, self._check(record, leaf_fd))
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
        with self._open_leaf(directory_parts(record.photo_id)) as leaf_fd:
            return self._check(record, leaf_fd).damage

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

    def _check(self, record: Record, leaf_fd: int | OSError) -> Verdict:
        extension = extension_in(record.path or "", record.photo_id)
        if extension is None:
            return Verdict(damage_of(Problem.MISSING, record, "no path that an item can have"))
        try:
            with target_errors(f"read {self._mirror.name(record.path or '')}"):
                if isinstance(leaf_fd, OSError):
                    raise leaf_fd
                disk, name = self._mirror.disk, media_name(record.photo_id, extension)
                fd = open_regular_file(disk, leaf_fd, name)
                try:
                    files = _OpenFiles(disk, leaf_fd, fd, record.photo_id, self._buffer)
                    with_manifest = self._with_manifest
                    return judge(files, record, self._decoders, with_manifest=with_manifest)
                finally:
                    os.close(fd)
        except TargetError as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError):
                return Verdict(damage_of(Problem.MISSING, record, _OpenFiles.absence))
            if not isinstance(cause, OSError) or cause.errno not in _OF_ONE_FILE:
                raise
            return Verdict(damage_of(Problem.UNREADABLE, record, str(error)))

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


@dataclass(slots=True)
class _OpenFiles:
    """An item's media, open, and its JSON in the same directory."""

    disk: Disk
    leaf_fd: int
    fd: int
    photo_id: int
    buffer: memoryview
    absence: ClassVar[str] = "no file"

    def measure(self) -> tuple[int, str]:
        """Size and SHA-256 of the media."""
        digest = hashlib.sha256()
        n_bytes = 0
        while n_read := os.readv(self.fd, [self.buffer]):
            digest.update(self.buffer[:n_read])
            n_bytes += n_read
        return n_bytes, digest.hexdigest()

    @contextmanager
    def view(self) -> Iterator[memoryview]:
        """The media's bytes, which were just read: a map of them is safe."""
        with mmap.mmap(self.fd, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as view:
            yield view

    def read_document(self) -> bytes | None:
        """The JSON; None if there is none."""
        try:
            return read_file(self.disk, self.leaf_fd, document_name(self.photo_id))
        except FileNotFoundError:
            return None


def _exists(dir_fd: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
