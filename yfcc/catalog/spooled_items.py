"""Selected items in the order in which a run asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import pyarrow as pa

from yfcc.catalog.spool import Spool
from yfcc.model import Item, MediaKind

_BATCH_ROWS: Final = 1_000


@dataclass(slots=True)
class SpooledItems:
    """Items in the order of shards and media directories; a context manager."""

    _spool: Spool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give disk and memory back."""
        self._spool.close()

    def iter_items(self) -> Iterator[list[Item]]:
        """The items, up to 1,000 at a time; once."""
        for batch in self._spool.iter_sorted(_BATCH_ROWS):
            yield _items(batch)


def _items(batch: pa.RecordBatch) -> list[Item]:
    return [
        Item(
            photo_id=row["photo_id"],
            photo_hash=row["photo_hash"] or "",
            media_kind=MediaKind(row["media_kind"]),
            download_url=row["download_url"] or "",
            shard=row["shard"],
            document=row["document"],
        )
        for row in batch.to_pylist()
    ]
