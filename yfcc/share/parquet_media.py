"""Rows of a catalog with the media that a mirror has of them, inside or as paths.

The rows are put in the order of shards, in which the ledger is read, and joined with it as they
come: neither catalog nor ledger is ever in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from yfcc.catalog.parquet import open_items
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.catalog.spool import Spool
from yfcc.media.guarded import count_cores
from yfcc.media.resize import Resizers
from yfcc.mirror.opening import open_any
from yfcc.mirror.root import Mirror
from yfcc.share.ahead import N_AHEAD
from yfcc.share.copies import Copyist, CopyRules
from yfcc.share.credits import UNCHANGED
from yfcc.share.rights import redistribution_refusal
from yfcc.share.stored import StoredCounts, StoredItem, iter_stored
from yfcc.share.terms import parse_terms

#: What a row says of its media; ``media`` as Hugging Face's ``Image`` has it.
MEDIA_FIELDS: Final = (
    pa.field("media", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    pa.field("content_type", pa.string()),
    pa.field("n_bytes", pa.int64()),
    pa.field("sha256", pa.string()),
    pa.field("width", pa.int32()),
    pa.field("height", pa.int32()),
    pa.field("changes", pa.string()),
    pa.field("duties", pa.list_(pa.string())),
)
_SCAN_ROWS: Final = 2_048


class Images(StrEnum):
    """How media come to be in a table."""

    NONE = "none"
    BYTES = "bytes"
    PATHS = "paths"


#: Rows joined at a time: with bytes inside, some 10 MB.
_BATCH_ROWS: Final = {Images.BYTES: 64, Images.PATHS: 1_024}


#: Batches that make up a row group, at least: some films are in memory at a time, not all.
_N_BATCHES: Final = 4


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where a table's media come from.

    Attributes
    ----------
    mirror : str
        A directory or ``s3://bucket/prefix``.
    images : Images
        ``BYTES`` or ``PATHS``; those are below the mirror's root.
    rules : CopyRules
        Sizes count for bytes alone.
    group_bytes : int
        Of media in a row group, about at most.
    """

    mirror: str
    images: Images
    rules: CopyRules
    group_bytes: int = 64 << 20


@dataclass(slots=True)
class MediaRows:
    """Rows of the selected stored items, by shard, media directory and id.

    Attributes
    ----------
    schema : pa.Schema
        The columns of ``items`` and ``MEDIA_FIELDS``.
    counts : StoredCounts
        Filled while the rows are read.
    notes : Counter of str
        Likewise: why items were left out, or kept as they are.
    """

    schema: pa.Schema
    source: MediaSource
    counts: StoredCounts
    notes: Counter[str]
    _spool: Spool
    _items: Iterator[StoredItem]
    _copyist: Copyist
    _executor: ThreadPoolExecutor

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        item = next(self._items, None)
        for batch in self._spool.iter_sorted(_BATCH_ROWS[self.source.images]):
            chosen: list[tuple[int, StoredItem]] = []
            n_bytes = 0
            # Rows and items come in the same order; items that are not stored are lacking.
            for index, photo_id in enumerate(batch.column("photo_id").to_pylist()):
                if item is not None and item.photo_id == photo_id:
                    chosen.append((index, item))
                    n_bytes += item.record.n_bytes or 0
                    item = next(self._items, None)
                if n_bytes > self.source.group_bytes // _N_BATCHES:
                    yield from self._join(batch, chosen)
                    chosen, n_bytes = [], 0
            yield from self._join(batch, chosen)

    def _join(
        self, batch: pa.RecordBatch, chosen: list[tuple[int, StoredItem]]
    ) -> Iterator[pa.RecordBatch]:
        told = list(self._executor.map(self._describe, (item for _, item in chosen)))
        kept: list[int] = []
        values: list[dict[str, Any]] = []
        for (index, _), (found, notes) in zip(chosen, told, strict=True):
            self.notes.update(notes)
            if found is not None:
                kept.append(index)
                values.append(found)
        if kept:
            rows = batch.take(pa.array(kept)).columns
            plain = [rows[i].cast(self.schema.field(i).type) for i in range(len(rows))]
            urls = batch.column("license_url").take(pa.array(kept)).to_pylist()
            for value, terms in zip(values, map(parse_terms, urls), strict=True):
                value["duties"] = list(terms.marks) if terms else None
            added = [pa.array([each[f.name] for each in values], f.type) for f in MEDIA_FIELDS]
            yield pa.RecordBatch.from_arrays([*plain, *added], schema=self.schema)

    def _describe(self, item: StoredItem) -> tuple[dict[str, Any] | None, Counter[str]]:
        """The values of ``MEDIA_FIELDS``; None if the item may not be handed on."""
        notes: Counter[str] = Counter()
        if self.source.images is Images.BYTES:
            copied = self._copyist.copy(item, "", notes)
            del notes["without a caption"]  # the rows have titles and descriptions themselves
            if copied is None:
                return None, notes
            facts = dict(copied.document["media"])
            name = f"{item.photo_id}.{item.extension}"
            return facts | _media(copied.media, name, copied.changes), notes
        rules = self.source.rules
        if rules.is_redistributable:
            refusal = redistribution_refusal(item.document, rules.now_utc)
            if refusal is not None:
                notes[f"left out: {refusal.partition(':')[0]}"] += 1
                return None, notes
        record = item.record
        facts = {
            "content_type": record.content_type,
            "n_bytes": record.n_bytes,
            "sha256": record.sha256,
            "width": record.width,
            "height": record.height,
        }
        return facts | _media(None, record.path or "", UNCHANGED), notes

    def close(self) -> None:
        """Let go of threads."""
        self._executor.shutdown(cancel_futures=True)


def _without_map(column: pa.Field) -> pa.Field:
    """A map as the list of its entries: readers of pictures (``datasets`` 5) know no maps."""
    if not pa.types.is_map(column.type):
        return column
    entry = pa.struct([("key", column.type.key_type), ("value", column.type.item_type)])
    return pa.field(column.name, pa.list_(entry))


def _media(content: bytes | None, path: str, changes: str) -> dict[str, Any]:
    return {"media": {"bytes": content, "path": path}, "changes": changes}


@contextmanager
def open_media_rows(
    catalog: Catalog, selection: Selection, source: MediaSource, scratch: Path
) -> Iterator[MediaRows]:
    """Read the selected rows, and join them with a mirror's stored items.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
    source : MediaSource
    scratch : Path
        A directory with room for the selected rows, packed.

    Raises
    ------
    UsageError
        The selection cannot be computed, or there is no mirror.
    VerifyError
        Bytes or JSON of the mirror are not as recorded.
    TargetError
        The mirror cannot be read.
    """
    counts = catalog.count(selection).by_shard()
    with (
        open_any(source.mirror) as mirror,
        Spool(counts, scratch) as spool,
        Resizers() as resizers,
    ):
        with open_items(catalog, selection, _SCAN_ROWS) as reader:
            schema = pa.schema([*map(_without_map, reader.schema), *MEDIA_FIELDS])
            for batch in reader:
                spool.add(batch)
        found = StoredCounts()
        wants_json = source.images is Images.BYTES or source.rules.is_redistributable
        items = iter_stored(mirror, catalog, selection, found, with_documents=wants_json)
        copyist = Copyist(source.rules, resizers)
        # From a bucket, every item is a wait of a round trip.
        n_threads = count_cores() if isinstance(mirror, Mirror) else N_AHEAD
        executor = ThreadPoolExecutor(n_threads, thread_name_prefix="yfcc-rows")
        rows = MediaRows(schema, source, found, Counter(), spool, items, copyist, executor)
        try:
            yield rows
        finally:
            rows.close()
