"""Taking back what is damaged, so that the next download fetches it anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from yfcc.mirror.adopt import find_newer
from yfcc.mirror.bucket.ledger_parts import keep_sealed_commits
from yfcc.mirror.bucket.root import BucketMirror
from yfcc.mirror.check_child import CheckOptions, OwnChecker
from yfcc.mirror.claim import AnyClaim, claim_shards
from yfcc.mirror.clock import Clock, SystemClock, format_utc
from yfcc.mirror.findings import Damage, Problem, VerifySummary
from yfcc.mirror.layout import LEDGER, document_name, extension_in, ledger_name, media_name
from yfcc.mirror.ledger import find_committed, read_shard, seal_lines
from yfcc.mirror.opening import open_ledger, open_store
from yfcc.mirror.record import Record, as_not_stored
from yfcc.mirror.root import AnyMirror
from yfcc.mirror.run import make_run_id
from yfcc.mirror.store import Store
from yfcc.mirror.tombstones import LiveTombstones
from yfcc.mirror.verify import VerifyOptions, verify_mirror
from yfcc.model import Outcome


def repair_mirror(
    mirror: AnyMirror,
    options: VerifyOptions | None = None,
    report: Callable[[VerifySummary], None] | None = None,
    clock: Clock | None = None,
) -> VerifySummary:
    """Verify a mirror and take back what is damaged.

    A damaged item gets a record ``failed`` that says why, then its files are removed. Where JSON
    and media agree and are newer than the record, they are recorded instead: a run that asked
    again for stored items was killed between its files and its records. A ledger
    file keeps its sealed commits only; items that lose their records that way are found on disk
    by the next download. Extra files are nobody's to remove: they stay.

    Parameters
    ----------
    mirror, options, report
        As for :func:`~yfcc.mirror.verify.verify_mirror`.
    clock : Clock, optional
        The time.

    Raises
    ------
    LockedError
        A run is writing to a damaged shard, or another verification is under way.
    TargetError
        The disk cannot be read or written.
    """
    options = options or VerifyOptions()
    summary = verify_mirror(mirror, options, report)
    by_shard: dict[int, list[Damage]] = defaultdict(list)
    for damage in summary.damages:
        if damage.problem is not Problem.EXTRA:
            by_shard[damage.shard].append(damage)
    if not by_shard:
        return summary
    clock = clock or SystemClock()
    now = format_utc(clock.now_utc())
    run_id = make_run_id(clock.now_utc())
    checker = OwnChecker(mirror, CheckOptions(options.deep))
    try:
        with claim_shards(mirror, frozenset(by_shard), run_id, now) as claim:
            means = _Means(mirror, claim, checker, LiveTombstones(mirror), now)
            for _, damages in sorted(by_shard.items()):
                n_repaired, n_recorded = _repair_shard(means, damages)
                summary.n_repaired += n_repaired
                summary.n_recorded += n_recorded
    finally:
        checker.close()
    return summary


@dataclass(frozen=True, slots=True)
class _Means:
    """What the repair of every shard needs."""

    mirror: AnyMirror
    claim: AnyClaim
    checker: OwnChecker
    tombstones: LiveTombstones
    now: str


def _repair_shard(means: _Means, damages: list[Damage]) -> tuple[int, int]:
    """See to a shard's damaged items: how many were taken back, and recorded as they are."""
    shard = damages[0].shard
    if any(damage.problem is Problem.LEDGER_DAMAGED for damage in damages):
        _keep_sealed_commits(means.mirror, means.claim, shard)
    store = open_store(means.mirror, means.claim.run_id)
    ledger = open_ledger(means.mirror, shard, means.claim.check)
    # Looked at once more: a run may have fetched it anew before the shard was held.
    confirmed = [
        damage
        for found in damages
        if found.record is not None
        and ledger.outcome_of(found.record.photo_id) is Outcome.STORED
        and (damage := means.checker.check_item(found.record)) is not None
    ]
    newer: list[Record] = []
    taken_back: list[Record] = []
    leftovers: dict[int, list[str]] = {}
    for damage in confirmed:
        if damage.record is None:
            continue
        now_there = _find_newer(means, store, damage.record)
        if now_there is None:
            taken_back.append(_take_back(damage, means.claim.run_id, means.now))
            kept: tuple[str, ...] = ()
        else:
            newer.append(now_there)
            kept = _names(now_there)
        leftovers[damage.record.photo_id] = [
            name for name in _names(damage.record) if name not in kept
        ]
    store.keep_names(record.photo_id for record in newer)
    if confirmed:
        ledger.append([*newer, *taken_back])
    for photo_id, names in leftovers.items():
        if names:
            store.remove(photo_id, names)
    return len(taken_back), len(newer)


def _find_newer(means: _Means, store: Store, record: Record) -> Record | None:
    """The record of what is newer than recorded, whole, and not removed for good; None if not."""
    newer = find_newer(store, record, means.claim.run_id)
    if newer is None or means.tombstones.reason_of_digest(newer.sha256) is not None:
        return None
    return newer if means.checker.check_item(newer) is None else None


def _take_back(damage: Damage, run_id: str, now: str) -> Record:
    if damage.record is None:
        raise ValueError(f"no item to take back: {damage.describe()}")
    taken_back = as_not_stored(damage.record, f"verify: {damage.describe()}")
    return replace(taken_back, fetched_at=now, run_id=run_id)


def _names(record: Record) -> tuple[str, ...]:
    """An item's files, the JSON last: until then it names the other."""
    extension = extension_in(record.path or "", record.photo_id)
    document = document_name(record.photo_id)
    return (document,) if extension is None else (media_name(record.photo_id, extension), document)


def _keep_sealed_commits(mirror: AnyMirror, claim: AnyClaim, shard: int) -> None:
    """Write a shard's file anew, as one commit, without the bytes that no seal covers."""
    if isinstance(mirror, BucketMirror):
        claim.check()
        keep_sealed_commits(mirror, shard)
        return
    content = seal_lines(b"".join(find_committed(read_shard(mirror, shard)).records))
    claim.check()
    mirror.replace(claim.run_id, content, LEDGER, ledger_name(shard))
