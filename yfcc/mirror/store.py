"""Where media and their JSON are kept: a narrow interface, and the local disk behind it."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol

from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import (
    MEDIA,
    PART_SUFFIX,
    PROBE_PREFIX,
    TMP,
    check_extension,
    directory_parts,
    document_name,
    media_name,
)
from yfcc.mirror.part import Part, SpillFile
from yfcc.mirror.root import Mirror
from yfcc.mirror.staging import Staging
from yfcc.mirror.tree import (
    NEW_READABLE_FILE,
    PUBLIC_FILE_MODE,
    open_directory,
    open_regular_file,
    read_file,
)

_READ_BYTES: Final = 1 << 18


#: Directories for unfinished files. XFS keeps a file where its first directory was made, and
#: spreads directories over the disk: with one directory all media would crowd in one corner.
N_LANES: Final = 16


@dataclass(frozen=True, slots=True)
class Publication:
    """An item's media and JSON, to appear together.

    Attributes
    ----------
    photo_id : int
        The item.
    extension : str
        Of the media file.
    part : Part
        The media's bytes.
    document : bytes
        The JSON's bytes.
    """

    photo_id: int
    extension: str
    part: Part
    document: bytes


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Size in bytes and SHA-256 (lower-case hex) of a stored file."""

    n_bytes: int
    sha256: str


class Store(Protocol):
    """What a mirror needs of the place that keeps its files."""

    def new_part(self) -> Part:
        """An empty sink for one item's bytes."""

    def publish(self, publications: Sequence[Publication]) -> None:
        """Make items appear under their final names; all are durable on return.

        Each file appears whole or not at all, an item's JSON before its media: no media file
        exists that no JSON names, and publishing again is harmless.

        Raises
        ------
        TargetError
            Some may have appeared; none may be recorded.
        """

    def keep_names(self, photo_ids: Iterable[int]) -> None:
        """Make durable that items are under their final names, whoever put them there.

        Raises
        ------
        TargetError
            None of them may be recorded.
        """

    def read_document(self, photo_id: int) -> bytes | None:
        """An item's JSON, or None if it has none."""

    def measure_media(self, photo_id: int, extension: str) -> StoredFile | None:
        """Size and digest of an item's media file, read again; None if it has none."""

    def remove(self, photo_id: int, names: Iterable[str]) -> None:
        """Remove files of an item, durably; those that are missing do not matter.

        Parameters
        ----------
        names : iterable of str
            As :func:`~yfcc.mirror.layout.media_name` and ``document_name`` make them.
        """

    def probe(self) -> None:
        """Try out, before any traffic, all that a run will do.

        Raises
        ------
        TargetError
            It would not work.
        """

    def measure_space(self) -> tuple[int, int]:
        """Bytes free and bytes in all."""


#: Directories below ``media`` that are open, by their names on the way.
_Opened = dict[tuple[str, ...], int]

#: Directories on the way from ``media`` to an item's files.
_N_LEVELS: Final = 2


class LocalStore:
    """A mirror's folder as a store; safe for use by many threads.

    Parameters
    ----------
    mirror : Mirror
        An open mirror.
    run_id : str
        Whose directory below ``tmp`` takes the unfinished files; the claim made it.
    """

    def __init__(self, mirror: Mirror, run_id: str) -> None:
        self._mirror = mirror
        self._disk = mirror.disk
        self._run_id = run_id
        self._number = itertools.count()
        # Which directories' own names this process has made durable: the second level by its
        # six digits, the first by its three.
        self._anchored_leaves = bytearray(1_000_000)
        self._anchored_tops = bytearray(1_000)

    def new_part(self) -> Part:
        """An empty sink for one item's bytes."""
        return Part(self._disk, self._open_spill, self._drop_spill)

    def publish(self, publications: Sequence[Publication]) -> None:
        """Make items appear under their final names; all are durable on return."""
        with target_errors(f"store media in {self._mirror.root}"), ExitStack() as cleanup:
            staging = self._open_staging(cleanup)
            opened: _Opened = {}
            for publication in publications:
                leaf_fd = self._open_below_media(
                    cleanup, opened, directory_parts(publication.photo_id)[1:]
                )
                self._stage(cleanup, staging, publication, leaf_fd)
            staging.publish()
            self._sync_names(opened)

    def keep_names(self, photo_ids: Iterable[int]) -> None:
        """Make durable that items are under their final names, whoever put them there."""
        with target_errors(f"sync folders of {self._mirror.root}"), ExitStack() as cleanup:
            opened: _Opened = {}
            for photo_id in photo_ids:
                self._open_below_media(cleanup, opened, directory_parts(photo_id)[1:])
            self._sync_names(opened)

    def _open_below_media(self, cleanup: ExitStack, opened: _Opened, parts: tuple[str, ...]) -> int:
        """Descriptor of a directory below ``media``, made if it is missing, opened once."""
        fd = opened.get(parts)
        if fd is None:
            if parts:
                parent_fd = self._open_below_media(cleanup, opened, parts[:-1])
                fd = open_directory(self._disk, parent_fd, parts[-1:], create=True)
            else:
                fd = self._mirror.open_directory(MEDIA, create=True)
            opened[parts] = fd
            cleanup.callback(os.close, fd)
        return fd

    def _open_staging(self, cleanup: ExitStack) -> Staging:
        tmp_fd = self._open_lane(self._next_lane())
        cleanup.callback(os.close, tmp_fd)
        return cleanup.enter_context(Staging(self._disk, tmp_fd))

    def _stage(
        self, cleanup: ExitStack, staging: Staging, publication: Publication, leaf_fd: int
    ) -> None:
        photo_id, part = publication.photo_id, publication.part
        name = media_name(photo_id, check_extension(publication.extension))
        staging.write(self._new_name(), publication.document, leaf_fd, document_name(photo_id))
        spill = part.give_up_spill()
        if spill is None:
            staging.write(self._new_name(), part.view(), leaf_fd, name)
        else:
            lane_fd = self._open_lane(spill.lane)
            cleanup.callback(os.close, lane_fd)
            staging.take_over(spill, lane_fd, leaf_fd, name)

    def _sync_names(self, opened: _Opened) -> None:
        """Make the new names durable: those of files, and those of directories up to the root.

        A directory that was there may still be new, made a moment ago by another thread, or by
        a run that was killed before it could sync: its own name is synced once a run.
        """
        leaves = [parts for parts in opened if len(parts) == _N_LEVELS]
        for parts in leaves:
            self._disk.fsync(opened[parts])
        new = [parts for parts in leaves if not self._anchored_leaves[int("".join(parts))]]
        tops = sorted({parts[0] for parts in new})
        for top in tops:
            self._disk.fsync(opened[top,])
        new_tops = [top for top in tops if not self._anchored_tops[int(top)]]
        if new_tops:
            self._disk.fsync(opened[()])
        for top in new_tops:
            self._anchored_tops[int(top)] = 1
        for parts in new:
            self._anchored_leaves[int("".join(parts))] = 1

    def read_document(self, photo_id: int) -> bytes | None:
        """An item's JSON, or None if it has none."""
        name = document_name(photo_id)
        doing = f"read {self._describe(photo_id, name)}"
        with target_errors(doing):
            if not self._may_have(photo_id, name):
                return None
        with target_errors(doing), self._leaf(photo_id) as leaf_fd:
            if leaf_fd is None:
                return None
            try:
                return read_file(self._disk, leaf_fd, name)
            except FileNotFoundError:
                return None

    def measure_media(self, photo_id: int, extension: str) -> StoredFile | None:
        """Size and digest of an item's media file, read again; None if it has none."""
        name = media_name(photo_id, check_extension(extension))
        with target_errors(f"read {self._describe(photo_id, name)}"):
            with self._leaf(photo_id) as leaf_fd:
                if leaf_fd is None:
                    return None
                try:
                    fd = open_regular_file(self._disk, leaf_fd, name)
                except FileNotFoundError:
                    return None
            return _measure(fd)

    def remove(self, photo_id: int, names: Iterable[str]) -> None:
        """Remove files of an item, durably; those that are missing do not matter."""
        doing = f"remove files of item {photo_id} from {self._mirror.root}"
        with target_errors(doing), self._leaf(photo_id) as leaf_fd:
            if leaf_fd is None:
                return
            for name in names:
                with suppress(FileNotFoundError):
                    self._disk.unlink(name, dir_fd=leaf_fd)
            self._disk.fsync(leaf_fd)

    def probe(self) -> None:
        """Write, sync and rename a small file the way media will be."""
        with target_errors(f"write to {self._mirror.root}"), ExitStack() as cleanup:
            media_fd = self._mirror.open_directory(MEDIA, create=True)
            cleanup.callback(os.close, media_fd)
            name = PROBE_PREFIX + self._run_id
            staging = self._open_staging(cleanup)
            staging.write(self._new_name(), b"may be deleted\n", media_fd, name)
            staging.publish()
            self._disk.unlink(name, dir_fd=media_fd)

    def measure_space(self) -> tuple[int, int]:
        """Bytes free and bytes in all."""
        with target_errors(f"measure the space left in {self._mirror.root}"):
            return self._disk.measure_space(self._mirror.fd)

    def _may_have(self, photo_id: int, name: str) -> bool:
        """Whether an item may have a file: asked of every new item, and answered in one call.

        Links on the way are followed here: what is there is opened step by step afterwards.
        """
        path = "/".join((*directory_parts(photo_id), name))
        try:
            os.stat(path, dir_fd=self._mirror.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:
            pass  # said where it is opened
        return True

    @contextmanager
    def _leaf(self, photo_id: int) -> Iterator[int | None]:
        """Descriptor of an item's directory, or None if that is missing."""
        try:
            fd = self._mirror.open_directory(*directory_parts(photo_id))
        except FileNotFoundError:
            yield None
            return
        try:
            yield fd
        finally:
            os.close(fd)

    def _describe(self, photo_id: int, name: str) -> str:
        return self._mirror.name(*directory_parts(photo_id), name)

    def _new_name(self) -> str:
        # The directories are the run's own, so a number is unique.
        return f"{next(self._number)}{PART_SUFFIX}"

    def _next_lane(self) -> str:
        return f"{next(self._number) % N_LANES:x}"

    def _open_lane(self, lane: str) -> int:
        return self._mirror.open_directory(TMP, self._run_id, lane, create=True)

    def _open_spill(self) -> SpillFile:
        lane, name = self._next_lane(), self._new_name()
        with target_errors(f"write {self._mirror.name(TMP, self._run_id, lane, name)}"):
            tmp_fd = self._open_lane(lane)
            try:
                fd = self._disk.open(name, NEW_READABLE_FILE, PUBLIC_FILE_MODE, dir_fd=tmp_fd)
            finally:
                os.close(tmp_fd)
        return SpillFile(fd, lane, name)

    def _drop_spill(self, spill: SpillFile) -> None:
        with suppress(OSError):  # the sweep at the end of the run removes it too
            os.close(spill.fd)
            tmp_fd = self._mirror.open_directory(TMP, self._run_id, spill.lane)
            try:
                self._disk.unlink(spill.name, dir_fd=tmp_fd)
            finally:
                os.close(tmp_fd)


def _measure(fd: int) -> StoredFile:
    """Size and digest of an open file, which is closed."""
    digest = hashlib.sha256()
    n_bytes = 0
    buffer = memoryview(bytearray(_READ_BYTES))
    with open(fd, "rb", buffering=0) as file:
        while n_read := file.readinto(buffer):
            digest.update(buffer[:n_read])
            n_bytes += n_read
    return StoredFile(n_bytes, digest.hexdigest())
