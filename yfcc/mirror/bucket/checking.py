"""Checking one shard of a mirror in a bucket: every stored byte, and every name in its folders."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Final

from yfcc.media.decode import Decoders
from yfcc.mirror.bucket.client import N_CONNECTIONS
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import document_name, extension_in, media_path
from yfcc.mirror.record import Record
from yfcc.mirror.verdicts import (
    ShardTask,
    check_content,
    check_document,
    damage_of,
    leaf_parts,
    read_records,
    say_bytes,
    sort_out,
)
from yfcc.model import id_prefix

#: Whole items in memory at a time, when they are decoded.
_N_DECODED: Final = 4


class BucketShardChecker:
    """Checks shards, one after the other, many objects of each at a time.

    Parameters
    ----------
    mirror : BucketMirror
    decoders : Decoders or None
        Every picture is decoded by them, and every structure walked.
    """

    def __init__(self, mirror: BucketMirror, decoders: Decoders | None = None) -> None:
        self._mirror = mirror
        self._decoders = decoders

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
        for found in self._mirror.map_ahead(partial(self._check, findings), stored, n_ahead):
            findings.damages += [found] if found else []
        findings.n_items = len(stored)
        findings.n_bytes = sum(record.n_bytes or 0 for record in stored)
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
        return self._check(ShardFindings(record.shard), record)

    def _check(self, findings: ShardFindings, record: Record) -> Damage | None:
        extension = extension_in(record.path or "", record.photo_id)
        if extension is None:
            return damage_of(Problem.MISSING, record, "no path that an item can have")
        key = media_path(record.photo_id, extension)
        content = self._mirror.objects.get(key) if self._decoders else None
        if content is None:
            measured = self._mirror.objects.measure(key)
        else:
            measured = len(content), hashlib.sha256(content).hexdigest()
        if measured is None:
            return damage_of(Problem.MISSING, record, "no object")
        if measured != (record.n_bytes, record.sha256):
            return damage_of(Problem.CHANGED, record, say_bytes(*measured))
        if content and self._decoders:
            with memoryview(content) as view:
                damage = check_content(view, record, extension, self._decoders, findings)
            if damage is not None:
                return damage
        document = self._mirror.objects.get(media_path(record.photo_id, "json"))
        return check_document(document, record, "no object")

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
