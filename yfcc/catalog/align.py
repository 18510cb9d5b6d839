"""The rows of a pack brought into the order of the dataset, a window at a time.

The true packs list every id in the dataset's order, and copies in the wild do not. So the shared
order is the fast path, checked row by row; small gaps and shifts are mended in memory; what is
found nowhere near goes, as *late* rows, to a table on disk and is joined at the end. Of rows with
one id the first wins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyroaring import BitMap64

from yfcc.metadata.columns import Rows
from yfcc.metadata.kernels import compiled


@dataclass(frozen=True, slots=True)
class Aligned:
    """A pack's values for one window of the dataset.

    Attributes
    ----------
    values : pa.ChunkedArray, n values
        In the window's order; null where the pack's value is empty or was not found.
    is_found : bool array, n
    late : tuple of Rows
        Rows of the pack that were passed over: no id of this or the windows near it.
    odd : int64 array
        Places in the window whose line of the pack its value does not tell in full.
    odd_lines : pa.BinaryArray
        Those lines, one a place.
    """

    values: pa.ChunkedArray
    is_found: npt.NDArray[np.bool_]
    late: tuple[Rows, ...] = ()
    odd: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    odd_lines: pa.BinaryArray = field(default_factory=lambda: pa.array([], pa.binary()))


@dataclass(frozen=True, slots=True)
class Held:
    """What a cursor carries from one window to the next.

    Attributes
    ----------
    passed : Rows or None
        Rows that were passed over, in order; a later window may still take them.
    first_ahead : int or None
        Line number of the first row ahead; all that was read from there on is ahead.
    n_ahead : int
    is_unordered : bool
    """

    passed: Rows | None = None
    first_ahead: int | None = None
    n_ahead: int = 0
    is_unordered: bool = False


@dataclass(slots=True)
class PackCursor:
    """Walks through a pack beside the dataset.

    Attributes
    ----------
    rows : iterator of Rows
        The pack in its own order, in parts of any size.
    kind : pa.DataType
        Of its values.
    slack : int
        Rows of the pack held beyond a window to look for its ids: memory, and how far apart
        the orders may be before rows count as late.
    """

    rows: Iterator[Rows]
    kind: pa.DataType
    slack: int = 120_000
    _ahead: list[Rows] = field(default_factory=list)  # not yet passed
    _passed: list[Rows] = field(default_factory=list)  # between rows that matched, unmatched
    _is_at_end: bool = False
    _is_unordered: bool = False
    _given_up: BitMap64 = field(default_factory=BitMap64)  # ids of rows that went late, in order

    def align(self, ids: npt.NDArray[np.int64]) -> Aligned:
        """Values for the next window of the dataset.

        Parameters
        ----------
        ids : int64 array, n values
            Unique, and in no earlier window.
        """
        if self._is_unordered:
            nothing = pa.chunked_array([pa.nulls(len(ids), self.kind)])
            return Aligned(nothing, np.zeros(len(ids), np.bool_), self._take_as_late(len(ids)))
        self._read_until(len(ids))
        ahead = self._joined_ahead()
        if ahead is not None and len(ahead) >= len(ids):
            head = ahead.slice(0, len(ids))
            if np.array_equal(ids_of(head), ids) and not self._was_passed(ids):
                self._ahead = [ahead.slice(len(ids), len(ahead))]
                odd = np.flatnonzero(head.is_odd)
                is_found = np.ones(len(ids), np.bool_)
                return Aligned(head.table["value"], is_found, (), odd, head.raw_lines(odd))
        return self._search(ids)

    def drain(self) -> Iterator[Rows]:
        """Rows that no window took, to the end of the pack; between two parts none is held."""
        held = [part for part in (*self._passed, *self._ahead) if len(part)]
        self._passed, self._ahead = [], []
        if held:
            yield Rows.joined(held)
        yield from self.rows

    def held(self) -> Held:
        """What has to be kept for a cursor that goes on in this one's place."""
        passed = [part for part in self._passed if len(part)]
        ahead = [part for part in self._ahead if len(part)]
        return Held(
            Rows.joined(passed) if passed else None,
            int(ahead[0].line_numbers[0]) if ahead else None,
            sum(len(part) for part in ahead),
            self._is_unordered,
        )

    def restore(self, held: Held, given_up: BitMap64) -> None:
        """Go on where another cursor was; ``rows`` begin with the first row ahead of it.

        Parameters
        ----------
        held : Held
            Of that cursor.
        given_up : BitMap64
            Ids of the rows that went late, unless the pack is unordered.
        """
        self._passed = [held.passed] if held.passed else []
        self._is_unordered = held.is_unordered
        self._given_up = given_up
        self._read_until(held.n_ahead)

    def _was_passed(self, ids: npt.NDArray[np.int64]) -> bool:
        """Whether an earlier row of the pack has one of the ids: the first one wins."""
        if not self._passed and not self._given_up:
            return False
        is_passed = any(bool(np.isin(ids_of(part), ids).any()) for part in self._passed)
        return is_passed or self._given_up.intersect(BitMap64(ids.astype(np.uint64)))

    def _read_until(self, n_rows: int) -> None:
        """Hold at least so many rows ahead, if there are."""
        held = sum(len(part) for part in self._ahead)
        while held < n_rows and not self._is_at_end:
            part = next(self.rows, None)
            if part is None:
                self._is_at_end = True
            else:
                self._ahead.append(part)
                held += len(part)

    def _joined_ahead(self) -> Rows | None:
        self._ahead = [Rows.joined(self._ahead)] if self._ahead else []
        return self._ahead[0] if self._ahead else None

    def _take_as_late(self, n_rows: int) -> tuple[Rows, ...]:
        """The next rows of a pack whose order has nothing to do with the dataset's."""
        self._read_until(n_rows)
        late = tuple(part for part in self._ahead if len(part))
        self._ahead = []
        return late

    def _search(self, ids: npt.NDArray[np.int64]) -> Aligned:
        """Look for each id among the rows that were passed over and those ahead."""
        self._read_until(len(ids) + self.slack)
        parts = [part for part in (*self._passed, *self._ahead) if len(part)]
        if not parts:
            nothing = pa.chunked_array([pa.nulls(len(ids), self.kind)])
            return Aligned(nothing, np.zeros(len(ids), np.bool_))
        n_passed = sum(len(part) for part in self._passed)
        pool = Rows.joined(parts)
        row_of = _first_row_of(ids, ids_of(pool))
        again = self._given_up & BitMap64(ids.astype(np.uint64))
        row_of[np.isin(ids, np.fromiter(again, np.int64, len(again)))] = -1
        is_found = row_of >= 0
        values = _taken(pool.table["value"], row_of)
        odd = np.flatnonzero(is_found & pool.is_odd[row_of])
        odd_lines = pool.raw_lines(row_of[odd])
        late = self._sort_rest(pool, row_of[is_found], n_passed)
        # A pack in another order finds nothing: stop looking, join all of it at the end.
        self._is_unordered = len(ids) >= 1000 and bool(is_found.mean() < 0.01)
        if self._is_unordered:
            late += tuple(part for part in self._passed if len(part))
            self._passed = []
        return Aligned(values, is_found, late, odd, odd_lines)

    def _sort_rest(
        self, pool: Rows, matched: npt.NDArray[np.int64], n_passed: int
    ) -> tuple[Rows, ...]:
        """Rows behind the last match stay ahead, those before it are passed over, oldest late."""
        is_left = np.ones(len(pool), np.bool_)
        is_left[matched] = False
        border = max(n_passed, int(matched.max()) + 1 if len(matched) else 0)
        # Without a match nothing would ever be passed: give up what lies furthest behind.
        border = max(border, len(pool) - self.slack)
        passed = pool.slice(0, border).kept(is_left[:border])
        self._ahead = [pool.slice(border, len(pool))]
        n_late = max(0, len(passed) - self.slack)
        self._given_up |= BitMap64(ids_of(passed)[:n_late].astype(np.uint64))
        self._passed = [passed.slice(n_late, len(passed))] if len(passed) else []
        return (passed.slice(0, n_late),) if n_late else ()


def ids_of(rows: Rows) -> npt.NDArray[np.int64]:
    """Identifiers of n rows."""
    ids: npt.NDArray[np.int64] = rows.table["photo_id"].to_numpy()
    return ids


def other_hashes(
    ids: pa.ChunkedArray, hashes: pa.StringArray, aligned: Aligned
) -> tuple[npt.NDArray[np.int64], pa.BinaryArray]:
    """Lines of a hash pack that are not what the catalog has.

    The dataset's own hash goes first, and one that lacks is computed.

    Parameters
    ----------
    ids, hashes : n values each
        Of a window, as the catalog gets them.
    aligned : Aligned
        The pack's values.

    Returns
    -------
    int64 array
        Places in the window.
    pa.BinaryArray
        The lines, one a place.
    """
    is_same = pc.equal(pc.fill_null(aligned.values, ""), pc.fill_null(hashes, ""))
    is_other = aligned.is_found & ~is_same.combine_chunks().to_numpy(zero_copy_only=False)
    odd = np.flatnonzero(is_other)
    values = pc.fill_null(aligned.values.take(pa.array(odd)), "")
    lines = pc.binary_join_element_wise(pc.cast(ids.take(pa.array(odd)), pa.string()), values, "\t")
    return odd, pc.cast(lines, pa.binary()).combine_chunks()


def _taken(values: pa.ChunkedArray, row_of: npt.NDArray[np.int64]) -> pa.ChunkedArray:
    """Values of some rows, null where a row is -1."""
    is_found = row_of >= 0
    if not is_found.any():
        return pa.chunked_array([pa.nulls(len(row_of), values.type)])
    # Mostly they lie close together in a pool many times their number: only that part is copied.
    first = int(row_of[is_found].min())
    part = values.slice(first, int(row_of.max()) + 1 - first).combine_chunks()
    index = pa.array(np.where(is_found, row_of - first, 0), mask=~is_found)
    taken = part.take(index)
    return taken if isinstance(taken, pa.ChunkedArray) else pa.chunked_array([taken])


@compiled
def _first_row_of(ids: npt.NDArray[np.int64], pool: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each id, all different, the first row of the pool that has it, or -1."""
    n_slots = 64
    while n_slots < 4 * len(ids):
        n_slots *= 2
    slots = np.full(n_slots, -1, np.int64)
    for place in range(len(ids)):
        slot = _slot_of(ids[place], n_slots)
        while slots[slot] >= 0:
            slot = (slot + 1) & (n_slots - 1)
        slots[slot] = place
    rows = np.full(len(ids), -1, np.int64)
    for row in range(len(pool)):
        slot = _slot_of(pool[row], n_slots)
        while slots[slot] >= 0:
            place = slots[slot]
            if ids[place] == pool[row]:
                if rows[place] < 0:
                    rows[place] = row
                break
            slot = (slot + 1) & (n_slots - 1)
    return rows


@compiled
def _slot_of(photo_id: int, n_slots: int) -> int:
    """Where in a hash table an id is looked for first (Fibonacci hashing)."""
    mixed = np.uint64(photo_id) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(32)) & (n_slots - 1)
