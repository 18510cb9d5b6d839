"""Compile every loop over the metadata's bytes once.

Otherwise the first build waits some seconds for the compiler.
"""

from __future__ import annotations

import bz2
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from yfcc.metadata.bzip2 import iter_blocks
from yfcc.metadata.dataset import parse_dataset
from yfcc.metadata.encode import encode_dataset, encode_pack
from yfcc.metadata.hashes import check_hashes
from yfcc.metadata.layouts import COLUMNS_V2, Pack
from yfcc.metadata.lines import LineChunk, iter_line_chunks
from yfcc.metadata.packs import parse_pack

_DATASET = b"\t".join(
    {"marker": b"0", "photo_id": b"1", "line_number": b"0", "user_tags": b"a,b"}.get(name, b"")
    for name in COLUMNS_V2
)
_LINES = {
    None: _DATASET,
    Pack.AUTOTAGS: b"1\tcat:0.5",
    Pack.EXIF: b"1\tEXIF.Make:A+B",
    Pack.PLACES: b"1\t1:A:Town",
    Pack.HASH: b"1\t0123456789abcdef",
}


def compile_loops() -> None:
    """Send one row of each file the way that all rows go."""
    with ThreadPoolExecutor(1) as executor:
        for pack, line in _LINES.items():
            blocks = iter_blocks([bz2.compress(line + b"\n")], executor, name="warm")
            for chunk in iter_line_chunks(blocks, "warm"):
                _parse(chunk, pack)


def _parse(chunk: LineChunk, pack: Pack | None) -> None:
    if pack:
        rows, _ = parse_pack(chunk, pack)
        ids, values = rows.table.combine_chunks().to_batches()[0].columns
        encode_pack(ids, values, pack)
        return
    rows, _ = parse_dataset(chunk, COLUMNS_V2)
    check_hashes(rows.table["photo_hash"], rows.table["download_url"])
    items = rows.table.append_column("media_kind", pa.array(["photo"]))
    encode_dataset(items.combine_chunks().to_batches()[0], COLUMNS_V2)
