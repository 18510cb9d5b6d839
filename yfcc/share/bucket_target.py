"""An export of tables in a bucket, which knows no rename.

The manifest comes last. Files of an engine have the export's id in their names, so that those of
two exports never meet; files of fixed names are kept back, sent but not there, until all of them
are whole, and then appear together, right before the manifest.

Nothing in a bucket is locked. ``_unfinished.json`` names the export that is at work, each replaces
it only as it has read it: of two exports to one place the later goes on, and the other ends. Who
ends without a manifest removes what it wrote; what a killed one left the next removes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, Self

import orjson

from yfcc.config import s3_endpoint_url
from yfcc.errors import LockedError, TargetError
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.upload import Upload
from yfcc.share.export_place import check_address, decode_document
from yfcc.share.sink import (
    DOCUMENT_NAMES,
    MANIFEST_NAME,
    Sink,
    already_there,
    foreign_file,
    listed_in,
    paths_of,
)

UNFINISHED_NAME: Final = "_unfinished.json"
_PART_FORM: Final = re.compile(r"(?:[^/]+/)+part-\d{5,}-([0-9a-f]{12})\.\w+")
#: Files of an export in the dataset's own form.
_LINES_FORM: Final = re.compile(r"yfcc100m_[a-z0-9-]+(?:\.(?:bz2|gz|zst))?")
#: Parts of files that are on their way at a time.
_N_UPLOADS: Final = 8


@dataclass(slots=True)
class BucketTarget:
    """A prefix of a bucket; a context manager.

    Attributes
    ----------
    out : str
        Without a slash at its end.
    export_id : str
    is_overwriting : bool
    """

    out: str
    export_id: str
    is_overwriting: bool
    _stack: ExitStack = field(default_factory=ExitStack)
    _objects: Objects = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)
    _files: Any = None
    #: What the mark of this export says, and its ETag.
    _claim: bytes = b""
    _etag: str = ""
    #: Objects that lay there at the beginning, and the export that had been cut short.
    _before: set[str] = field(default_factory=set)
    _cut_short: str = ""
    _written: list[str] = field(default_factory=list)
    _kept_back: dict[str, Upload] = field(default_factory=dict)
    _is_publishing: bool = False
    _is_published: bool = False

    def __enter__(self) -> Self:
        check_address(self.out)
        with self._stack:
            self._objects = Objects(self.out, s3_endpoint_url())
            self._stack.callback(self._objects.close)
            self._executor = self._stack.enter_context(ThreadPoolExecutor(_N_UPLOADS))
            self._begin()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        with self._stack:
            for upload in self._kept_back.values():
                upload.abort()
            if self._is_published:
                return
            is_held = True
            with suppress(TargetError):  # whoever is refused here was refused before, and says so
                is_held = self._discard()
            if not is_held and isinstance(raised[1], TargetError):
                raise self._taken() from raised[1]

    def _begin(self) -> None:
        """Refuse what may not be replaced, say who is at work, remove what a killed one left."""
        entries = {entry.key: entry.etag for entry in self._objects.iter_entries("")}
        begun = self._objects.get(UNFINISHED_NAME) if UNFINISHED_NAME in entries else None
        manifest = self._objects.get(MANIFEST_NAME) if MANIFEST_NAME in entries else None
        listed = listed_in(manifest)
        told = decode_document(begun) or {}
        announced = set(told.get("files", ()))
        self._before = entries.keys() - {MANIFEST_NAME, UNFINISHED_NAME}
        for name in sorted(self._before):
            is_known = name in announced or name in (listed or ()) or _is_form(name)
            if (listed is None and begun is None) or not is_known:
                raise foreign_file(self.out, name)
        if listed is not None and not self.is_overwriting:
            raise already_there(self.out)
        self._cut_short = str(told.get("export_id", ""))
        # Who is killed before they are removed leaves word that they may be.
        mark = {"export_id": self.export_id, "files": sorted(self._before)}
        etag = entries.get(UNFINISHED_NAME)
        is_held = etag is not None and self._mark(mark, etag)
        # None was there, or the export that it was of came to its end meanwhile.
        if not is_held and not self._mark(mark, None):
            raise self._taken()
        if begun is not None:
            with suppress(TargetError):  # what a killed one sent costs money, and does no harm
                self._objects.abort_uploads("", _may_be_sent)
        self._objects.delete(sorted(self._before - (listed or set())))

    def _mark(self, document: dict[str, Any], etag: str | None) -> bool:
        """Say how far this export is, unless another said so since.

        Parameters
        ----------
        document : dict
        etag : str or None
            Of the mark that it replaces; None: there is to be none yet.

        Returns
        -------
        bool
            False: another mark is there, or that one is gone.
        """
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        if etag is None:
            found = self._objects.create(UNFINISHED_NAME, content)
        else:
            found = self._objects.replace(UNFINISHED_NAME, content, etag)
        if found is None:
            return False
        self._claim, self._etag = content, found
        return True

    def _taken(self) -> LockedError:
        return LockedError(
            f"--out {self.out}: another export to the same place began later, and goes on instead "
            "of this one. What this one wrote is removed; wait until the other is done."
        )

    def open_sink(self, directory: str, number: int, extension: str) -> tuple[str, Sink]:
        """A new file of a directory, and its path below the target."""
        path = f"{directory}/part-{number:05}-{self.export_id}.{extension}"
        self._written.append(path)
        return path, Sink(Upload(self._objects, path, self._executor.submit), is_local=False)

    def open_document(self, name: str) -> Sink:
        """A new file that is no data."""
        return self.open_file(name)

    def open_file(self, name: str) -> Sink:
        """A new file of a name of its own: there when the export is published."""
        upload = Upload(self._objects, name, self._executor.submit)
        self._kept_back[name] = upload
        return Sink(_KeptBack(upload), is_local=False)

    def keep(self, path: str) -> None:
        """Take over a file of the export that is to be replaced: it stays where it is."""

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""
        if self._files is None:
            self._files = open_files()
        stream: IO[bytes] = self._files.open(f"{self.out}/{path}", "rb")
        return stream

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory where the system keeps temporary files, gone with its context."""
        return TemporaryDirectory(prefix="yfcc-export-")

    def publish(self, manifest: dict[str, Any]) -> None:
        """Let the files that were kept back appear, write the manifest, remove what is old."""
        listed = paths_of(manifest)
        self._kept_back = {
            name: upload for name, upload in self._kept_back.items() if name in listed
        }
        at_stake = sorted(self._before | self._kept_back.keys())
        if not self._mark({"export_id": self.export_id, "files": at_stake}, self._etag):
            raise self._taken()
        self._is_publishing = True
        if self._kept_back.keys() - DOCUMENT_NAMES:
            # Its data are about to be replaced one by one: what lies there is no whole export.
            self._objects.delete([MANIFEST_NAME])
        for name, upload in self._kept_back.items():
            upload.close()
            self._written.append(name)
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        self._objects.put(MANIFEST_NAME, content)
        self._is_published = True
        # Said before it is removed: the mark of a later export is not this one's to remove.
        if not self._mark({"export_id": self.export_id, "is_done": True}, self._etag):
            raise self._taken()
        self._objects.delete(sorted(self._outdated() - listed))
        self._objects.delete([UNFINISHED_NAME])

    def _outdated(self) -> set[str]:
        """What earlier exports left; of a later one nothing."""
        names = {entry.key for entry in self._objects.iter_entries("")}
        of_cut_short = {
            name
            for name in names
            if (match := _PART_FORM.fullmatch(name)) and match[1] == self._cut_short
        }
        return (self._before & names) | of_cut_short

    def _discard(self) -> bool:
        """Remove what was written, and the mark; whether it is still that of this export."""
        if self._objects.get(UNFINISHED_NAME) != self._claim:
            self._objects.delete([name for name in self._written if _PART_FORM.fullmatch(name)])
            return False
        if not (self._is_publishing and self._before):
            self._objects.delete(self._written)
            self._objects.delete([UNFINISHED_NAME])
        # Else it is half of another export: the mark tells the next one what it may remove.
        return True


@dataclass(slots=True)
class _KeptBack:
    """An upload that does not end when it is closed."""

    upload: Upload
    closed: bool = False

    def write(self, content: bytes | memoryview) -> int:
        """Append."""
        return self.upload.write(content)

    def close(self) -> None:
        """It is ended when the export is published."""
        self.closed = True

    def abort(self) -> None:
        """Forget what was sent; nothing, if it was closed."""
        if not self.closed:
            self.upload.abort()
        self.closed = True


def _is_form(name: str) -> bool:
    """Whether a name is one that every export may give."""
    return bool(_PART_FORM.fullmatch(name)) or name in DOCUMENT_NAMES


def _may_be_sent(name: str) -> bool:
    return _is_form(name) or bool(_LINES_FORM.fullmatch(name))


def open_files() -> Any:
    """A file system whose files are objects, to be read from any place in them."""
    import s3fs  # noqa: PLC0415 - 0.5 s that only tables in a bucket need

    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)


@contextmanager
def bucket_errors(out: str) -> Iterator[None]:
    """Turn what the object store refuses into a :class:`TargetError`."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (OSError, BotoCoreError, ClientError) as error:
        raise TargetError(
            f"{out}: cannot be written: {str(error) or type(error).__name__}. "
            "No manifest was written; check the bucket's name and your credentials, run again."
        ) from error
