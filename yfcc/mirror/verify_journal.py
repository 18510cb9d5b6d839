"""How far a verification has come, kept in the mirror so that one that was killed goes on.

The journal (:mod:`yfcc.mirror.journal`) begins with a line that says what is verified, and gets a
line for every shard that was checked to its end. It is emptied when the verification is done. The
manifest, a file on this machine, grows beside its final name, and each line of the journal says how
far it belongs to it, and what its bytes add up to.

Lines are not synced, for a power cut may cost some reading again: what it tears or empties, in
journal or manifest, doesn't count. That a journal was emptied is synced, or the progress of a
verification that is done would come back, and what it read would not be read by the next.
"""

from __future__ import annotations

import os
import zlib
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from yfcc.errors import TargetError
from yfcc.mirror.check_child import CheckOptions
from yfcc.mirror.clock import Clock, SystemClock, format_utc
from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.findings import ShardFindings
from yfcc.mirror.journal import empty_journal, is_unwritable, open_journal
from yfcc.mirror.layout import PART_SUFFIX
from yfcc.mirror.root import AnyMirror, Mirror

_THING: Final = "verify"

#: What was read longer ago than this is read again.
_MAX_AGE: Final = timedelta(days=7)

_READ_BYTES: Final = 1 << 20

#: Seconds between two writes of the journal to a bucket.
SAVE_EVERY_S: Final = 5.0


class ManifestFile:
    """A manifest that grows beside its final name: ``sha256sum -c`` reads it in the mirror's root.

    For a mirror in a bucket that is the root of a copy of it.

    Parameters
    ----------
    path : Path
        The final name.
    disk : Disk
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path.absolute()
        self._part = self._path.with_name(self._path.name + PART_SUFFIX)
        self._disk = disk
        with target_errors(f"write {self._part}"):
            self._dir_fd = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._fd = disk.open(self._part.name, flags, 0o644, dir_fd=self._dir_fd)
        self.n_bytes = os.fstat(self._fd).st_size
        self.crc32 = 0
        self._n_read = 0

    def holds(self, n_bytes: int, crc32: int) -> bool:
        """Whether so many bytes are there, and add up; to be asked for in growing order."""
        with target_errors(f"read {self._part}"):
            while self._n_read < n_bytes:
                piece = os.pread(self._fd, min(_READ_BYTES, n_bytes - self._n_read), self._n_read)
                if not piece:
                    return False
                self.crc32 = zlib.crc32(piece, self.crc32)
                self._n_read += len(piece)
        return self.crc32 == crc32

    def cut(self, n_bytes: int, crc32: int) -> None:
        """Forget all lines after so many bytes, which add up to that."""
        with target_errors(f"write {self._part}"):
            self._disk.truncate(self._fd, n_bytes)
        self.n_bytes, self.crc32 = n_bytes, crc32

    def add(self, lines: list[str]) -> None:
        """Append lines."""
        content = "".join(f"{line}\n" for line in lines).encode()
        with target_errors(f"write {self._part}"):
            self._disk.write_all(self._fd, content)
        self.n_bytes += len(content)
        self.crc32 = zlib.crc32(content, self.crc32)

    def publish(self) -> None:
        """Put the manifest under its final name, durably."""
        with target_errors(f"write {self._path}"):
            self._disk.fsync(self._fd)
            self._disk.rename(
                self._part.name, self._path.name, from_fd=self._dir_fd, to_fd=self._dir_fd
            )
            self._disk.fsync(self._dir_fd)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._fd)
        os.close(self._dir_fd)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is verified: a journal that says something else is begun anew.

    Attributes
    ----------
    options : CheckOptions
    shards : str
        Which shards.
    manifest : str or None
        Where the manifest goes, an absolute path.
    """

    options: CheckOptions
    shards: str
    manifest: str | None = None


class VerifyJournal:
    """The journal of one verification, held by this process until it is closed.

    Parameters
    ----------
    mirror : Mirror or BucketMirror
    asked : Asked
    restart : bool
        Do not go on where an earlier verification was.
    clock : Clock, optional
    save_every_s : float
        Seconds between two writes to a bucket.

    Attributes
    ----------
    done : list of ShardFindings
        What an earlier verification found, with which this one goes on.

    Raises
    ------
    LockedError
        Another verification is under way.
    TargetError
        The mirror, or the manifest, cannot be written.
    """

    def __init__(
        self,
        mirror: AnyMirror,
        asked: Asked,
        *,
        restart: bool = False,
        clock: Clock | None = None,
        save_every_s: float = SAVE_EVERY_S,
    ) -> None:
        self._asked = asked
        self._clock = clock or SystemClock()
        self.done: list[ShardFindings] = []
        self._manifest = None
        self._is_cut_short = False
        with ExitStack() as on_error:
            self._journal = open_journal(mirror, _THING, "verified", save_every_s)
            on_error.callback(self._journal.close)
            if asked.manifest is not None:
                disk = mirror.disk if isinstance(mirror, Mirror) else Disk()
                self._manifest = ManifestFile(Path(asked.manifest), disk)
                on_error.callback(self._manifest.close)
            if restart or not self._take_up():
                self._begin()
            on_error.pop_all()

    def _take_up(self) -> bool:
        """Take in what an earlier verification found; False if it cannot be gone on with."""
        lines = self._journal.read()
        header = next(lines, b"")
        end, manifest_end = len(header) + 1, (0, 0)
        if not self._is_ours(_parse(header)):
            return False
        for line in lines:
            found = _parse(line)
            try:
                size, crc32 = found.pop("manifest_end"), found.pop("manifest_crc32")
                if self._manifest is not None and not self._manifest.holds(size, crc32):
                    break
                findings = ShardFindings.from_json(found)
            except (KeyError, TypeError, ValueError):
                break  # torn by a power cut: what follows counts no more
            self.done.append(findings)
            end += len(line) + 1
            manifest_end = size, crc32
        self._journal.cut(end)
        if self._manifest is not None:
            self._manifest.cut(*manifest_end)
        return True

    def _is_ours(self, header: dict[str, Any]) -> bool:
        oldest = format_utc(self._clock.now_utc() - _MAX_AGE)
        return header.pop("started", "") > oldest and header == asdict(self._asked)

    def _begin(self) -> None:
        self.done.clear()
        if self._manifest is not None:
            self._manifest.cut(0, 0)
        self._journal.cut(0)
        started = format_utc(self._clock.now_utc())
        self._write({**asdict(self._asked), "started": started})

    def _write(self, line: dict[str, Any]) -> None:
        if self._is_cut_short:
            return
        try:
            self._journal.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        except TargetError as error:
            if not is_unwritable(error):
                raise
            self._is_cut_short = True  # a full disk can be verified, if in one go

    def add(self, findings: ShardFindings) -> None:
        """Take note of a shard that was checked to its end."""
        if self._manifest is not None:
            self._manifest.add(findings.manifest)
        findings.manifest.clear()
        kept = self._manifest
        end = (kept.n_bytes, kept.crc32) if kept is not None else (0, 0)
        self._write({**findings.to_json(), "manifest_end": end[0], "manifest_crc32": end[1]})

    def finish(self) -> None:
        """Publish the manifest and forget the progress: the next verification reads all again."""
        if self._manifest is not None:
            self._manifest.publish()
        self._journal.cut(0)

    def close(self) -> None:
        """Let go of the lock; progress stays."""
        self._journal.close()
        if self._manifest is not None:
            self._manifest.close()


def drop_verify_progress(mirror: AnyMirror) -> None:
    """A verification that was cut short begins anew: its journal may tell of removed items.

    Raises
    ------
    TargetError
        The mirror cannot be written.
    """
    empty_journal(mirror, _THING)


def _parse(line: bytes) -> dict[str, Any]:
    with suppress(orjson.JSONDecodeError):
        found = orjson.loads(line)
        if isinstance(found, dict):
            return found
    return {}
