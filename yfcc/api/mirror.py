"""A mirror in Python: stored items with their bytes and all that is known of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, Unpack

from yfcc.api.catalog import OpenCatalog, open_catalog
from yfcc.api.flags import Flags, make_selection
from yfcc.api.outputs import MirrorOutputs
from yfcc.api.records import bring_records
from yfcc.api.with_media import iter_with_media
from yfcc.catalog.query import open_records, prepare_query
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError
from yfcc.mirror.opening import open_any
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.status import MirrorStatus, read_status
from yfcc.share.credit_lists import credits_of_stored
from yfcc.share.credits import Credit
from yfcc.share.stored import StoredCounts, StoredItem, iter_stored

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


_NO_CATALOG: Final = (
    "a selection is made of the catalog: name it, as in "
    "yfcc.open_mirror('mirror', 'catalog.duckdb')."
)


class MirrorItems(MirrorOutputs):
    """Stored items of an open mirror: those that a selection picks.

    Iterating gives :class:`~yfcc.share.stored.StoredItem`, in the mirror's order: its
    ``read_media()`` are the bytes, checked against their digest, its ``document`` is the JSON
    beside them, with ``metadata``, ``autotags``, ``exif``, ``places`` and ``attribution``.

    >>> with yfcc.open_mirror(demo.mirror) as mirror:
    ...     item = next(iter(mirror))
    ...     content, document = item.read_media(), item.document
    >>> len(content) == document["media"]["n_bytes"], document["photo_id"] == item.photo_id
    (True, True)

    Attributes
    ----------
    selection : Selection
    """

    def __init__(self, mirror: AnyMirror, catalog: Catalog | None, selection: Selection) -> None:
        self.selection = selection
        self._place = mirror
        self._catalog = catalog

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[StoredItem]:
        return iter_stored(self._mirror, self._catalog, self.selection)

    def __repr__(self) -> str:
        flags = (f", {name}={value!r}" for name, value in self.selection.flags().items())
        return f"{type(self).__name__}({str(self._place.root)!r}{''.join(flags)})"

    def __reduce__(self) -> tuple[Any, ...]:
        # For processes of their own: each opens the mirror anew.
        return _choose_anew, (self._address(), self._selected_of, self.selection)

    def _asked(self) -> tuple[str, Path | None, Selection]:
        # What is exported opens the mirror by itself; a closed one says so first.
        _ = self._mirror
        return self._address(), self._selected_of, self.selection

    @property
    def _selected_of(self) -> Path | None:
        """The file of the catalog that selects; None if every stored item is meant."""
        return None if self._catalog is None else self._catalog.path.absolute()

    def _address(self) -> str:
        """Where the mirror is, from any folder."""
        is_local = isinstance(self._place, Mirror)
        return str(Path(self._place.root).absolute() if is_local else self._place.root)

    @property
    def _mirror(self) -> AnyMirror:
        """The mirror, if it is open."""
        if isinstance(self._place, Mirror) and self._place.fd < 0:
            raise UsageError(f"{self._place.root}: this mirror was closed; open it again.")
        return self._place

    def with_media(self) -> Iterator[tuple[StoredItem, bytes]]:
        """The items and their bytes; from a bucket, those of the next are fetched meanwhile.

        >>> with yfcc.open_mirror(demo.mirror) as mirror:
        ...     all(item.record.n_bytes == len(content) for item, content in mirror.with_media())
        True

        Yields
        ------
        tuple of StoredItem and bytes
            In the mirror's order. Up to 24 items and 48 MiB wait in memory, or one larger item.

        Raises
        ------
        VerifyError
            Stored bytes or JSON are not as recorded.
        TargetError
            The mirror cannot be read.
        """
        return iter_with_media(self._mirror, iter(self))

    def query(self, sql: str) -> pl.DataFrame:
        """The answer to one SELECT over the catalog's tables and the mirror's records.

        ``selected`` is the catalog's items that are picked, stored or not; ``downloads`` and
        ``runs`` are read from the ledger anew.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     mirror.select(license="by").query(
        ...         "SELECT outcome FROM selected JOIN downloads USING (photo_id) GROUP BY outcome"
        ...     ).rows()
        [('stored',)]

        Raises
        ------
        UsageError
            It is no SELECT, or cannot be run; or the mirror was opened without a catalog.
        TargetError
            The mirror cannot be read, or there is no room beside the catalog for its records.
        """
        _ = self._mirror  # a closed one says so
        catalog = self._reader()
        prepare_query(catalog.connection, sql)  # what is no SELECT costs nothing more
        with (
            catalog.lend_folder() as folder,
            bring_records(self._address(), sql, folder, is_cached=False) as records,
            open_records(catalog, self.selection, records) as connection,
        ):
            return prepare_query(connection, sql).table()

    def _reader(self) -> Catalog:
        """The catalog that SQL is asked of."""
        if self._catalog is None:
            raise UsageError(_NO_CATALOG)
        return self._catalog

    def count(self) -> int:
        """Number of stored items that are picked; reads the ledger of their shards."""
        items = iter_stored(self._mirror, self._catalog, self.selection, with_documents=False)
        return sum(1 for _ in items)

    def coverage(self) -> StoredCounts:
        """How many items are selected, stored, not stored, and removed for good.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     counts = mirror.select(media="photo").coverage()
        >>> counts.n_selected == counts.n_given + counts.n_not_stored + counts.n_forgotten
        True
        """
        counts = StoredCounts()
        for _ in iter_stored(
            self._mirror, self._catalog, self.selection, counts, with_documents=False
        ):
            pass
        return counts

    def credits(self) -> Iterator[Credit]:
        """Title, author, source and licence of each, as ``yfcc credits`` writes them.

        >>> with yfcc.open_mirror(demo.mirror) as mirror:
        ...     all(credit.author and credit.license_url for credit in mirror.credits())
        True
        """
        return credits_of_stored(self)


class OpenMirror(MirrorItems):
    """A mirror, open for reading: all stored items, until some are selected; a context manager."""

    def __init__(self, mirror: AnyMirror, catalog: OpenCatalog | None, *, owns: bool) -> None:
        super().__init__(mirror, None, Selection())
        self._chooser = catalog
        self._owns = owns

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the mirror, and of the catalog if it was opened with it."""
        self._place.close()
        if self._owns and self._chooser is not None:
            self._chooser.close()

    def select(self, **flags: Unpack[Flags]) -> MirrorItems:
        """The stored items that flags pick, which are those of the commands.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     {item.document["metadata"]["license"] for item in mirror.select(license="by-sa")}
        {'by-sa'}

        Raises
        ------
        UsageError
            No such flag; or the mirror was opened without a catalog, which says what to select.
        """
        return self.choose(make_selection(flags))

    def choose(self, selection: Selection) -> MirrorItems:
        """The stored items that a selection picks.

        Raises
        ------
        UsageError
            The mirror was opened without a catalog.
        """
        return MirrorItems(self._mirror, self.catalog.reader, selection)

    def saved(self, name: str, *, accept_changed: bool = False) -> MirrorItems:
        """The stored items of a saved selection, see :meth:`OpenCatalog.saved`.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     kept = mirror.catalog.select(license="by-sa").save("alike")
        ...     {item.document["metadata"]["license"] for item in mirror.saved("alike")}
        {'by-sa'}

        Raises
        ------
        UsageError
            The mirror was opened without a catalog, or no selection is saved there.
        SourceDamaged
            The file is no selection.
        SourceChanged
            The catalog gives other items.
        """
        chosen = self.catalog.saved(name, accept_changed=accept_changed)
        return self.choose(chosen.selection)

    def _reader(self) -> Catalog:
        return self.catalog.reader

    def __reduce__(self) -> tuple[Any, ...]:
        catalog = None if self._chooser is None else self._chooser.path.absolute()
        return open_mirror, (self._address(), catalog)

    @property
    def catalog(self) -> OpenCatalog:
        """What selections are made of.

        Raises
        ------
        UsageError
            The mirror was opened without one.
        """
        if self._chooser is None:
            raise UsageError(_NO_CATALOG)
        return self._chooser

    def status(self) -> MirrorStatus:
        """Items by outcome and bytes stored, from the last lines of the ledger.

        >>> with yfcc.open_mirror(demo.mirror) as mirror:
        ...     mirror.status().outcomes["stored"] == len(mirror)
        True
        """
        return read_status(self._mirror)

    def downloads(self) -> Iterator[pa.Table]:
        """The table ``downloads`` as Arrow, in pieces: the latest outcome of each item.

        >>> with yfcc.open_mirror(demo.mirror) as mirror:
        ...     sum(piece.num_rows for piece in mirror.downloads()) == mirror.status().n_items
        True
        """
        from yfcc.mirror.downloads import iter_download_tables  # noqa: PLC0415 - polars

        return iter_download_tables(self._mirror.root)


def _choose_anew(root: str, catalog: Path | None, selection: Selection) -> MirrorItems:
    opened = open_mirror(root, catalog)
    return opened if catalog is None else opened.choose(selection)


def open_mirror(path: str | Path, catalog: str | Path | OpenCatalog | None = None) -> OpenMirror:
    """Open a mirror for reading, also while a download is writing to it.

    Parameters
    ----------
    path : str or Path
        A directory, or ``s3://bucket/prefix``.
    catalog : str, Path or OpenCatalog, optional
        To select by; one that is open stays so.

    Raises
    ------
    UsageError
        No mirror is there.
    TargetError
        It cannot be read.

    Examples
    --------
    >>> with yfcc.open_mirror(demo.mirror) as mirror:
    ...     sorted({item.extension for item in mirror})
    ['jpg']
    """
    if isinstance(catalog, OpenCatalog):
        return OpenMirror(open_any(path), catalog, owns=False)
    with ExitStack() as on_error:
        mirror = open_any(path)
        on_error.callback(mirror.close)
        chooser = None if catalog is None else open_catalog(catalog)
        on_error.pop_all()
    return OpenMirror(mirror, chooser, owns=True)
