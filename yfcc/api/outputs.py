"""What the commands write, from Python: exports, and lists of credits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from yfcc.catalog.select import Selection
    from yfcc.share.credits import Credit, CreditCounts
    from yfcc.share.export_request import Form
    from yfcc.share.exporting import MediaExportSummary
    from yfcc.share.parquet import ParquetSummary
    from yfcc.share.tsv import TsvSummary

#: Of a folder of photos only their number is limited.
_NO_LIMIT: Final = 1 << 62


class MediaOptions(TypedDict, total=False):
    """The flags of ``yfcc export webdataset`` and ``imagefolder`` that both have.

    ``size`` is in pixels of the shorter side, of photos that have more and no ND licence;
    ``workers`` is the number of pieces made at a time, by default one a core.
    """

    size: int | None
    clean_captions: bool
    redistributable: bool
    workers: int | None
    overwrite: bool


class _Credited(Protocol):
    def credits(self) -> Iterator[Credit]: ...


class CreditOutputs:
    """Writes the credits of items, as ``yfcc credits`` does."""

    def write_credits(
        self: _Credited, out: str | Path, form: str = "text", *, skip_incomplete: bool = False
    ) -> CreditCounts:
        """Write title, author, source and licence of each item: complete, or not at all.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     free = catalog.select(license="by")
        ...     free.write_credits(demo.directory / "credits.csv", "csv").n_written == len(free)
        True

        Parameters
        ----------
        out : str or Path
            A file, replaced if it is there; ``-`` is standard output.
        form : str
            ``text``, ``csv``, ``html`` or ``json``.
        skip_incomplete : bool
            Leave out items without author, source or licence, instead of failing; they are
            counted in ``n_incomplete``.

        Raises
        ------
        SourceDamaged
            Items lack what a credit needs; the file is as it was.
        TargetError
            The file cannot be written.
        UsageError
            No such form; or it names no file.
        """
        from yfcc.share.credit_lists import save_credits  # noqa: PLC0415

        skip = (lambda *_: None) if skip_incomplete else None
        return save_credits(self.credits(), str(out), form, skip)


class CatalogOutputs(CreditOutputs):
    """Exports of a catalog's items."""

    def _asked(self) -> tuple[Path, Selection]:
        """The catalog's file, and what is selected of it."""
        raise NotImplementedError

    def export_parquet(
        self,
        out: str | Path,
        *,
        partition_by: Sequence[str] = ("license",),
        file_rows: int = 1_000_000,
        overwrite: bool = False,
    ) -> ParquetSummary:
        """Write the items as partitioned Parquet, as ``yfcc export parquet`` does.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     free = catalog.select(license="by")
        ...     free.export_parquet(demo.directory / "parquet").n_rows == len(free)
        True

        Parameters
        ----------
        out : str or Path
            A new directory, or ``s3://bucket/prefix``.
        partition_by : sequence of str
            Some of ``license``, ``media_kind``, ``extension``, outermost first.
        file_rows : int
            Rows of a file, at most.
        overwrite : bool
            Replace an export that is there already.

        Raises
        ------
        UsageError
            No such column to partition by, or the target may not be replaced.
        TargetError
            The target cannot be written.
        """
        from yfcc.share.parquet import (  # noqa: PLC0415
            ParquetRequest,
            export_parquet,
            parse_partition_columns,
        )

        catalog, selection = self._asked()
        columns = parse_partition_columns(",".join(partition_by) or "none")
        request = ParquetRequest(
            catalog=catalog,
            out=str(out),
            selection=selection,
            partition_by=columns,
            file_rows=file_rows,
            is_overwriting=overwrite,
        )
        return export_parquet(request)

    def export_tsv(
        self, out: str | Path, *, packing: str = "none", overwrite: bool = False
    ) -> TsvSummary:
        """Write the items' lines of the metadata files byte for byte, as ``yfcc export tsv`` does.

        >>> with yfcc.open_catalog(demo.catalog) as catalog:
        ...     catalog.select(lines="0-9").export_tsv(demo.directory / "lines").n_rows
        10

        Parameters
        ----------
        out : str or Path
            A new directory.
        packing : str
            ``none``, ``bz2``, ``gz`` or ``zst``.
        overwrite : bool
            Replace an export that is there already.

        Raises
        ------
        UsageError
            No such packing, or the target may not be replaced.
        TargetError
            The target cannot be written.
        """
        from yfcc.share.tsv import TsvRequest, export_tsv  # noqa: PLC0415

        catalog, selection = self._asked()
        request = TsvRequest(
            catalog=catalog,
            out=str(out),
            selection=selection,
            packing=packing,
            is_overwriting=overwrite,
        )
        return export_tsv(request)


class MirrorOutputs(CreditOutputs):
    """Exports of a mirror's items, with their media."""

    def _asked(self) -> tuple[str, Path | None, Selection]:
        """The mirror's address, the catalog's file, and what is selected of it."""
        raise NotImplementedError

    def export_webdataset(
        self,
        out: str | Path,
        *,
        shard_items: int = 10_000,
        shard_bytes: int = 1_000_000_000,
        **options: Unpack[MediaOptions],
    ) -> MediaExportSummary:
        """Write tar shards of media, JSON and captions, as ``yfcc export webdataset`` does.

        Called again it goes on where it was cut short.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     free = mirror.select(commercial=True)
        ...     done = free.export_webdataset(demo.directory / "shards", redistributable=True)
        ...     done.n_items + done.n_left_out == len(free)
        True

        Parameters
        ----------
        out : str or Path
            A new directory or ``s3://bucket/prefix``, or one to go on with.
        shard_items, shard_bytes : int
            Of a shard, at most; one item may have more bytes.
        **options
            See :class:`MediaOptions`.

        Raises
        ------
        UsageError
            The target may not be replaced, or an option's value is not of its form.
        SourceError
            An item lacks what its credit needs.
        LockedError
            Another export to the same place is at work.
        TargetError
            The target cannot be written, or the mirror not be read.
        VerifyError
            Bytes or JSON of the mirror are not as recorded.
        """
        from yfcc.share.webdataset import WebDataset  # noqa: PLC0415

        return self._export(WebDataset(), out, (shard_items, shard_bytes), options)

    def export_imagefolder(
        self, out: str | Path, *, folder_items: int = 1_000, **options: Unpack[MediaOptions]
    ) -> MediaExportSummary:
        """Write photos and ``metadata.jsonl``, as ``yfcc export imagefolder`` does.

        >>> with yfcc.open_mirror(demo.mirror, demo.catalog) as mirror:
        ...     done = mirror.export_imagefolder(demo.directory / "folder", folder_items=20)
        ...     done.n_items == len(mirror)
        True

        Parameters
        ----------
        out : str or Path
            A new directory or ``s3://bucket/prefix``, or one to go on with.
        folder_items : int
            Photos of a folder, at most.
        **options
            See :class:`MediaOptions`.

        Raises
        ------
        YfccError
            As :meth:`export_webdataset`.
        """
        from yfcc.share.imagefolder import ImageFolder  # noqa: PLC0415

        return self._export(ImageFolder(), out, (folder_items, _NO_LIMIT), options)

    def _export(
        self, form: Form, out: str | Path, limits: tuple[int, int], options: MediaOptions
    ) -> MediaExportSummary:
        from yfcc.share.export_request import ExportRequest  # noqa: PLC0415
        from yfcc.share.exporting import export_media  # noqa: PLC0415
        from yfcc.share.pieces import PieceLimits  # noqa: PLC0415

        mirror, catalog, selection = self._asked()
        request = ExportRequest(
            form=form,
            mirror=mirror,
            catalog=catalog,
            out=str(out),
            selection=selection,
            limits=PieceLimits(*limits),
            size=options.get("size"),
            is_redistributable=options.get("redistributable", False),
            has_clean_captions=options.get("clean_captions", False),
            n_workers=options.get("workers"),
            is_overwriting=options.get("overwrite", False),
        )
        return export_media(request)
