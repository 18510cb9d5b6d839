"""Samples for training, read from a mirror or from an export, piece by piece."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, TypedDict

import orjson

from yfcc.api.with_media import iter_with_media
from yfcc.catalog.ids_by_shard import open_ids_by_shard
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import SourceDamaged, SourceMissing, UsageError
from yfcc.mirror.ledger import list_shards
from yfcc.mirror.opening import open_any
from yfcc.share.ahead import N_AHEAD, map_within
from yfcc.share.captions import build_caption
from yfcc.share.export_place import MANIFEST
from yfcc.share.removal_look import Look, look_at
from yfcc.share.stored import iter_stored_shards

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_FORMS: Final = ("webdataset", "imagefolder")


class Sample(TypedDict):
    """One photo or video.

    ``media`` are its bytes, ``extension`` what they are, ``caption`` what its author wrote,
    ``document`` all that is known of it: its JSON, or its row of an imagefolder.
    """

    photo_id: int
    media: bytes
    extension: str
    caption: str
    document: Mapping[str, Any]


class Pieces(Protocol):
    """Something to read from; pickled and sent to every worker, so it holds no open file."""

    def __len__(self) -> int:
        """Number of pieces."""

    def iter_samples(self, numbers: Sequence[int]) -> Iterator[Sample]:
        """The samples of some pieces, in the order of the numbers."""


class MirrorPieces:
    """The stored items of a mirror; a piece is a shard.

    Parameters
    ----------
    mirror : str or Path
    catalog : str or Path, optional
        To select by.
    selection : Selection, optional
        Its ids are held in memory, 8 bytes each.

    Raises
    ------
    UsageError
        There is no mirror, or the selection cannot be computed.
    """

    def __init__(
        self,
        mirror: str | Path,
        catalog: str | Path | None = None,
        selection: Selection | None = None,
    ) -> None:
        self._address = str(mirror)
        self._ids: list[npt.NDArray[np.int64]] | None = None
        if catalog is None:
            if selection is not None:
                raise UsageError("a selection is made of the catalog: name it too.")
            with open_any(self._address) as opened:
                self._shards = list_shards(opened)
            return
        open_any(self._address).close()  # a wrong name is said at once
        with (
            Catalog(Path(catalog)) as reader,
            open_ids_by_shard(reader, selection or Selection()) as selected,
        ):
            found = [(shard, ids.copy()) for shard, ids in selected.iter_shards()]
        self._shards = [shard for shard, _ in found]
        self._ids = [ids for _, ids in found]

    def __len__(self) -> int:
        return len(self._shards)

    def iter_samples(self, numbers: Sequence[int]) -> Iterator[Sample]:
        """The samples of some shards.

        Raises
        ------
        VerifyError
            Stored bytes or JSON are not as recorded.
        """
        wanted = {
            self._shards[number]: None if self._ids is None else self._ids[number]
            for number in numbers
        }
        with open_any(self._address) as mirror:
            for item, media in iter_with_media(mirror, iter_stored_shards(mirror, wanted)):
                document = item.document
                yield Sample(
                    photo_id=item.photo_id,
                    media=media,
                    extension=item.extension,
                    caption=build_caption(document["metadata"]),
                    document=document,
                )


class ExportPieces:
    """A finished export as ``webdataset`` or ``imagefolder``, in a directory or in a bucket.

    Parameters
    ----------
    out : str or Path
        A directory, or ``s3://bucket/prefix``.

    Raises
    ------
    SourceMissing
        No finished export is there.
    UsageError
        It is in another form.
    TargetError
        The bucket cannot be read.
    """

    def __init__(self, out: str | Path) -> None:
        self._out = str(out).rstrip("/") if "://" in str(out) else str(out)
        with closing(look_at(self._out)) as look:
            content = look.read(MANIFEST)
        if content is None:
            raise SourceMissing(
                f"{out}: no finished export there, as it has no {MANIFEST}. Run `yfcc export` to "
                "its end, or name another directory."
            )
        try:
            manifest = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise SourceDamaged(f"{self._out}/{MANIFEST}: no JSON ({error}).") from error
        self._form = manifest.get("form")
        if self._form not in _FORMS:
            raise UsageError(
                f"{out}: an export as {self._form}; expected one as {' or '.join(_FORMS)}."
            )
        self._pieces = [
            (self._path(piece["path"]), self._path(piece["index"]))
            for piece in manifest["pieces"]
            if piece["n_items"]
        ]

    def __len__(self) -> int:
        return len(self._pieces)

    def iter_samples(self, numbers: Sequence[int]) -> Iterator[Sample]:
        """The samples of some parts, each in the export's order.

        Raises
        ------
        SourceDamaged
            A part is torn, or not what the export wrote.
        TargetError
            The bucket cannot be read.
        """
        with ExitStack() as stack:
            look = look_at(self._out)
            stack.callback(look.close)
            executor = None
            if "://" in self._out and self._form == "imagefolder":
                # Every photo is a wait of a round trip.
                executor = stack.enter_context(ThreadPoolExecutor(N_AHEAD))
            for number in numbers:
                path, index = self._pieces[number]
                try:
                    if self._form == "webdataset":
                        with look.stream(path) as stream:
                            yield from _iter_archive(stream)
                    else:
                        yield from self._iter_folder(look, index, executor)
                except (OSError, tarfile.TarError, orjson.JSONDecodeError, KeyError) as error:
                    raise SourceDamaged(
                        f"{self._out}/{path}: not as the export wrote it ({error}). Check it with "
                        "`sha256sum -c SHA256SUMS`, and run `yfcc export` again."
                    ) from error

    def _iter_folder(
        self, look: Look, index: str, executor: ThreadPoolExecutor | None
    ) -> Iterator[Sample]:
        def read(row: Mapping[str, Any]) -> Sample:
            path = self._path(row["path"])
            media = look.read(path)
            if media is None:
                raise FileNotFoundError(path)
            return Sample(
                photo_id=row["photo_id"],
                media=media,
                extension=PurePosixPath(path).suffix[1:],
                caption=row["caption"],
                document=row,
            )

        with look.stream(index) as lines:
            next(lines)
            rows = map(orjson.loads, lines)
            if executor is None:
                yield from map(read, rows)
            else:
                yield from map_within(executor.submit, read, rows, lambda row: row["n_bytes"])

    def _path(self, path: str) -> str:
        """A path below the export; one that leads out of it is refused."""
        if path.startswith("/") or ".." in path.split("/"):
            raise SourceDamaged(f"{self._out}: {path!r} lies outside of the export.")
        return path


def _iter_archive(stream: IO[bytes]) -> Iterator[Sample]:
    """The samples of an archive: members of one name, whatever their order."""
    # Read once, from its beginning to its end: in a bucket there is no way back.
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        name, members = "", dict[str, bytes]()
        for member in archive:
            stem, _, extension = member.name.partition(".")
            if stem != name and members:
                yield _sample_of(name, members)
                members = {}
            name = stem
            file = archive.extractfile(member)
            members[extension] = b"" if file is None else file.read()
        if members:
            yield _sample_of(name, members)


def _sample_of(name: str, members: dict[str, bytes]) -> Sample:
    document, caption = orjson.loads(members.pop("json")), members.pop("txt").decode()
    if len(members) != 1:
        raise KeyError(f"sample {name} has media {sorted(members)}, expected one")
    ((extension, media),) = members.items()
    return Sample(
        photo_id=int(name), media=media, extension=extension, caption=caption, document=document
    )
