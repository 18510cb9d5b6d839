"""Small catalogs whose texts a test chooses, and what a plain look at every text finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from yfcc.catalog.connection import Limits, connect_writer
from yfcc.catalog.schema import create_tables, create_views
from yfcc.catalog.text_tokens import tokenize, tokenize_tag


@dataclass(frozen=True)
class Texts:
    """The texts of an item."""

    title: str | None = None
    description: str | None = None
    user_tags: Sequence[str] | None = None
    machine_tags: Sequence[str] | None = None

    def tokens(self) -> set[str]:
        found = {token for text in (self.title, self.description) for token in tokenize(text or "")}
        for tag in [*(self.user_tags or ()), *(self.machine_tags or ())]:
            found.update(tokenize_tag(tag))
        return found


def write_catalog(
    path: Path, items: Iterable[Texts], *, lines: Sequence[int] | None = None
) -> Path:
    """A catalog of these items: photo ids from 1001 on, line numbers 0, 2, 4 … if not named."""
    found = list(items)
    numbers = list(lines) if lines is not None else [2 * row for row in range(len(found))]
    table = pa.table(
        {
            "line_number": pa.array(numbers, pa.int64()),
            "photo_id": pa.array([1001 + row for row in range(len(found))], pa.int64()),
            "title": pa.array([each.title for each in found], pa.string()),
            "description": pa.array([each.description for each in found], pa.string()),
            "user_tags": pa.array([each.user_tags for each in found], pa.list_(pa.string())),
            "machine_tags": pa.array([each.machine_tags for each in found], pa.list_(pa.string())),
            "license": ["by" if row % 2 else "by-nc" for row in range(len(found))],
            "media_kind": ["photo"] * len(found),
            "shard": pa.array([row % 7 for row in range(len(found))], pa.int16()),
        }
    )
    connection = connect_writer(path, Limits("200MB", n_threads=1))
    create_tables(connection)
    connection.register("incoming", table)
    connection.execute("INSERT INTO items BY NAME SELECT * FROM incoming")
    create_views(connection)
    connection.execute("CHECKPOINT")
    connection.close()
    return path
