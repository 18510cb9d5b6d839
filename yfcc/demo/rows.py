"""The synthetic rows of the four metadata files, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from yfcc.demo.autotag_lines import autotag_values
from yfcc.demo.dataset_lines import dataset_lines, dataset_lines_v1, draw_dataset_rows, hash_lines
from yfcc.demo.draws import CHUNK_ROWS, ChunkDraws, Stream, draw_chunk
from yfcc.demo.exif_lines import exif_values
from yfcc.demo.identifiers import FIRST_ORPHAN_ID
from yfcc.demo.place_lines import place_values

#: Part of what makes a sample the same sample: raise it when the rows of a seed change.
ROWS_VERSION: Final = 2


@dataclass(frozen=True)
class SampleShape:
    """How the metadata files are laid out.

    Attributes
    ----------
    layout : {"v2", "v1"}
        25 columns, or 23 and a hash pack.
    pack_order : {"dataset", "id"}
        Whether packs follow the dataset or are sorted by id; the latter is for files alone.
    empty_rows : bool
        Whether packs list the items that have nothing.
    missing_share : float
        (0 to 1) of the rows of each pack that is left out.
    orphan_share : float
        (0 to 1) of the dataset's rows that is added to each pack, of unknown ids.
    """

    layout: Literal["v2", "v1"] = "v2"
    pack_order: Literal["dataset", "id"] = "dataset"
    empty_rows: bool = True
    missing_share: float = 0.0
    orphan_share: float = 0.0


#: As the v2 readme promises: every pack lists every id in the dataset's order.
ALIGNED: Final = SampleShape()
#: As one autotags file in the wild.
SORTED_BY_ID: Final = SampleShape(pack_order="id", empty_rows=False)
V1: Final = SampleShape(layout="v1")


@dataclass(frozen=True)
class RowChunk:
    """Whole lines of neighbouring items; bytes of ASCII, each line with its line feed.

    Attributes
    ----------
    dataset, autotags, exif, places : bytes
        One line an item with an aligned shape.
    n_rows : int
        Lines of the dataset.
    hashes : bytes
        The hash pack of v1, else empty.
    """

    dataset: bytes
    autotags: bytes
    exif: bytes
    places: bytes
    n_rows: int
    hashes: bytes = b""


def iter_row_chunks(n_items: int, seed: int, shape: SampleShape = ALIGNED) -> Iterator[RowChunk]:
    """Generate the rows of a sample, `CHUNK_ROWS` items at a time.

    Row i depends on the seed and ``i // CHUNK_ROWS`` only, so that a shorter sample is the head
    of a longer one. Packs come in the dataset's order, whatever the shape's `pack_order`.
    """
    for first in range(0, n_items, CHUNK_ROWS):
        n_rows = min(CHUNK_ROWS, n_items - first)
        yield _build_chunk(draw_chunk(seed, first // CHUNK_ROWS), n_rows, shape)


def _build_chunk(draws: ChunkDraws, n_rows: int, shape: SampleShape) -> RowChunk:
    rows = draw_dataset_rows(draws, n_rows)
    ids = [str(row.photo_id) for row in rows]
    autotags, exif, places = (
        _pack_lines(draws, ids, values, shape, pack)
        for pack, values in enumerate(
            (autotag_values(draws, n_rows), exif_values(draws, n_rows), place_values(draws, n_rows))
        )
    )
    if shape.layout == "v1":
        dataset, hashes = dataset_lines_v1(rows), hash_lines(rows)
    else:
        dataset, hashes = dataset_lines(rows, draws.chunk_index * CHUNK_ROWS), b""
    return RowChunk(dataset, autotags, exif, places, n_rows, hashes)


def _pack_lines(
    draws: ChunkDraws, ids: list[str], values: list[str], shape: SampleShape, pack: int
) -> bytes:
    """``id<TAB>value`` lines, with what the shape leaves out and adds."""
    pairs = list(zip(ids, values, strict=True))
    if shape.missing_share or shape.orphan_share:
        pairs = _tear_pack(draws, pairs, shape, pack)
    if not shape.empty_rows:
        pairs = [(photo_id, value) for photo_id, value in pairs if value]
    return "".join([f"{photo_id}\t{value}\n" for photo_id, value in pairs]).encode("ascii")


def _tear_pack(
    draws: ChunkDraws, pairs: list[tuple[str, str]], shape: SampleShape, pack: int
) -> list[tuple[str, str]]:
    """Leave out some rows of a pack, and add rows of ids that no dataset has."""
    missing, orphan = draws.stream(Stream.SHAPE).random((3, 2, CHUNK_ROWS))[pack]
    first_orphan_id = FIRST_ORPHAN_ID + draws.chunk_index * CHUNK_ROWS
    torn = []
    for row, (photo_id, value) in enumerate(pairs):
        if missing[row] >= shape.missing_share:
            torn.append((photo_id, value))
        if orphan[row] < shape.orphan_share:
            torn.append((str(first_orphan_id + row), value))
    return torn
