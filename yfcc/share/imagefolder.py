"""Folders of pictures with ``metadata.jsonl``, as Hugging Face's ``datasets`` loads them."""

from __future__ import annotations

from typing import Any, Final, Self

import orjson

from yfcc.share.copies import Copy
from yfcc.share.export_place import TRAIN, ExportPlace, Finished, PieceFolder
from yfcc.share.pieces import Piece
from yfcc.share.stored import StoredItem

METADATA: Final = f"{TRAIN}/metadata.jsonl"

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

    def begin(self, place: ExportPlace, path: str) -> FolderWriter:
        """Begin a folder."""
        return FolderWriter(place.begin_folder(path))

    def finish(self, place: ExportPlace, n_pieces: int) -> tuple[str, ...]:
        """Write ``train/metadata.jsonl``."""
        with place.new_file(METADATA) as sink:
            for _, rows in place.iter_indexes(n_pieces):
                for row in rows:
                    sink.write(orjson.dumps(_describe(row), option=orjson.OPT_APPEND_NEWLINE))
        return (METADATA,)


class FolderWriter:
    """Writes one folder.

    Parameters
    ----------
    folder : PieceFolder
    """

    def __init__(self, folder: PieceFolder) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.__exit__(*error)

    def add(self, copy: Copy) -> None:
        """Write a picture."""
        self._folder.add(f"{copy.photo_id}.{copy.extension}", copy.media)

    def finish(self) -> Finished:
        """Make all pictures durable; the folder is whole and in its place."""
        return self._folder.finish()


def _describe(row: dict[str, Any]) -> dict[str, Any]:
    """A picture's row, flat; ``text`` is the caption, as the loaders of others call it.

    ``text_raw`` is the caption as its author wrote it.
    """
    return (
        {
            "file_name": row["path"].removeprefix(f"{TRAIN}/"),
            "text": row["caption"],
            # An index that an earlier version wrote has the caption alone.
            "text_raw": row.get("caption_raw"),
        }
        | {name: row[name] for name in _COLUMNS}
        | {name: row["attribution"].get(name) for name in _CREDITS}
    )
