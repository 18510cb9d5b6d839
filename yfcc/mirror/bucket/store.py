"""Media and their JSON in a bucket."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

from yfcc.errors import TargetError
from yfcc.mirror.bucket.folders import Folders
from yfcc.mirror.bucket.objects import LARGE_BYTES
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.disk import Disk, target_errors
from yfcc.mirror.layout import (
    LEDGER,
    LOCKS,
    check_extension,
    directory_parts,
    document_name,
    media_name,
    media_path,
)
from yfcc.mirror.part import Part, SpillFile
from yfcc.mirror.store import Publication, StoredFile

#: A bucket has no end.
_SPACE: Final = 1 << 62


class BucketStore:
    """A mirror's prefix of a bucket as a store; safe for use by many threads.

    Large items wait in the system's temporary directory until they are whole.

    Parameters
    ----------
    mirror : BucketMirror
    run_id : str
        Names the objects that are tried out.
    """

    def __init__(self, mirror: BucketMirror, run_id: str) -> None:
        self._mirror = mirror
        self._objects = mirror.objects
        self._run_id = run_id
        self._folders = Folders(mirror.objects)

    def new_part(self) -> Part:
        """An empty sink for one item's bytes."""
        return new_part()

    def publish(self, publications: Sequence[Publication]) -> None:
        """Make items appear under their final names; all are durable on return."""
        self._mirror.run_all([partial(self._publish_item, each) for each in publications])

    def _publish_item(self, publication: Publication) -> None:
        photo_id, part = publication.photo_id, publication.part
        folder = "/".join(directory_parts(photo_id))
        self._objects.put(f"{folder}/{document_name(photo_id)}", publication.document)
        key = f"{folder}/{media_name(photo_id, check_extension(publication.extension))}"
        if part.n_bytes >= LARGE_BYTES:
            self._objects.put_large(key, part.view())
        else:
            self._objects.put(key, bytes(part.view()))

    def keep_names(self, photo_ids: Iterable[int]) -> None:
        """Nothing: an object that can be read is durable."""

    def read_document(self, photo_id: int) -> bytes | None:
        """An item's JSON, or None if it had none when its folder was first looked at."""
        folder, name = "/".join(directory_parts(photo_id)), document_name(photo_id)
        if not self._folders.has(folder, name):
            return None
        return self._objects.get(f"{folder}/{name}")

    def measure_media(self, photo_id: int, extension: str) -> StoredFile | None:
        """Size and digest of an item's media, read again; None if it has none."""
        measured = self._objects.measure(media_path(photo_id, check_extension(extension)))
        return None if measured is None else StoredFile(*measured)

    def remove(self, photo_id: int, names: Iterable[str]) -> None:
        """Remove objects of an item; those that are missing do not matter."""
        folder = "/".join(directory_parts(photo_id))
        self._objects.delete(f"{folder}/{name}" for name in names)

    def probe(self) -> None:
        """Try out what a run relies on: writing, writing once, reading, removing.

        Raises
        ------
        TargetError
            It would not work.
        """
        key = f"{LEDGER}/{LOCKS}/{self._run_id}.probe"
        content = b"may be deleted\n"
        etag = self._objects.create(key, content)
        is_kept = self._objects.create(key, content + b"twice\n") is None
        read = self._objects.get(key)
        self._objects.delete([key])
        if etag is None or not is_kept or read != content:
            raise TargetError(
                f"{self._mirror.root}: the object store replaced an object though it was asked "
                "not to (If-None-Match: *), so two runs could spoil each other's records. Use a "
                "store that knows conditional writes: Amazon S3, MinIO, Ceph, R2."
            )

    def measure_space(self) -> tuple[int, int]:
        """Bytes free and bytes in all: always enough."""
        return _SPACE, _SPACE


def new_part() -> Part:
    """An empty sink for the bytes of one item; large ones lie in the temporary directory."""
    return Part(Disk(), _open_spill, _drop_spill)


def _open_spill() -> SpillFile:
    with target_errors(f"write a large item to {tempfile.gettempdir()}"):
        fd, path = tempfile.mkstemp(prefix="yfcc-")
        os.unlink(path)  # noqa: PTH108 - the descriptor keeps the file, and nothing is left behind
    return SpillFile(fd, "", path)


def _drop_spill(spill: SpillFile) -> None:
    os.close(spill.fd)
