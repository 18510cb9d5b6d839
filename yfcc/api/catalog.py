"""A catalog in Python: opened, and its items selected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from yfcc.api.catalog_items import CatalogItems
from yfcc.api.flags import Flags, make_selection
from yfcc.catalog.connection import Limits
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection

if TYPE_CHECKING:
    from yfcc.catalog.saved import SavedSelection


class OpenCatalog(CatalogItems):
    """A catalog, open for reading: all its items, until some are selected; a context manager.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(Catalog(path, limits), Selection())
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; selections and relations of it cannot be used any more."""
        self._stack.close()
        self._catalog.close()

    def select(self, **flags: Unpack[Flags]) -> CatalogItems:
        """The items that flags pick; they are those of the commands, joined with AND.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     len(catalog.select(commercial=True, sample=3, seed=1))
        3
        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.select(licence="by")
        Traceback (most recent call last):
            ...
        yfcc.errors.UsageError: no selection flag 'licence'. Did you mean license?

        Raises
        ------
        UsageError
            No such flag. What is wrong with a value shows where the items are asked for.
        """
        return self.choose(make_selection(flags))

    def choose(self, selection: Selection) -> CatalogItems:
        """The items that a selection picks."""
        items = CatalogItems(self._catalog, selection)
        items._stack = self._stack  # noqa: SLF001 - of its own class
        return items

    def saved(self, name: str, *, accept_changed: bool = False) -> CatalogItems:
        """The items of a selection that was saved, if they still are the same.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     kept = catalog.select(media="photo", sample=5, seed=1).save("five")
        ...     len(catalog.saved("five")), catalog.saved("five").selection == kept.selection
        (5, True)

        Parameters
        ----------
        name : str
            A name, or the path of a file that ends with ``.json``.
        accept_changed : bool
            Take what the catalog gives now, whatever it gave when the selection was saved.

        Raises
        ------
        UsageError
            No selection is saved there.
        SourceDamaged
            The file is no selection.
        SourceChanged
            This catalog gives other items.
        """
        from yfcc.catalog.saved import check_saved, read_saved, saved_path  # noqa: PLC0415

        found = read_saved(saved_path(self.path, name))
        if not accept_changed:
            check_saved(self._catalog, found)
        return self.choose(found.selection)

    def list_saved(self) -> list[SavedSelection]:
        """The selections saved beside the catalog, by name.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     kept = catalog.select(media="video").save("films")
        ...     "films" in [each.name for each in catalog.list_saved()]
        True

        Raises
        ------
        SourceDamaged
            A file there is none.
        """
        from yfcc.catalog.saved import list_saved  # noqa: PLC0415

        return list_saved(self.path)

    def __reduce__(self) -> tuple[Any, ...]:
        return OpenCatalog, (self.path.absolute(), self._catalog.limits)

    @property
    def reader(self) -> Catalog:
        """What reads the file, for the other rooms."""
        return self._catalog

    def fingerprint(self) -> str:
        """Digest of the versions of all files that the catalog was built from."""
        return self._catalog.fingerprint()


def open_catalog(
    path: str | Path, *, memory: str = "800MB", threads: int | None = None
) -> OpenCatalog:
    """Open a catalog for reading.

    To other processes it goes by pickling, and is opened anew there; prefer ``spawn`` to ``fork``.

    Parameters
    ----------
    path : str or Path
        A file that ``yfcc metadata`` made.
    memory : str
        What DuckDB may take; shared by all who have the file open in this process.
    threads : int, optional
        By default one a core.

    Raises
    ------
    SourceMissing
        No such file.
    SourceDamaged
        It is no catalog.
    LockedError
        A writer has it open.

    Examples
    --------
    >>> with yfcc.open_catalog(demo.catalog) as catalog:
    ...     catalog.path.name
    'catalog.duckdb'
    """
    return OpenCatalog(Path(path), Limits(memory, threads))
