"""Reading the ledger: which lines of a shard's file count.

A shard's file grows by *commits*. A commit is a number of records, one JSON line each, and then
one line that seals them::

    {"photo_id":4207153986,"outcome":"stored","n_bytes":83120,…}
    {"photo_id":4207153987,"outcome":"gone",…}
    {"commit":{"n":2,"crc32":…,"counts":{"stored":812,"gone":40},"n_bytes":…}}

``n`` and ``crc32`` are those of the sealed lines; ``counts`` says how many items of the shard
have which latest outcome, and ``n_bytes`` what the stored ones weigh, so that the last line of
each file is a summary of the whole mirror. The latest record of an item is the one that counts.

Lines without a valid seal do not count: behind the last seal they are the torn end of a commit
that was cut short, and the next writer cuts them off; before it, or under a seal that is not
theirs, they are damage, which ``verify`` reports. Their items are simply unknown again, and found
on disk or asked for by the next run.
"""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import orjson

from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, ledger_name, parse_ledger_name
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.model import N_SHARDS, Outcome

_SEAL: Final = b'{"commit":'

#: In JSON no quote of a text stands without a backslash: this matches no text, only members.
_ID_AND_OUTCOME: Final = re.compile(rb'"photo_id":([0-9]+),"outcome":"([a-z_]+)"')
_OUTCOMES: Final = {outcome.value.encode(): outcome for outcome in Outcome}

#: Longer than any seal: a file's summary is within its last bytes.
_TAIL_BYTES: Final = 2048

#: Shards of a mirror in a bucket that are read at a time: some 8 MB each in a whole mirror.
_N_AHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Seal:
    """The line that ends a commit.

    Attributes
    ----------
    n : int
        Records in the commit.
    crc32 : int
        Of their lines, newlines included.
    counts : mapping of str to int
        Items of the shard by latest outcome, after this commit.
    n_bytes : int
        Bytes of the stored ones.
    """

    n: int
    crc32: int
    counts: Mapping[str, int]
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Committed:
    """What counts in a shard's file.

    Attributes
    ----------
    records : list of bytes
        The sealed lines, in order, one element a commit.
    end : int
        Where the last valid commit ends: what follows is torn.
    n_damaged_bytes : int
        Bytes up to the last line of a seal, valid or not, that belong to no valid commit.
    seal : Seal or None
        Of the last valid commit.
    """

    records: list[bytes]
    end: int
    n_damaged_bytes: int
    seal: Seal | None = None

    def iter_lines(self) -> Iterator[bytes]:
        """The records' lines without newlines, oldest first."""
        for sealed in self.records:
            yield from sealed.split(b"\n")[:-1]

    def read_outcomes(self) -> dict[int, Outcome]:
        """Latest outcome of every item.

        A run reads all of a shard's records before its first item, and a hundred million of them
        in the end: they are looked through for two values, three times as fast as JSON is parsed.
        """
        outcomes: dict[int, Outcome] = {}
        for sealed in self.records:
            found = _ID_AND_OUTCOME.findall(sealed)
            if len(found) != sealed.count(b"\n"):  # written in another form than ours
                lines = map(orjson.loads, sealed.split(b"\n")[:-1])
                found = [(line["photo_id"], line["outcome"].encode()) for line in lines]
            for photo_id, outcome in found:
                outcomes[int(photo_id)] = _OUTCOMES[outcome]
        return outcomes

    def read_sizes(self) -> dict[int, int]:
        """Bytes of every item whose latest outcome is ``stored``."""
        sizes: dict[int, int] = {}
        for found in map(orjson.loads, self.iter_lines()):
            sizes.pop(found["photo_id"], None)
            if found["outcome"] == Outcome.STORED:
                sizes[found["photo_id"]] = found.get("n_bytes") or 0
        return sizes


def encode_seal(seal: Seal) -> bytes:
    """The line that ends a commit, with its newline."""
    return orjson.dumps({"commit": seal}, option=orjson.OPT_APPEND_NEWLINE)


def decode_seal(line: bytes) -> Seal | None:
    """The seal in a line, or None if it is none."""
    try:
        found = orjson.loads(line)["commit"]
        return Seal(found["n"], found["crc32"], found["counts"], found["n_bytes"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def find_committed(content: bytes) -> Committed:
    """The records that count in a shard's file."""
    records: list[bytes] = []
    last: Seal | None = None
    start = end = n_valid_bytes = end_of_seals = 0
    while (sealed_end := _find_seal(content, start)) >= 0:
        newline = content.find(b"\n", sealed_end)
        if newline < 0:
            break
        sealed = content[start:sealed_end]
        seal = decode_seal(content[sealed_end:newline])
        if seal and seal.n == sealed.count(b"\n") and seal.crc32 == zlib.crc32(sealed):
            records.append(sealed)
            last = seal
            end = newline + 1
            n_valid_bytes += end - start
        start = end_of_seals = newline + 1
    return Committed(records, end, end_of_seals - n_valid_bytes, last)


def seal_lines(lines: bytes) -> bytes:
    """One commit that holds all of a shard's records, given as lines, oldest first."""
    latest = {found["photo_id"]: found for found in map(orjson.loads, lines.split(b"\n")[:-1])}
    counts = Counter(str(found["outcome"]) for found in latest.values())
    n_bytes = sum(found.get("n_bytes") or 0 for found in latest.values())
    return lines + encode_seal(Seal(lines.count(b"\n"), zlib.crc32(lines), counts, n_bytes))


def _find_seal(content: bytes, start: int) -> int:
    """Position of the next line that looks like a seal, or -1."""
    if content.startswith(_SEAL, start):
        return start
    before = content.find(b"\n" + _SEAL, start)
    return before + 1 if before >= 0 else -1


def read_shard(mirror: AnyMirror, shard: int) -> bytes:
    """All that a shard's ledger holds, oldest first; empty if there is nothing.

    Raises
    ------
    TargetError
        It cannot be read.
    """
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket import segments  # noqa: PLC0415

        return segments.read_shard_objects(mirror.objects, shard).content
    return mirror.read(LEDGER, ledger_name(shard)) or b""


def iter_shards(mirror: AnyMirror, shards: Iterable[int]) -> Iterator[bytes]:
    """What :func:`read_shard` gives for each shard, those in a bucket read ahead."""
    if not isinstance(mirror, Mirror):
        yield from mirror.map_ahead(partial(read_shard, mirror), shards, _N_AHEAD)
    else:
        yield from map(partial(read_shard, mirror), shards)


def read_last_seals(
    mirror: AnyMirror, shards: Collection[int] = range(N_SHARDS)
) -> dict[int, Seal]:
    """The summary of every shard in which anything was committed, by shard, ascending.

    One small read a shard, in a bucket many at a time.
    """
    if isinstance(mirror, Mirror):
        there = [shard for shard in list_shards(mirror) if shard in shards]
        seals = {shard: read_last_seal(mirror, shard) for shard in there}
        return {shard: seal for shard, seal in seals.items() if seal is not None}
    from yfcc.mirror.bucket import segments  # noqa: PLC0415

    listed = segments.list_ledger(mirror.objects)
    found = {shard: each for shard, each in listed.items() if shard in shards}
    objects = mirror.objects
    lines = mirror.map_ahead(
        lambda each: segments.read_last_line(objects, each.shard, each), found.values()
    )
    told = {}
    for shard, line in zip(found, lines, strict=True):
        seal = decode_seal(line) or _last_valid_seal(read_shard(mirror, shard))
        if seal is not None:
            told[shard] = seal
    return told


def read_last_seal(mirror: AnyMirror, shard: int) -> Seal | None:
    """The summary at the end of a shard's ledger; None if nothing was committed.

    One small read, unless the end is torn. The records are taken at their word.
    """
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket import segments  # noqa: PLC0415

        line = segments.read_last_line(mirror.objects, shard)
        return decode_seal(line) or _last_valid_seal(read_shard(mirror, shard))
    with target_errors(f"read {mirror.name(LEDGER, ledger_name(shard))}"):
        ledger_fd = mirror.open_directory(LEDGER)
        try:
            fd = mirror.disk.open(ledger_name(shard), os.O_RDONLY | os.O_NOFOLLOW, dir_fd=ledger_fd)
        except FileNotFoundError:
            return None
        finally:
            os.close(ledger_fd)
        try:
            tail = os.pread(fd, _TAIL_BYTES, max(0, os.fstat(fd).st_size - _TAIL_BYTES))
        finally:
            os.close(fd)
    if tail.endswith(b"\n"):
        seal = decode_seal(tail[tail.rfind(b"\n", 0, -1) + 1 :])
        if seal is not None:
            return seal
    return _last_valid_seal(read_shard(mirror, shard))


def _last_valid_seal(content: bytes) -> Seal | None:
    end = find_committed(content).end
    return decode_seal(content[content.rfind(b"\n", 0, end - 1) + 1 : end]) if end else None


def list_shards(mirror: AnyMirror) -> list[int]:
    """Shards that have a ledger, ascending."""
    if not isinstance(mirror, Mirror):
        from yfcc.mirror.bucket import segments  # noqa: PLC0415

        return list(segments.list_ledger(mirror.objects))
    shards = (parse_ledger_name(name) for name in mirror.list_names(LEDGER))
    return sorted(shard for shard in shards if shard is not None)
