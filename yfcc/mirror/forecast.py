"""What a download would do, told before it asks for anything."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import IdList, Selection
from yfcc.catalog.selection_counts import SelectionCounts
from yfcc.errors import TargetError
from yfcc.mirror.ledger import find_committed, iter_shards, read_last_seals
from yfcc.mirror.opening import has_mirror, is_in_bucket, open_any
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.run_file import list_runs, read_whole_run
from yfcc.mirror.space import decide_floor
from yfcc.mirror.whole_run import whole_of
from yfcc.model import MediaKind, Outcome

#: Mean size of the persistent copy's media: 13 TB of 99,206,564 photos, 3 TB of 793,436 videos.
USUAL_BYTES: Final = {
    MediaKind.PHOTO.value: 13 * 10**12 // 99_206_564,
    MediaKind.VIDEO.value: 3 * 10**12 // 793_436,
}
#: Disk that an item takes beside its media: a block for its JSON, half a block where the media
#: ends, a line of the ledger, its share of the directory.
BYTES_BESIDE_MEDIA: Final = 4096 + 2048 + 512 + 128
#: Stored items of a kind whose sizes tell what others will have.
_N_TELLING: Final = 100
#: Records of the ledger that are looked at: 3 us each. With more, a part stands for the whole.
_RECORDS_LOOKED_AT: Final = 500_000
#: Of the latest runs, so many are looked at for one that tells a rate.
_RUNS_LOOKED_AT: Final = 10


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a download would do.

    Attributes
    ----------
    n_selected : int
        Items, of the shards that were asked for.
    by_license, by_media : mapping of str to int
        Of those, the most frequent licence first.
    n_shards : int
        Shards with selected items.
    n_already_stored, n_otherwise_final : int
        Selected items that would not be asked for again.
    n_to_fetch : int
        The rest.
    is_counted : bool
        Whether the two are counted; else they are estimated from a part of a large ledger.
    expected_bytes : int
        Of media still to be stored, if all of it is there.
    mean_bytes : mapping of str to int
        Bytes of an item by media kind.
    mean_from : mapping of str to str
        ``mirror`` if stored items tell it, ``usual`` for the mean of the whole collection.
    needed_bytes : int
        On disk, with JSON and ledger.
    free_bytes : int or None
        On the mirror's disk; a bucket has no end.
    reserved_bytes : int
        Of these a run leaves so many free.
    rate_bytes_per_s, expected_s : float or None
        Rate of the latest run that stored anything, and the time at that rate; None if there was
        none.
    rate_run_id : str or None
        That run.
    ids : IdList or None
        What the list of ids holds.
    """

    n_selected: int
    by_license: Mapping[str | None, int]
    by_media: Mapping[str, int]
    n_shards: int
    n_already_stored: int
    n_otherwise_final: int
    n_to_fetch: int
    is_counted: bool
    expected_bytes: int
    mean_bytes: Mapping[str, int]
    mean_from: Mapping[str, str]
    needed_bytes: int
    free_bytes: int | None
    reserved_bytes: int
    rate_bytes_per_s: float | None
    expected_s: float | None
    rate_run_id: str | None
    ids: IdList | None = None

    @property
    def fits(self) -> bool:
        """Whether the disk can hold it."""
        if self.free_bytes is None:
            return True
        return self.needed_bytes <= self.free_bytes - self.reserved_bytes

    def check(self, mirror: str) -> None:
        """Refuse what the disk cannot hold.

        Raises
        ------
        TargetError
        """
        if not self.fits:
            raise TargetError(
                f"{mirror}: the disk cannot hold the selection: about {self.needed_bytes:,} bytes "
                f"for {self.n_to_fetch:,} items, {self.free_bytes:,} are free and "
                f"{self.reserved_bytes:,} have to stay so. Nothing was asked for. Select less, "
                "free space, or go on all the same with --force."
            )


@dataclass(slots=True)
class _Known:
    """What the ledger says of the shards that were looked at."""

    n_records: int = 0
    n_records_in_all: int = 0
    stored: list[int] = field(default_factory=list)
    otherwise_final: list[int] = field(default_factory=list)
    shards: list[int] = field(default_factory=list)
    n_bytes: Counter[str] = field(default_factory=Counter)
    n_of_kind: Counter[str] = field(default_factory=Counter)


def make_forecast(
    catalog: Catalog,
    selection: Selection,
    counts: SelectionCounts,
    shards: Collection[int],
    root: Path | str,
) -> Forecast:
    """Say what a download would do; nothing is asked for, nothing is written to the mirror.

    Parameters
    ----------
    catalog : Catalog
    selection : Selection
    counts : SelectionCounts
        Of the selection.
    shards : collection of int
        Those to be downloaded.
    root : Path or str
        The mirror, which need not exist.
    """
    known, rate, run_id = _Known(), None, None
    if has_mirror(root):
        with open_any(root) as mirror:
            known = _look_at_ledger(mirror, shards)
            rate, run_id = _latest_rate(mirror)
    by_media = counts.by_kind(shards)
    scale = known.n_records_in_all / known.n_records if known.n_records else 1.0
    stored = _count_known(catalog, selection, known.stored, known.shards, scale)
    final = _count_known(catalog, selection, known.otherwise_final, known.shards, scale)
    left = {kind: max(n - stored[kind] - final[kind], 0) for kind, n in by_media.items()}
    telling = {kind: known.n_of_kind[kind] >= _N_TELLING for kind in USUAL_BYTES}
    mean_bytes = {
        kind: known.n_bytes[kind] // known.n_of_kind[kind] if telling[kind] else usual
        for kind, usual in USUAL_BYTES.items()
    }
    expected_bytes = sum(n * mean_bytes[kind] for kind, n in left.items())
    n_to_fetch = sum(left.values())
    free_bytes, total_bytes = _measure_space(root)
    return Forecast(
        n_selected=sum(by_media.values()),
        by_license=counts.by_license(shards),
        by_media=by_media,
        n_shards=len(set(shards) & counts.by_shard().keys()),
        n_already_stored=stored.total(),
        n_otherwise_final=final.total(),
        n_to_fetch=n_to_fetch,
        is_counted=known.n_records == known.n_records_in_all,
        expected_bytes=expected_bytes,
        mean_bytes=mean_bytes,
        mean_from={kind: "mirror" if is_told else "usual" for kind, is_told in telling.items()},
        needed_bytes=expected_bytes + n_to_fetch * BYTES_BESIDE_MEDIA,
        free_bytes=free_bytes,
        reserved_bytes=decide_floor(total_bytes),
        rate_bytes_per_s=rate,
        expected_s=expected_bytes / rate if rate else None,
        rate_run_id=run_id,
        ids=catalog.listed(selection),
    )


def surely_fits(counts: SelectionCounts, shards: Collection[int], root: Path | str) -> bool:
    """Whether there is room to spare even if nothing is stored yet: no need to look closer."""
    free_bytes, total_bytes = _measure_space(root)
    if free_bytes is None:
        return True
    needed = sum(
        n_items * (USUAL_BYTES[kind] + BYTES_BESIDE_MEDIA)
        for kind, n_items in counts.by_kind(shards).items()
    )
    return 2 * needed <= free_bytes - decide_floor(total_bytes)


def _measure_space(root: Path | str) -> tuple[int | None, int]:
    """Bytes free where a mirror is, or would be made, and in all; None free in a bucket."""
    if is_in_bucket(root):
        return None, 0
    disk = shutil.disk_usage(_existing(Path(root)))
    return disk.free, disk.total


def _existing(root: Path) -> Path:
    """The mirror, or the folder in which it would be made."""
    root = root.absolute()
    return next(path for path in (root, *root.parents) if path.exists())


def _look_at_ledger(mirror: AnyMirror, shards: Collection[int]) -> _Known:
    """Records of as many shards as there is time for, spread evenly."""
    known = _Known()
    sizes: dict[int, int] = {}
    for shard, seal in read_last_seals(mirror).items():
        if shard in shards:
            sizes[shard] = sum(seal.counts.values())
    known.n_records_in_all = sum(sizes.values())
    every = -(-known.n_records_in_all // _RECORDS_LOOKED_AT) or 1
    known.shards = sorted(sizes)[::every]
    for shard, content in zip(known.shards, iter_shards(mirror, known.shards), strict=True):
        known.n_records += sizes[shard]
        _take_in(known, find_committed(content).iter_lines())
    return known


def _take_in(known: _Known, lines: Iterable[bytes]) -> None:
    latest = {found["photo_id"]: found for found in map(orjson.loads, lines)}
    for photo_id, found in latest.items():
        if found["outcome"] == Outcome.STORED:
            known.stored.append(photo_id)
            is_video = (found["content_type"] or "").startswith("video/")
            kind = (MediaKind.VIDEO if is_video else MediaKind.PHOTO).value
            known.n_bytes[kind] += found["n_bytes"] or 0
            known.n_of_kind[kind] += 1
        elif found["outcome"] != Outcome.FAILED:
            known.otherwise_final.append(photo_id)


def _count_known(
    catalog: Catalog, selection: Selection, ids: list[int], shards: list[int], scale: float
) -> Counter[str]:
    """How many selected items are among those known, in the whole ledger."""
    if not ids:
        return Counter()
    found = catalog.count_among(selection, ids, shards)
    return Counter({kind: round(n_items * scale) for kind, n_items in found.items()})


def _latest_rate(mirror: AnyMirror) -> tuple[float | None, str | None]:
    """Bytes a second of the latest run that ended and stored anything, and its id."""
    latest = list(dict.fromkeys(map(whole_of, reversed(list_runs(mirror)))))
    for run_id in latest[:_RUNS_LOOKED_AT]:
        run = read_whole_run(mirror, run_id)
        if run.ended and run.n_bytes:
            began, ended = map(datetime.fromisoformat, (run.started, run.ended))
            seconds = (ended - began).total_seconds()
            if seconds > 0:
                return run.n_bytes / seconds, run_id
    return None, None
