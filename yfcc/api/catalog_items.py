"""Items of a catalog in Python: counted, and taken as rows, tables or a relation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from yfcc.api.outputs import CatalogOutputs
from yfcc.catalog.parquet import open_items
from yfcc.catalog.query import open_records, prepare_query
from yfcc.catalog.reader import Catalog
from yfcc.catalog.relations import Relation, open_relation
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError
from yfcc.share.credit_lists import credits_of_selected
from yfcc.share.credits import Credit

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from yfcc.catalog.connection import Limits
    from yfcc.catalog.explain import Explanation
    from yfcc.catalog.saved import SavedSelection
    from yfcc.catalog.text_ranking import Ranking

#: Rows that are read at a time where they come one by one.
_ROWS_AT_A_TIME: Final = 1_000
_BATCH_ROWS: Final = 65_536
#: The tables of a mirror, which are empty without one.
_NO_RECORDS: Final[dict[str, list[Path]]] = {"downloads": [], "runs": []}


class CatalogItems(CatalogOutputs):
    """Items of an open catalog: those that a selection picks.

    Iterating gives a dict an item, in the dataset's order, with the columns of ``items``:
    ``autotags`` and ``exif`` are dicts, ``places`` a list of dicts, times are ``datetime``.

    >>> with yfcc.open_catalog(demo.catalog) as catalog:
    ...     photos = catalog.select(media="photo", where="len(user_tags) > 0")
    ...     first = next(iter(photos))
    >>> first["media_kind"], type(first["autotags"])
    ('photo', <class 'dict'>)

    Attributes
    ----------
    selection : Selection
    """

    def __init__(self, catalog: Catalog, selection: Selection) -> None:
        self.selection = selection
        self._catalog = catalog
        self._stack = ExitStack()

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches(batch_rows=_ROWS_AT_A_TIME):
            yield from batch.to_pylist(maps_as_pydicts="strict")

    def __repr__(self) -> str:
        flags = (f", {name}={value!r}" for name, value in self.selection.flags().items())
        return f"{type(self).__name__}({str(self._catalog.path)!r}{''.join(flags)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # For processes of their own: each opens the file anew.
        return _choose_anew, (self._catalog.path.absolute(), self._catalog.limits, self.selection)

    def _asked(self) -> tuple[Path, Selection]:
        return self._catalog.path, self.selection

    def count(self) -> int:
        """Number of items.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     len(catalog) == len(catalog.select(media="photo")) + len(
        ...         catalog.select(media="video")
        ...     )
        True

        Raises
        ------
        UsageError
            A flag's value is not of its form, or a name is unknown to the catalog: the message
            has the nearest ones.
        """
        return sum(self._catalog.count(self.selection).by_shard().values())

    def count_licenses(self) -> dict[str | None, int]:
        """Number of items by licence, the most frequent first; None for those without.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     sum(catalog.count_licenses().values()) == len(catalog)
        True
        """
        counts = self._catalog.count(self.selection)
        return counts.by_license(counts.by_shard().keys())

    def sql(self) -> str:
        """The selection as one condition over ``items``, as the record of a run has it."""
        return self._catalog.describe(self.selection)

    def explain(self) -> Explanation:
        """What each flag selects, alone and with those before it, as ``--explain`` prints it.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     told = catalog.select(license="by", media="photo").explain()
        >>> [effect.flag for effect in told.flags], told.flags[1].n_left == told.n_selected
        (['--license', '--media'], True)

        Raises
        ------
        UsageError
            As :meth:`count`.
        """
        from yfcc.catalog.explain import explain_selection  # noqa: PLC0415

        return explain_selection(self._catalog, self.selection)

    def save(self, name: str) -> SavedSelection:
        """Save the selection by a name, as ``--save`` does, in ``selections`` beside the catalog.

        What is there already and the same stays as it is. :meth:`OpenCatalog.saved` and the
        commands' ``--selection`` give it back.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     free = catalog.select(license="by")
        ...     kept = free.save("free")
        ...     kept.path.name, kept.n_items == len(free), len(kept.digest)
        ('free.json', True, 64)
        >>> kept.citation().startswith("Selection 'free' of YFCC100M (v2): ")
        True

        Parameters
        ----------
        name : str
            Up to 64 letters, digits, ``.``, ``_`` and ``-``; or a path that ends with ``.json``.

        Raises
        ------
        UsageError
            Another selection has the name, it is none, nothing is selected, or as :meth:`count`.
        TargetError
            The file cannot be written.
        """
        from yfcc.catalog.saved import save_selection  # noqa: PLC0415

        return save_selection(self._catalog, self.selection, name)

    def ranked(self, limit: int = 20) -> Ranking:
        """The items that the words of ``text`` describe best, as ``yfcc search`` shows them.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     found = catalog.select(text="a*").ranked(3)
        >>> len(found.items), found.n_items >= 3
        (3, True)

        Raises
        ------
        UsageError
            The selection has no ``text``, or none with a word in it; or as :meth:`count`.
        """
        from yfcc.catalog.text_ranking import rank_items  # noqa: PLC0415

        if not self.selection.text:
            raise UsageError("only items found by words have an order: select(text='sunset').")
        if limit < 1:
            raise UsageError(f"limit {limit}: expected a number of items, at least 1.")
        return rank_items(self._catalog, self.selection, limit)

    def batches(
        self, columns: Sequence[str] | None = None, batch_rows: int = _BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """Stream the items as Arrow, in the dataset's order; memory is that of a few batches.

        Parameters
        ----------
        columns : sequence of str, optional
            Columns of ``items``; fewer are quicker. By default all.
        batch_rows : int
            Rows of a batch, at most.

        Raises
        ------
        UsageError
            No such column, or as :meth:`count`.
        """
        n_rows = 0
        with open_items(self._catalog, self.selection, batch_rows, columns) as reader:
            for batch in reader:
                n_rows += batch.num_rows
                yield batch
        if not n_rows:
            self.count()  # says so, if a name is unknown

    def arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All of it as an Arrow table, in memory.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.arrow(["photo_id", "date_uploaded"]).column_names
        ['photo_id', 'date_uploaded']
        """
        with open_items(self._catalog, self.selection, _BATCH_ROWS, columns) as reader:
            table = reader.read_all()
        if not table.num_rows:
            self.count()  # says so, if a name is unknown
        return table

    def polars(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """All of it as a polars table, in memory.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.select(lines="0-4").polars(["photo_id"]).shape
        (5, 1)
        """
        return _frame(self.arrow(columns))

    def head(self, n_items: int = 5, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The first of the items, as a polars table: a look at what is there.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.select(media="photo").head(3, ["photo_id", "title"]).shape
        (3, 2)

        Raises
        ------
        UsageError
            As :meth:`batches`; or ``n_items`` is less than 1.
        """
        import pyarrow as pa  # noqa: PLC0415

        if n_items < 1:
            raise UsageError(f"head({n_items}): expected a number of items, at least 1.")
        found: list[pa.RecordBatch] = []
        with open_items(self._catalog, self.selection, n_items, columns) as reader:
            for batch in reader:
                found.append(batch)
                if sum(each.num_rows for each in found) >= n_items:
                    break
            table = pa.Table.from_batches(found, reader.schema).slice(0, n_items)
        if not found:
            self.count()  # says so, if a name is unknown
        return _frame(table)

    def relation(self, columns: Sequence[str] | None = None) -> Relation:
        """The items as a relation of DuckDB, which computes when it is asked.

        It can be used until the catalog is closed.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.relation().aggregate("count(*) AS n").fetchall() == [(len(catalog),)]
        True
        """
        return open_relation(self._catalog, self.selection, columns, self._stack)

    def query(self, sql: str) -> pl.DataFrame:
        """The answer to one SELECT over the catalog's tables, and ``selected``: these items.

        The tables of a mirror are empty here; :meth:`yfcc.MirrorItems.query` fills them.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     photos = catalog.select(media="photo")
        ...     photos.query("SELECT count(*) AS n FROM selected").item() == len(photos)
        True

        Raises
        ------
        UsageError
            It is no SELECT, or cannot be run.
        """
        with open_records(self._catalog, self.selection, _NO_RECORDS) as connection:
            return prepare_query(connection, sql).table()

    def credits(self) -> Iterator[Credit]:
        """Title, author, source and licence of each, as ``yfcc credits`` writes them."""
        return credits_of_selected(self._catalog, self.selection)


def _frame(table: pa.Table) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - 0.3 s that others need not pay

    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError(f"expected a table, got {type(frame)}")
    return frame


def _choose_anew(path: Path, limits: Limits, selection: Selection) -> CatalogItems:
    from yfcc.api.catalog import OpenCatalog  # noqa: PLC0415 - it imports this module

    return OpenCatalog(path, limits).choose(selection)
