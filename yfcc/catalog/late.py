"""Rows of packs that no window took, joined once all files are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet
from pyroaring import BitMap64

from yfcc.catalog.journal import Journal
from yfcc.metadata.columns import Rows
from yfcc.metadata.layouts import Pack

DUPLICATE_PACK_REASON: Final = "duplicate photo id: another line of the pack has it"


def late_table(rows: Rows) -> pa.Table:
    """Rows as they wait for the join: ids, places, lines and parsed values.

    ``is_odd`` says where the value does not tell the line.
    """
    return pa.table(
        {
            "photo_id": rows.table["photo_id"],
            "line_number": rows.line_numbers,
            "byte_offset": rows.byte_offsets,
            "raw": rows.raw_lines(),
            "value": rows.table["value"],
            "is_odd": pa.array(rows.is_odd),
        }
    )


def passed_table(rows: Rows) -> pa.Table:
    """Rows as a cursor gets them back: lines and their places."""
    return pa.table(
        {
            "line_number": rows.line_numbers,
            "byte_offset": rows.byte_offsets,
            "raw": rows.raw_lines(),
        }
    )


def ids_in(files: list[Path]) -> npt.NDArray[np.int64]:
    """Identifiers of the rows in files of a journal, in their order."""
    parts = [
        pyarrow.parquet.read_table(path, columns=["photo_id"])["photo_id"].to_numpy()
        for path in files
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def id_set(files: list[Path]) -> BitMap64:
    """The same as a set."""
    found = BitMap64()
    for path in files:
        found |= BitMap64(np.sort(ids_in([path])).astype(np.uint64))
    return found


@dataclass(frozen=True, slots=True)
class LateCounts:
    """What became of the late rows of a pack."""

    n_joined: int = 0
    n_orphans: int = 0
    n_rejected: int = 0


@dataclass(slots=True)
class LateJoin:
    """What is to become of the late rows.

    Attributes
    ----------
    connection : duckdb.DuckDBPyConnection
        To the tables under construction, ``items`` being whole.
    journal : Journal
    packs : mapping of Pack to str
        File names.
    is_whole : bool
        Whether the dataset was read to its end. If not, nothing is known to be an orphan.
    counts : dict of Pack to LateCounts
        Of every pack that was judged.
    """

    connection: duckdb.DuckDBPyConnection
    journal: Journal
    packs: Mapping[Pack, str]
    is_whole: bool
    counts: dict[Pack, LateCounts] = field(default_factory=dict)

    def judge(self) -> None:
        """Find the late rows that belong to items; changes no table."""
        for pack in self.packs:
            late = self.journal.files("late", pack)
            self.counts[pack] = self._judge(pack) if late else LateCounts()

    @property
    def found(self) -> list[Pack]:
        """Packs with late rows that belong to items."""
        return [pack for pack, counts in self.counts.items() if counts.n_joined]

    def found_rows(self, pack: Pack) -> str:
        """SQL for the late rows of a pack that belong to items, with the line if it is needed.

        Columns: photo_id, line_number, value, raw.
        """
        return read_parquet([self._found_file(pack)])

    def insert_rest(self) -> dict[str, int]:
        """Orphans, duplicates and originals to their tables; returns how many rows each got."""
        n_rows = {"orphans": 0, "rejected_lines": 0, "originals": 0}
        for pack, counts in self.counts.items():
            n_rows["originals"] += self._insert_originals(pack, counts)
            if counts.n_orphans:
                n_rows["orphans"] += self._insert_orphans(pack)
            if counts.n_rejected:
                n_rows["rejected_lines"] += self._insert_duplicates(pack)
        return n_rows

    def _judge(self, pack: Pack) -> LateCounts:
        """The first late row of an item that has none yet is its value, in the pack's order."""
        late, missed = self._rows("late", pack), self.journal.files("missed", pack)
        is_missed = f"photo_id IN (SELECT photo_id FROM {read_parquet(missed)})"
        # Of hashes the value that stays is known only now.
        needs_line = "true" if pack is Pack.HASH else "is_odd"
        self.connection.execute(
            f"""COPY (SELECT photo_id, line_number, value,
                CASE WHEN {needs_line} THEN raw END AS raw
            FROM {late}
            WHERE {is_missed if missed else "false"}
            QUALIFY row_number() OVER (PARTITION BY photo_id ORDER BY line_number) = 1)
            TO '{_quoted(self._found_file(pack))}' (FORMAT parquet, COMPRESSION zstd)"""
        )
        n_found = self._count(f"FROM {self.found_rows(pack)}")
        n_late = self._count(f"FROM {late}")
        n_items = self._count(f"FROM {late} WHERE photo_id IN (SELECT photo_id FROM items)")
        n_orphans = n_late - n_items if self.is_whole else 0
        return LateCounts(n_found, n_orphans, n_items - n_found)

    def _insert_orphans(self, pack: Pack) -> int:
        return self._insert(
            f"""orphans SELECT ?, photo_id, raw FROM {self._rows("late", pack)}
            WHERE photo_id NOT IN (SELECT photo_id FROM items) ORDER BY line_number""",
            [self.packs[pack]],
        )

    def _insert_duplicates(self, pack: Pack) -> int:
        return self._insert(
            f"""rejected_lines SELECT ?, line_number, byte_offset, ?, raw
            FROM {self._rows("late", pack)}
            WHERE photo_id IN (SELECT photo_id FROM items)
            AND line_number NOT IN (SELECT line_number FROM {self.found_rows(pack)})
            ORDER BY line_number""",
            [self.packs[pack], DUPLICATE_PACK_REASON],
        )

    def _insert_originals(self, pack: Pack, counts: LateCounts) -> int:
        """Lines of late rows that their values do not tell, and items that have no line at all."""
        missed = self.journal.files("missed", pack)
        if not missed:
            return 0
        n_rows, is_late = 0, "false"
        if counts.n_joined:
            found = self.found_rows(pack)
            is_late = f"photo_id IN (SELECT photo_id FROM {found})"
            other = " AND value IS DISTINCT FROM photo_hash" if pack is Pack.HASH else ""
            n_rows = self._insert(
                f"""originals SELECT ?, items.line_number, photo_id, found.raw
                FROM {found} AS found JOIN items USING (photo_id)
                WHERE found.raw IS NOT NULL{other} ORDER BY items.line_number""",
                [pack.value],
            )
        return n_rows + self._insert(
            f"""originals SELECT ?, line_number, photo_id, NULL FROM {read_parquet(missed)}
            WHERE NOT ({is_late}) ORDER BY line_number""",
            [pack.value],
        )

    def _insert(self, into: str, values: list[str]) -> int:
        return int(self.connection.execute(f"INSERT INTO {into}", values).fetchall()[0][0])

    def _count(self, rows: str) -> int:
        return int(self.connection.execute(f"SELECT count(*) {rows}").fetchall()[0][0])

    def _rows(self, kind: str, pack: Pack) -> str:
        return read_parquet(self.journal.files(kind, pack))

    def _found_file(self, pack: Pack) -> Path:
        return self.journal.directory / f"found-{pack}.parquet"


def read_parquet(files: list[Path]) -> str:
    """SQL for the rows of files, one after the other."""
    names = ", ".join(f"'{_quoted(path)}'" for path in files)
    return f"read_parquet([{names}])"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
