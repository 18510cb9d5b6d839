"""Compile every loop once, after an install: ``python -m yfcc.catalog.warm``.

Otherwise the first build, the first search and the first export wait some seconds for the
compiler. What it makes is kept beside the modules, or in the user's cache folder.
"""

from __future__ import annotations

import bz2
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from yfcc.catalog.build import BuildSettings, build_catalog
from yfcc.catalog.reader import Catalog
from yfcc.catalog.text_index import ensure_words
from yfcc.catalog.text_loops import rehash
from yfcc.metadata.encode import encode_dataset, encode_pack
from yfcc.metadata.layouts import COLUMNS_V2, Pack
from yfcc.metadata.source import open_source
from yfcc.metadata.warm import compile_loops as compile_parsers
from yfcc.progress import SilentProgress

_VALUES: Final = {
    "marker": b"0",
    "photo_hash": b"0123456789abcdef",
    "title": b"Caf%C3%A9+de+la+plage",
    "description": b"%E5%A4%95%E6%97%A5",
    "user_tags": b"golden+hour,sea",
}
_PACKS: Final = {
    "autotags": b"%d\tcat:0.5\n",
    "exif": b"%d\tEXIF.Make:A+B\n",
    "places": b"%d\t1:A:Town\n",
}


def compile_loops() -> None:
    """Build a catalog of a few items and the index of its words, the way all are built."""
    compile_parsers()
    with tempfile.TemporaryDirectory() as folder:
        source, catalog = Path(folder, "source"), Path(folder, "catalog.duckdb")
        source.mkdir()
        _write_metadata(source)
        build_catalog(open_source(str(source)), BuildSettings(catalog), SilentProgress())
        with Catalog(catalog) as opened:
            ensure_words(opened, lambda _: None)
            _encode(opened)
    # So few words need no larger table.
    rehash(np.zeros(2, np.int32), np.zeros(1, np.uint64), 0)


def _encode(catalog: Catalog) -> None:
    """Write lines of what DuckDB gives, as ``yfcc export tsv`` does."""
    with catalog.connection.cursor() as cursor:
        for items in cursor.sql("SELECT * FROM items").to_arrow_reader():
            encode_dataset(items, COLUMNS_V2)
            for pack in (Pack.AUTOTAGS, Pack.EXIF, Pack.PLACES):
                encode_pack(items["photo_id"], items[pack.value], pack)


def _write_metadata(folder: Path) -> None:
    ids = range(1, 4)
    lines = (
        b"\t".join(
            {"line_number": b"%d" % number, "photo_id": b"%d" % photo_id, **_VALUES}.get(name, b"")
            for name in COLUMNS_V2
        )
        for number, photo_id in enumerate(ids)
    )
    files = {"dataset": b"\n".join(lines) + b"\n"}
    # In another order than the dataset's, and one of them missing.
    files |= {
        pack: b"".join(form % photo_id for photo_id in (2, 1)) for pack, form in _PACKS.items()
    }
    for name, content in files.items():
        (folder / f"yfcc100m_{name}.bz2").write_bytes(bz2.compress(content))


if __name__ == "__main__":
    compile_loops()
