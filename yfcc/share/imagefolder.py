"""Folders of pictures with ``metadata.jsonl``, as Hugging Face's ``datasets`` loads them."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

import orjson

from yfcc.catalog.publish import fsync_directory
from yfcc.share.copies import Copy
from yfcc.share.export_folder import ExportFolder
from yfcc.share.pieces import Piece
from yfcc.share.stored import StoredItem

TRAIN: Final = "train"
METADATA: Final = f"{TRAIN}/metadata.jsonl"

_N_SYNCS: Final = 16

_COLUMNS: Final = (
    *("photo_id", "width", "height", "license", "duties", "changes", "title"),
    *("date_taken", "longitude", "latitude", "user_tags", "sha256"),
)
_CREDITS: Final = ("author", "author_url", "source_url", "license_name", "license_url")


class ImageFolder:
    """Writes pieces as folders."""

    form = "imagefolder"

    def path_of(self, piece: Piece) -> str:
        """``train/000000``."""
        return f"{TRAIN}/{piece.name}"

    def takes(self, item: StoredItem) -> bool:
        """Whether the item is a picture."""
        return (item.record.content_type or "").startswith("image/")

    def begin(self, part: Path) -> FolderWriter:
        """Begin a folder."""
        return FolderWriter(part)

    def finish(self, folder: ExportFolder, n_pieces: int) -> tuple[str, ...]:
        """Write ``train/metadata.jsonl``."""
        with folder.new_file(METADATA) as sink:
            for _, rows in folder.iter_indexes(n_pieces):
                for row in rows:
                    sink.write(orjson.dumps(_describe(row), option=orjson.OPT_APPEND_NEWLINE))
        return (METADATA,)


class FolderWriter:
    """Writes one folder.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n_bytes = 0
        path.mkdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, copy: Copy) -> None:
        """Write a picture."""
        with (self._path / f"{copy.photo_id}.{copy.extension}").open("xb", buffering=0) as file:
            view = memoryview(copy.media)
            while view:
                view = view[file.write(view) :]
        self._n_bytes += len(copy.media)

    def finish(self) -> tuple[int, None]:
        """Make all pictures durable.

        Only now: the system has had time to write most of them, and takes the rest together.
        """
        # Side by side: the journal of the file system takes several in one commit.
        with ThreadPoolExecutor(_N_SYNCS) as executor:
            for _ in executor.map(_sync, self._path.iterdir()):
                pass
        fsync_directory(self._path)
        return self._n_bytes, None


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    """A picture's row, flat; ``text`` is the caption, as the loaders of others call it."""
    return (
        {"file_name": row["path"].removeprefix(f"{TRAIN}/"), "text": row["caption"]}
        | {name: row[name] for name in _COLUMNS}
        | {name: row["attribution"].get(name) for name in _CREDITS}
    )
