"""Tar archives as the webdataset library reads them: ``ID.jpg``, ``ID.json`` and ``ID.txt``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import orjson

from yfcc.share.copies import Copy
from yfcc.share.export_folder import ExportFolder
from yfcc.share.pieces import Piece
from yfcc.share.stored import StoredItem
from yfcc.share.ustar import END, MAX_MEMBER_BYTES, build_header, build_padding

SHARDS: Final = "shards"


class WebDataset:
    """Writes pieces as archives; their members have no order but the items' own."""

    form = "webdataset"

    def path_of(self, piece: Piece) -> str:
        """``shards/000000.tar``."""
        return f"{SHARDS}/{piece.name}.tar"

    def takes(self, item: StoredItem) -> bool:
        """Whether the item fits into an archive."""
        return (item.record.n_bytes or 0) <= MAX_MEMBER_BYTES

    def begin(self, part: Path) -> TarWriter:
        """Begin an archive."""
        return TarWriter(part)

    def finish(self, folder: ExportFolder, n_pieces: int) -> tuple[str, ...]:
        """Nothing is lacking."""
        return ()


class TarWriter:
    """Writes one archive, each item in one call of the system.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._digest = hashlib.sha256()
        self._n_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, copy: Copy) -> None:
        """Append the three members of a sample."""
        document = orjson.dumps(copy.document)
        caption = copy.caption.encode()
        # Readers stop collecting a sample where the next name begins: its members stand together.
        small = b"".join(
            (
                *(build_header(f"{copy.photo_id}.json", len(document)), document),
                *(build_padding(len(document)), build_header(f"{copy.photo_id}.txt", len(caption))),
                *(caption, build_padding(len(caption))),
                build_header(f"{copy.photo_id}.{copy.extension}", len(copy.media)),
            )
        )
        self._write([small, copy.media, build_padding(len(copy.media))])

    def finish(self) -> tuple[int, str]:
        """End the archive, durably."""
        self._write([END])
        os.fsync(self._file.fileno())
        return self._n_bytes, self._digest.hexdigest()

    def _write(self, buffers: Sequence[bytes]) -> None:
        for each in buffers:
            self._digest.update(each)
        n_bytes = sum(map(len, buffers))
        n_written = os.writev(self._file.fileno(), buffers)
        if n_written < n_bytes:  # a full disk, or a signal: what is left, until the system objects
            rest = memoryview(b"".join(buffers))[n_written:]
            while rest:
                rest = rest[self._file.write(rest) :]
        self._n_bytes += n_bytes
