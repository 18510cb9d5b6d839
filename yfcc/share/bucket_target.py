"""An export in a bucket, which knows no rename.

The manifest comes last, files of different exports never share a name, and those that no manifest
lists are removed by the next export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import IO, Any, Final, Self

import orjson

from yfcc.config import s3_endpoint_url
from yfcc.errors import TargetError
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.upload import Upload
from yfcc.share.export_place import check_address
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
_PART_FORM: Final = re.compile(r"(?:[^/]+/)+part-\d{5,}-[0-9a-f]{12}\.\w+")
#: Parts of files that are on their way at a time.
_N_UPLOADS: Final = 8


@dataclass(slots=True)
class BucketTarget:
    """A prefix of a bucket. Nothing stops a second export there: the later manifest counts.

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
    _files: Any = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)
    _objects: Objects = field(init=False)
    _executor: ThreadPoolExecutor = field(init=False)

    def __enter__(self) -> Self:
        import s3fs  # noqa: PLC0415 - 0.5 s that only exports into a bucket need

        check_address(self.out)
        with self._stack, bucket_errors(self.out):
            self._objects = Objects(self.out, s3_endpoint_url())
            self._stack.callback(self._objects.close)
            self._executor = self._stack.enter_context(ThreadPoolExecutor(_N_UPLOADS))
            self._files = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
            self._check()
            self._write(UNFINISHED_NAME, {"export_id": self.export_id})
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _check(self) -> None:
        """Refuse what may not be replaced, remove what a killed export left."""
        found = self._list()
        if not found:
            return
        has_manifest = MANIFEST_NAME in found
        manifest = self._files.cat_file(f"{self.out}/{MANIFEST_NAME}") if has_manifest else None
        listed = listed_in(manifest)
        is_ours = listed is not None or UNFINISHED_NAME in found
        for name in sorted(found - {MANIFEST_NAME, UNFINISHED_NAME} - DOCUMENT_NAMES):
            if not is_ours or not _PART_FORM.fullmatch(name):
                raise foreign_file(self.out, name)
        if listed is not None and not self.is_overwriting:
            raise already_there(self.out)
        self._remove_unlisted(listed or set())

    def _list(self) -> set[str]:
        root = self.out.removeprefix("s3://")
        try:
            paths = self._files.find(root)
        except FileNotFoundError:
            return set()
        return {path.removeprefix(f"{root}/") for path in paths if path != root}

    def _remove_unlisted(self, listed: set[str]) -> None:
        unlisted = [
            name
            for name in self._list() - listed
            if _PART_FORM.fullmatch(name) or name in DOCUMENT_NAMES
        ]
        if unlisted:
            self._files.rm([f"{self.out}/{name}" for name in unlisted])

    def _write(self, name: str, document: dict[str, Any]) -> None:
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
        self._files.pipe_file(f"{self.out}/{name}", content)

    def open_sink(self, directory: str, number: int, extension: str) -> tuple[str, Sink]:
        """A new file of a directory, and its path below the target."""
        path = f"{directory}/part-{number:05}-{self.export_id}.{extension}"
        return path, self._open(path)

    def open_document(self, name: str) -> Sink:
        """A new file that is no data."""
        return self._open(name)

    def _open(self, path: str) -> Sink:
        return Sink(Upload(self._objects, path, self._executor.submit), is_local=False)

    def keep(self, path: str) -> None:
        """Take over a file of the export that is to be replaced: it stays where it is."""

    def open_source(self, path: str) -> IO[bytes]:
        """A file that was written."""
        stream: IO[bytes] = self._files.open(f"{self.out}/{path}", "rb")
        return stream

    def open_scratch(self) -> AbstractContextManager[str]:
        """A directory where the system keeps temporary files, gone with its context."""
        return TemporaryDirectory(prefix="yfcc-export-")

    def publish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, then remove what an earlier export had."""
        with bucket_errors(self.out):
            self._write(MANIFEST_NAME, manifest)
            self._remove_unlisted(paths_of(manifest))
            self._files.rm_file(f"{self.out}/{UNFINISHED_NAME}")


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
