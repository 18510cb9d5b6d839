"""How a run went over time: counts every so often, and what held it back.

A line of JSON each, in ``ledger/runs/<run_id>.samples``::

    {"t":12.0,"outcomes":{"stored":812,"gone":40},"known":0,"n_bytes":67830112,"shards":3,
     "waits":{"live.staticflickr.com":8.5},"n_notes":1}
    {"t":3.5,"note":"live.staticflickr.com: paused for 9 s, it asked to slow down"}

Counts are those since the run began, so that a sample that is left out costs detail and no truth.
When there are too many, every other one is dropped and the pace halved: a run of a week needs no
more room than one of an hour. Nothing is synced: after a power cut some samples may be missing.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import LEDGER, RUNS
from yfcc.mirror.root import AnyMirror, Mirror
from yfcc.mirror.run_file import write_run_file
from yfcc.mirror.totals import RunProgress
from yfcc.mirror.tree import PRIVATE_FILE_MODE

SAMPLES_SUFFIX: Final = ".samples"
#: Seconds between two samples of a run that just began.
FIRST_PACE_S: Final = 0.5
MAX_SAMPLES: Final = 2000
#: The first so many pauses are told one by one, later ones only counted.
MAX_NOTES: Final = 200
#: Seconds between two writes of a run's samples to a bucket.
_BUCKET_PACE_S: Final = 10.0

_APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a run was at a moment; all counts since it began.

    Attributes
    ----------
    elapsed_s : float
        When, in seconds since the beginning.
    outcomes : mapping of str to int
        Items by outcome.
    n_known : int
        Of them, those whose outcome was known before the run.
    n_bytes : int
        Bytes of media stored.
    n_shards_done : int
        Shards whose items all have an outcome.
    waits : mapping of str to float
        Seconds during which a host was not asked, by its name.
    n_notes : int
        Pauses begun.
    """

    elapsed_s: float
    outcomes: Mapping[str, int]
    n_known: int
    n_bytes: int
    n_shards_done: int
    waits: Mapping[str, float]
    n_notes: int

    @property
    def n_new(self) -> int:
        """Items that got their outcome from this run."""
        return sum(self.outcomes.values()) - self.n_known


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth a line at a moment, in seconds since the run began."""

    elapsed_s: float
    text: str


class Sampler:
    """Writes down how a run goes; used by one thread.

    Parameters
    ----------
    mirror : Mirror
        Whose run.
    run_id : str
        Names the file.
    """

    def __init__(self, mirror: AnyMirror, run_id: str) -> None:
        self._mirror = mirror
        self._run_id = run_id
        self._pace_s = FIRST_PACE_S
        self._samples: list[Sample] = []
        self._notes: list[Note] = []
        self._n_notes = 0
        self._waits: defaultdict[str, float] = defaultdict(float)
        self._paused: set[str] = set()
        self._looked_s = 0.0
        self._is_torn = False
        self._is_finishing = False
        self._saved_s = 0.0

    def look(self, progress: RunProgress) -> None:
        """Take note of a run's progress; called often, writes seldom.

        Raises
        ------
        TargetError
            The disk refused.
        """
        new = self._note_pauses(progress)
        last_s = self._samples[-1].elapsed_s if self._samples else -self._pace_s
        is_due = progress.elapsed_s - last_s >= self._pace_s
        if is_due:
            self._samples.append(self._sample(progress))
        if len(self._samples) >= MAX_SAMPLES:
            # Of each pair the later one stays: the last sample is never lost. New ones come as
            # far apart as those that stay, so that a run's beginning fades no faster than its end.
            self._samples = self._samples[1::2]
            first_s, last_s = self._samples[0].elapsed_s, self._samples[-1].elapsed_s
            self._pace_s = (last_s - first_s) / (len(self._samples) - 1)
            self._rewrite()
        elif is_due or new:
            self._append(_encode([*new, *(self._samples[-1:] if is_due else ())]))

    def finish(self, progress: RunProgress) -> None:
        """Take the last sample.

        Raises
        ------
        TargetError
            The disk refused.
        """
        new = self._note_pauses(progress)
        self._samples.append(self._sample(progress))
        self._is_finishing = True
        self._append(_encode([*new, self._samples[-1]]))

    def _note_pauses(self, progress: RunProgress) -> list[Note]:
        """Add up how long hosts were not asked; pauses that just began."""
        passed_s = max(0.0, progress.elapsed_s - self._looked_s)
        self._looked_s = progress.elapsed_s
        for host in self._paused:
            self._waits[host] += passed_s
        begun = [
            each for each in progress.hosts if each.is_paused and each.host not in self._paused
        ]
        self._paused = {each.host for each in progress.hosts if each.is_paused}
        self._n_notes += len(begun)
        new = [Note(progress.elapsed_s, each.text) for each in begun]
        new = new[: max(0, MAX_NOTES - len(self._notes))]
        self._notes += new
        return new

    def _sample(self, progress: RunProgress) -> Sample:
        return Sample(
            elapsed_s=round(progress.elapsed_s, 2),
            outcomes={str(outcome): n for outcome, n in progress.outcomes.items()},
            n_known=progress.n_known,
            n_bytes=progress.n_bytes,
            n_shards_done=progress.n_shards_done,
            waits={host: round(wait_s, 1) for host, wait_s in self._waits.items()},
            n_notes=self._n_notes,
        )

    def _append(self, lines: bytes) -> None:
        if not isinstance(self._mirror, Mirror):
            self._rewrite_seldom()
            return
        disk, name = self._mirror.disk, self._run_id + SAMPLES_SUFFIX
        with self._runs_directory(self._mirror) as runs_fd:
            fd = disk.open(name, _APPEND, PRIVATE_FILE_MODE, dir_fd=runs_fd)
            # Half a line that a full disk left is ended, lest it spoil this one too.
            lines, self._is_torn = b"\n" * self._is_torn + lines, True
            try:
                disk.write_all(fd, lines)
            finally:
                disk.close(fd)
            self._is_torn = False

    def _rewrite(self) -> None:
        content = _encode([*self._notes, *self._samples])
        write_run_file(self._mirror, self._run_id, self._run_id + SAMPLES_SUFFIX, content)

    def _rewrite_seldom(self) -> None:
        """Nothing can be appended to an object: all samples are written, and so less often."""
        last_s = self._samples[-1].elapsed_s if self._samples else 0.0
        if self._is_finishing or last_s - self._saved_s >= _BUCKET_PACE_S:
            self._saved_s = last_s
            self._rewrite()

    @contextmanager
    def _runs_directory(self, mirror: Mirror) -> Iterator[int]:
        name = mirror.name(LEDGER, RUNS, self._run_id + SAMPLES_SUFFIX)
        with target_errors(f"write {name}"):
            runs_fd = mirror.open_directory(LEDGER, RUNS)
            try:
                yield runs_fd
            finally:
                os.close(runs_fd)


def _encode(entries: Iterable[Sample | Note]) -> bytes:
    lines: list[dict[str, Any]] = []
    for entry in entries:
        if isinstance(entry, Note):
            lines.append({"t": round(entry.elapsed_s, 2), "note": entry.text})
        else:
            lines.append(
                {
                    "t": entry.elapsed_s,
                    "outcomes": entry.outcomes,
                    "known": entry.n_known,
                    "n_bytes": entry.n_bytes,
                    "shards": entry.n_shards_done,
                    "waits": entry.waits,
                    "n_notes": entry.n_notes,
                }
            )
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def read_samples(mirror: AnyMirror, run_id: str) -> tuple[list[Sample], list[Note]]:
    """How a run went, oldest first, and what held it back; both empty if nothing was written.

    Lines that are torn or make no sense are passed over.

    Raises
    ------
    TargetError
        The file is there and cannot be read.
    """
    name = run_id + SAMPLES_SUFFIX
    content = mirror.read(LEDGER, RUNS, name) or b""
    samples, notes = [], []
    for line in content.split(b"\n"):
        entry = _decode(line)
        if isinstance(entry, Sample):
            samples.append(entry)
        elif entry is not None:
            notes.append(entry)
    samples.sort(key=lambda sample: sample.elapsed_s)
    return samples, notes


def _decode(line: bytes) -> Sample | Note | None:
    try:
        found = orjson.loads(line)
        if "note" in found:
            return Note(float(found["t"]), str(found["note"]))
        return Sample(
            elapsed_s=float(found["t"]),
            outcomes={str(name): int(n) for name, n in found["outcomes"].items()},
            n_known=int(found["known"]),
            n_bytes=int(found["n_bytes"]),
            n_shards_done=int(found["shards"]),
            waits={str(host): float(wait_s) for host, wait_s in found["waits"].items()},
            n_notes=int(found["n_notes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def add_samples(parts: Sequence[tuple[float, Sequence[Sample]]]) -> list[Sample]:
    """How processes went together, oldest first; no more than :data:`MAX_SAMPLES`.

    Parameters
    ----------
    parts : sequence of (float, sequence of Sample)
        When a process began, in seconds since the whole did, and its samples, oldest first.
        Between two of them counts are on a straight line.
    """
    if len(parts) == 1:
        return list(parts[0][1])
    told = [(began_s, samples) for began_s, samples in parts if samples]
    moments = sorted({began_s + each.elapsed_s for began_s, samples in told for each in samples})
    every = -(-len(moments) // MAX_SAMPLES) or 1
    # From the end: the last one tells the truth.
    moments = moments[::-every][::-1]
    at_times = [_sample_at(began_s, samples, moments) for began_s, samples in told]
    return [
        _add_up(moment, together)
        for moment, together in zip(moments, zip(*at_times, strict=True), strict=True)
    ]


def _sample_at(
    began_s: float, samples: Sequence[Sample], moments: Sequence[float]
) -> Iterator[Sample]:
    """How far a process was at some moments, ascending."""
    before, number = Sample(0.0, {}, 0, 0, 0, {}, 0), 0
    for moment in moments:
        while number < len(samples) and began_s + samples[number].elapsed_s <= moment:
            before, number = samples[number], number + 1
        if number == len(samples):
            yield before
            continue
        after = samples[number]
        passed_s, span_s = moment - began_s - before.elapsed_s, after.elapsed_s - before.elapsed_s
        yield _between(before, after, passed_s / span_s) if passed_s > 0 else before


def _between(before: Sample, after: Sample, part: float) -> Sample:
    def on_line(low: int, high: int) -> int:
        return low + round(part * (high - low))

    outcomes = {
        name: on_line(before.outcomes.get(name, 0), n) for name, n in after.outcomes.items()
    }
    return replace(
        before,
        outcomes=outcomes,
        n_known=on_line(before.n_known, after.n_known),
        n_bytes=on_line(before.n_bytes, after.n_bytes),
    )


def _add_up(elapsed_s: float, parts: Sequence[Sample]) -> Sample:
    outcomes: Counter[str] = Counter()
    waits: dict[str, float] = {}
    for part in parts:
        outcomes.update(part.outcomes)
        for host, wait_s in part.waits.items():  # the longest: they wait at the same time
            waits[host] = max(wait_s, waits.get(host, 0.0))
    return Sample(
        elapsed_s=round(elapsed_s, 2),
        outcomes=dict(outcomes),
        n_known=sum(part.n_known for part in parts),
        n_bytes=sum(part.n_bytes for part in parts),
        n_shards_done=sum(part.n_shards_done for part in parts),
        waits=waits,
        n_notes=sum(part.n_notes for part in parts),
    )
