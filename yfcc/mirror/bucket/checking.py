"""Checking one shard of a mirror in a bucket: every stored byte, and every name in its folders."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Final

from yfcc.media.decode import DECODABLE, Decoders, Fate
from yfcc.media.facts import FlawedMedia
from yfcc.media.structure import inspect_media
from yfcc.mirror.bucket.client import N_CONNECTIONS
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.checking import (
    ShardTask,
    compare_document,
    damage_of,
    find_stray,
    latest_records,
    ledger_damage,
    say_bytes,
)
from yfcc.mirror.findings import Damage, Problem, ShardFindings
from yfcc.mirror.layout import MEDIA, document_name, extension_in, media_path
from yfcc.mirror.ledger import find_committed, read_shard
from yfcc.mirror.record import Record
from yfcc.model import Outcome, id_prefix

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
        content = find_committed(read_shard(self._mirror, task.shard))
        if content.n_damaged_bytes:
            findings.damages.append(ledger_damage(task.shard, content.n_damaged_bytes))
        latest = latest_records(content.iter_lines())
        stored = [record for record in latest.values() if record.outcome is Outcome.STORED]
        if task.n_sample is not None:
            choice = random.Random(f"{task.seed}-{task.shard}")  # noqa: S311 - no secret
            stored = choice.sample(stored, min(task.n_sample, len(stored)))
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
        if content and (undecodable := self._decode(findings, record, extension, content)):
            return undecodable
        return self._check_document(record)

    def _decode(
        self, findings: ShardFindings, record: Record, extension: str, content: bytes
    ) -> Damage | None:
        """What a look at the content says."""
        if self._decoders is None:
            return None
        with memoryview(content) as view:
            facts = inspect_media(view)
            if isinstance(facts, FlawedMedia):
                return damage_of(Problem.UNDECODABLE, record, facts.reason)
            if facts.extension != extension:
                return damage_of(Problem.UNDECODABLE, record, f"a {facts.extension}")
            if facts.content_type not in DECODABLE:
                return None
            decoded = self._decoders.decode(view)
        if decoded.fate is Fate.TOO_LARGE:
            findings.n_not_decoded += 1
        elif decoded.fate is not Fate.DECODED:
            return damage_of(Problem.UNDECODABLE, record, decoded.reason)
        return None

    def _check_document(self, record: Record) -> Damage | None:
        path = media_path(record.photo_id, "json")
        said = f"JSON of item {record.photo_id} with {say_bytes(record.n_bytes, record.sha256)}"
        content = self._mirror.objects.get(path)
        if content is None:
            return Damage(Problem.JSON_MISSING, path, said, "no object", record.shard, record)
        disagreement = compare_document(content, record)
        if disagreement is not None:
            return Damage(Problem.JSON_CHANGED, path, said, disagreement, record.shard, record)
        return None

    def _find_strays(
        self, findings: ShardFindings, leaves: list[int], latest: Mapping[int, Record]
    ) -> None:
        """Sort out the names in folders that no stored item accounts for."""
        by_folder: dict[tuple[str, ...], set[str]] = defaultdict(set)
        folders: list[tuple[str, ...]] = [
            (MEDIA, f"{leaf:06d}"[:3], f"{leaf:06d}"[3:]) for leaf in leaves
        ]
        names = self._mirror.map_ahead(lambda parts: self._mirror.list_names(*parts), folders)
        for parts, found in zip(folders, names, strict=True):
            by_folder[parts] |= set(found)
        for parts, listed in by_folder.items():
            for name in sorted(listed):
                stray = find_stray(name, parts, latest, partial(self._has_document, parts))
                if stray is None:
                    continue
                path = "/".join((*parts, name))
                if stray:
                    damage = Damage(Problem.EXTRA, path, "no such file", stray, findings.shard)
                    findings.damages.append(damage)
                else:
                    findings.orphans.append(path)

    def _has_document(self, parts: tuple[str, ...], photo_id: int) -> bool:
        return self._mirror.read(*parts, document_name(photo_id)) is not None
