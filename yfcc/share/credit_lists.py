"""Lists of credits, written as they come: complete, or not at all."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final, Protocol

from yfcc.catalog.connection import target_errors
from yfcc.catalog.credits import iter_attributions
from yfcc.catalog.publish import publish
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import SourceDamaged, UsageError
from yfcc.share.credit_forms import (
    CREDIT_FORMS,
    ByteSink,
    CreditForm,
    CsvForm,
    TextForm,
    describe_licenses,
)
from yfcc.share.credits import (
    UNCHANGED,
    Credit,
    CreditCounts,
    author_of,
    missing_parts,
    read_credit,
)
from yfcc.share.stored import StoredItem

#: Files of an export that say whose the items are.
ATTRIBUTION_TEXT: Final = "ATTRIBUTION.txt"
ATTRIBUTION_CSV: Final = "ATTRIBUTION.csv"
LICENSES_NAME: Final = "LICENSES.txt"

#: Incomplete items that an error names.
_N_NAMED: Final = 5
#: Credits for standard output wait in memory up to this size, then on disk.
_BYTES_IN_MEMORY: Final = 16 << 20

OnIncomplete = Callable[[Credit, tuple[str, ...]], object]


class ClosableSink(ByteSink, Protocol):
    """Where bytes go, and whole once it is closed."""

    def close(self) -> None:
        """All that was written is there on return."""


def credits_of_stored(items: Iterable[StoredItem]) -> Iterator[Credit]:
    """Credits of stored items, in their order."""
    return (read_credit(item.document, item.record.path) for item in items)


def credits_of_selected(catalog: Catalog, selection: Selection) -> Iterator[Credit]:
    """Credits of the selected items of a catalog, stored or not, in the dataset's order.

    Raises
    ------
    UsageError
        The selection cannot be computed, or names what the catalog does not know.
    """
    for row in iter_attributions(catalog, selection):
        row["author"] = author_of(row["author"], row.pop("user_nsid"))
        yield Credit(**row)


def write_credits(
    credits_: Iterable[Credit],
    stream: ByteSink,
    form: str,
    skip_incomplete: OnIncomplete | None = None,
) -> CreditCounts:
    """Write a list of credits.

    Parameters
    ----------
    credits_ : iterable of Credit
        Read once, none kept.
    stream : ByteSink
    form : str
        One of ``CREDIT_FORMS``.
    skip_incomplete : callable, optional
        Gets every item that lacks what a credit needs, and what it lacks; without it one such
        item is an error.

    Raises
    ------
    SourceDamaged
        Items lack an author, a source or a licence: the message names the first of them, and
        says how many there are. What was written is not a whole list.
    """
    counts = CreditCounts()
    first: list[str] = []
    written = CREDIT_FORMS[form](stream)
    written.begin()
    for credit in credits_:
        missing = missing_parts(credit)
        if missing:
            counts.n_incomplete += 1
            if skip_incomplete is not None:
                skip_incomplete(credit, missing)
            elif len(first) < _N_NAMED:
                first.append(describe_gap(credit, missing))
            continue
        counts.by_license[credit.license_url or ""] += 1
        if not first:
            written.write(credit)
    if first:
        raise SourceDamaged(_describe_gaps(first, counts))
    written.end(counts)
    return counts


def describe_gap(credit: Credit, missing: tuple[str, ...]) -> str:
    """What an item lacks, ``item 4207153986: no author, no licence``."""
    return f"item {credit.photo_id}: {', '.join(f'no {part}' for part in missing)}"


def _describe_gaps(first: list[str], counts: CreditCounts) -> str:
    more = counts.n_incomplete - len(first)
    return (
        f"{counts.n_incomplete:,} of {counts.n_incomplete + counts.n_written:,} items lack what a "
        f"credit needs: {'; '.join(first)}{f'; and {more:,} more' if more else ''}. Nothing was "
        "written. Leave them out with --skip-incomplete, and do not hand them on."
    )


def save_credits(
    credits_: Iterable[Credit], out: str, form: str, skip_incomplete: OnIncomplete | None = None
) -> CreditCounts:
    """Write a list of credits to a file, which appears whole or not at all, or standard output.

    Parameters
    ----------
    credits_, form, skip_incomplete
        As for :func:`write_credits`.
    out : str
        A file, replaced if it is there; ``-`` is standard output, where nothing appears either
        before the list is complete.

    Raises
    ------
    UsageError
        It names no file.
    SourceDamaged
        As for :func:`write_credits`; the file is as it was.
    TargetError
        The file cannot be written.
    """
    with _standard_output() if out == "-" else _new_file(Path(out)) as stream:
        return write_credits(credits_, stream, form, skip_incomplete)


@contextmanager
def _standard_output() -> Iterator[IO[bytes]]:
    with tempfile.SpooledTemporaryFile(_BYTES_IN_MEMORY) as waiting:
        with target_errors(Path(tempfile.gettempdir())):
            yield waiting
            waiting.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(waiting, sys.stdout.buffer)
        sys.stdout.buffer.flush()


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    if path.is_dir() or not path.name:
        raise UsageError(f"--out {path}: expected a file, there is a directory.")
    if not path.parent.is_dir():
        raise UsageError(f"--out {path}: there is no directory {path.parent}.")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with target_errors(path):
        try:
            with part.open("xb") as stream:
                yield stream
            publish(part, path)
        finally:
            with suppress(FileNotFoundError):  # published
                part.unlink()


class ExportCredits:
    """The files of an export that say whose the items are, written item by item.

    ``ATTRIBUTION.txt`` and ``ATTRIBUTION.csv`` have the credits, ``LICENSES.txt`` what each licence
    asks of whoever hands copies on.

    Parameters
    ----------
    open_file : callable
        Opens a new file of the export by its name.
    """

    def __init__(self, open_file: Callable[[str], ClosableSink]) -> None:
        self._open = open_file
        self._counts = CreditCounts()
        self._sinks = [open_file(ATTRIBUTION_TEXT), open_file(ATTRIBUTION_CSV)]
        self._forms: list[CreditForm] = [TextForm(self._sinks[0]), CsvForm(self._sinks[1])]
        for form in self._forms:
            form.begin()

    def add(self, document: Mapping[str, Any], path: str, changes: str = UNCHANGED) -> Credit:
        """Credit a copy; returns what was said of it.

        Parameters
        ----------
        document : mapping
            The item's JSON.
        path : str
            Of the copy, below the export's root.
        changes : str
            What was done to it, ``resized to 256 pixels``.

        Raises
        ------
        SourceDamaged
            The item lacks an author, a source or a licence.
        """
        credit = replace(read_credit(document, path), changes=changes)
        self.write(credit)
        return credit

    def write(self, credit: Credit) -> None:
        """Write the credit of a copy.

        Raises
        ------
        SourceDamaged
            The item lacks an author, a source or a licence.
        """
        missing = missing_parts(credit)
        if missing:
            raise SourceDamaged(
                f"{describe_gap(credit, missing)}. An export credits every item: leave it out with "
                "--redistributable, or by the selection."
            )
        self._counts.by_license[credit.license_url or ""] += 1
        for form in self._forms:
            form.write(credit)

    def close(self) -> CreditCounts:
        """Finish the files; returns how many items are under which licence."""
        for form, sink in zip(self._forms, self._sinks, strict=True):
            form.end(self._counts)
            sink.close()
        licenses = self._open(LICENSES_NAME)
        for line in describe_licenses(self._counts):
            licenses.write(f"{line}\n".encode())
        licenses.close()
        return self._counts
