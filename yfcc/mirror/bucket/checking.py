"""Checking one shard of a mirror in a bucket: every stored byte, and every name in its folders."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from typing import Final

from yfcc.errors import TargetError
from yfcc.media.decode import Decoders
from yfcc.mirror.bucket.client import N_CONNECTIONS, code_of
from yfcc.mirror.bucket.objects import Objects
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.bucket.store import new_part
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import document_name, extension_in, media_path
from yfcc.mirror.record import Record
from yfcc.mirror.verdicts import (
    ShardTask,
    Verdict,
    add_verdict,
    damage_of,
    judge,
    leaf_parts,
    read_records,
    sort_out,
)
from yfcc.model import id_prefix

#: Whole items at hand at a time, when they are decoded; large ones lie in temporary files.
_N_DECODED: Final = 4
#: Codes that tell of one object, not of the store: it was moved to an archive.
_OF_ONE_OBJECT: Final = {"InvalidObjectState"}


class BucketShardChecker:
    """Checks shards, one after the other, many objects of each at a time.

    Parameters
    ----------
    mirror : BucketMirror
    decoders : Decoders or None
        Every picture is decoded by them, and every structure walked.
    with_manifest : bool
        Also digest the JSON, and list all objects that are as recorded.
    """

    def __init__(
        self, mirror: BucketMirror, decoders: Decoders | None = None, *, with_manifest: bool = False
    ) -> None:
        self._mirror = mirror
        self._decoders = decoders
        self._with_manifest = with_manifest

    def check_shard(self, task: ShardTask) -> ShardFindings:
        """What is wrong in a shard; nothing is written. Memory: its records.

        Raises
        ------
        TargetError
            The bucket cannot be read.
        """
        findings = ShardFindings(task.shard)
        latest, stored = read_records(self._mirror, task, findings)
        n_ahead = _N_DECODED if self._decoders else N_CONNECTIONS
        verdicts = self._mirror.map_ahead(self._check, stored, n_ahead)
        for record, verdict in zip(stored, verdicts, strict=True):
            add_verdict(findings, record, verdict)
        if task.leaves is not None:
            leaves = {int("".join(id_prefix(record.photo_id))) for record in stored}
            self._find_strays(findings, sorted(leaves | set(task.leaves)), latest)
        return findings

    def check_item(self, record: Record) -> Damage | None:
        """What is wrong with one stored item; None if nothing.

        Raises
        ------
        TargetError
            The bucket cannot be read.
        """
        return self._check(record).damage

    def _check(self, record: Record) -> Verdict:
        extension = extension_in(record.path or "", record.photo_id)
        if extension is None:
            return Verdict(damage_of(Problem.MISSING, record, "no path that an item can have"))
        key = media_path(record.photo_id, extension)
        files = _ItemObjects(self._mirror.objects, record, key, is_kept=self._decoders is not None)
        try:
            with closing(files):
                return judge(files, record, self._decoders, with_manifest=self._with_manifest)
        except TargetError as error:
            cause = error.__cause__
            if not isinstance(cause, Exception) or code_of(cause) not in _OF_ONE_OBJECT:
                raise
            return Verdict(damage_of(Problem.UNREADABLE, record, str(error)))

    def _find_strays(
        self, findings: ShardFindings, leaves: list[int], latest: Mapping[int, Record]
    ) -> None:
        """Sort out the names in folders that no stored item accounts for."""
        folders = [leaf_parts(leaf) for leaf in leaves]
        names = self._mirror.map_ahead(lambda parts: self._mirror.list_names(*parts), folders)
        # All are listed before the first JSON is looked for.
        for parts, listed in list(zip(folders, names, strict=True)):
            has_document = partial(self._has_document, parts)
            sort_out(set(listed), parts, latest, has_document, findings)

    def _has_document(self, parts: tuple[str, ...], photo_id: int) -> bool:
        return self._mirror.read(*parts, document_name(photo_id)) is not None


class _ItemObjects:
    """An item's objects; the media's bytes are kept if they are to be looked at."""

    absence = "no object"

    def __init__(self, objects: Objects, record: Record, key: str, *, is_kept: bool) -> None:
        self._objects = objects
        self._record = record
        self._key = key
        self._is_kept = is_kept
        self._part = new_part()

    def measure(self) -> tuple[int, str] | None:
        """Size and SHA-256 of the media, read again; None if there are none."""
        if self._is_kept:
            return self._objects.measure(self._key, self._part.write)
        return self._objects.measure(self._key)

    def view(self) -> memoryview:
        """The media's bytes, if they were kept."""
        return self._part.view()

    def read_document(self) -> bytes | None:
        """The JSON; None if there is none."""
        return self._objects.get(media_path(self._record.photo_id, "json"))

    def close(self) -> None:
        """Give the bytes back."""
        self._part.discard()
