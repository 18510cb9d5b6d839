"""Tar archives as the webdataset library reads them: ``ID.jpg``, ``ID.json`` and ``ID.txt``."""

from __future__ import annotations

from typing import Self

import orjson

from yfcc.share.copies import Copy
from yfcc.share.export_place import SHARDS, ExportPlace, Finished, PieceFile
from yfcc.share.pieces import Piece
from yfcc.share.stored import StoredItem
from yfcc.share.ustar import END, MAX_MEMBER_BYTES, build_header, build_padding


class WebDataset:
    """Writes pieces as archives; their members have no order but the items' own."""

    form = "webdataset"

    def path_of(self, piece: Piece) -> str:
        """``shards/000000.tar``."""
        return f"{SHARDS}/{piece.name}.tar"

    def takes(self, item: StoredItem) -> bool:
        """Whether the item fits into an archive."""
        return (item.record.n_bytes or 0) <= MAX_MEMBER_BYTES

    def begin(self, place: ExportPlace, path: str) -> TarWriter:
        """Begin an archive."""
        return TarWriter(place.begin_file(path))

    def finish(self, place: ExportPlace, n_pieces: int) -> tuple[str, ...]:
        """Nothing is lacking."""
        return ()


class TarWriter:
    """Writes one archive, each item in one call.

    Parameters
    ----------
    file : PieceFile
    """

    def __init__(self, file: PieceFile) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

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
        self._file.write([small, copy.media, build_padding(len(copy.media))])

    def finish(self) -> Finished:
        """End the archive; it is whole, durable and in its place."""
        self._file.write([END])
        return self._file.finish()
