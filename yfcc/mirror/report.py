"""A run as one HTML page: what was asked, what came of it, how it went over time.

The page stands alone: no scripts, nothing from elsewhere, and a policy that forbids both. All that
comes from a record is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape as escape_html
from itertools import pairwise
from pathlib import Path
from typing import Final

from yfcc.errors import UsageError
from yfcc.mirror.disk import target_errors
from yfcc.mirror.layout import PART_SUFFIX
from yfcc.mirror.opening import open_any
from yfcc.mirror.plot import Series, draw_areas, draw_line, format_time
from yfcc.mirror.run_file import list_parts, read_last_run, read_run, read_whole_run
from yfcc.mirror.samples import MAX_NOTES, Note, Sample, add_samples, read_samples
from yfcc.mirror.totals import RunSummary
from yfcc.plain_text import safe_text

#: Points of a plot: more than that many pixels cannot show.
_N_POINTS: Final = 240

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2em auto;padding:0 1em;color:#222}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}
table{border-collapse:collapse}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}tr.sum td{border-top:1px solid #888}
td.code{font-family:monospace;overflow-wrap:anywhere}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#555}svg .grid{stroke:#ddd}
svg.key{width:.8em;height:.8em;margin-right:.4em}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:0 1.2em}
.bad{color:#b00020}
"""


@dataclass(frozen=True, slots=True)
class Report:
    """A run, read from the mirror.

    Attributes
    ----------
    mirror : str
        As the user named it.
    run : RunSummary
    samples : list of Sample
        Oldest first.
    notes : list of Note
        Pauses, as they began.
    n_processes : int
        That shared the work.
    """

    mirror: str
    run: RunSummary
    samples: list[Sample]
    notes: list[Note]
    n_processes: int = 1


def read_report(root: Path | str, run_id: str | None = None) -> Report:
    """What is known of a run.

    Parameters
    ----------
    root : Path or str
        The mirror.
    run_id : str, optional
        The run; by default the one that began last.

    Raises
    ------
    UsageError
        There is no mirror, or no such run.
    TargetError
        The run's files cannot be read.
    """
    with open_any(root) as mirror:
        run = read_last_run(mirror) if run_id is None else read_whole_run(mirror, run_id)
        if run is None:
            raise UsageError(f"{root}: nothing was downloaded yet, so there is no run to show")
        parts = [read_run(mirror, each) for each in list_parts(mirror, run.run_id)]
        told = [
            (_seconds_between(run.started, part.started), *read_samples(mirror, part.run_id))
            for part in parts
        ]
    samples = add_samples([(began_s, samples) for began_s, samples, _ in told])
    notes = [
        Note(began_s + note.elapsed_s, note.text) for began_s, _, notes in told for note in notes
    ]
    notes.sort(key=lambda note: note.elapsed_s)
    return Report(str(root), run, samples, notes, len(parts))


def write_report(report: Report, target: Path) -> None:
    """Write the page; it appears whole or not at all.

    Raises
    ------
    UsageError
        There is a directory.
    TargetError
        It cannot be written.
    """
    if target.is_dir():
        raise UsageError(f"--out {target}: expected a file, there is a directory.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    with target_errors(f"write {target}"):
        try:
            part.write_text(render_report(report), encoding="utf-8")
            part.replace(target)
        finally:
            with suppress(OSError):  # renamed
                part.unlink()


def _escape(text: str) -> str:
    """Text for the page: harmless as markup, and as text where the page's source is printed."""
    return escape_html(safe_text(text))


def render_report(report: Report) -> str:
    """The page as text."""
    run = report.run
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    body = "\n".join(
        [
            f"<h1>Run {_escape(run.run_id)}</h1>",
            _summary(report),
            "<h2>Outcomes</h2>",
            _outcomes(run),
            *_plots(report),
            *_licenses(run),
            *_errors(run),
            *_repeated(run),
            *_pauses(report),
            "<h2>What was asked</h2>",
            _asked(report),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>yfcc run {_escape(run.run_id)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _summary(report: Report) -> str:
    run = report.run
    duration_s = _duration_s(report)
    n_new = report.samples[-1].n_new if report.samples else None
    rows = [("state", "still at work, or killed" if not run.ended else run.end.value)]
    if run.error:
        rows.append(("stopped by", run.error))
    rows += [
        ("exit code", "none yet" if run.exit_code is None else str(run.exit_code)),
        ("started", run.started),
        ("ended", run.ended or "not yet"),
        ("bytes of media stored", f"{run.n_bytes:,}"),
    ]
    if duration_s:
        rows.append(("duration", format_time(float(f"{duration_s:.3g}"))))
        rows.append(("mean rate", f"{run.n_bytes / duration_s / 1e6:,.2f} MB/s"))
    if duration_s and n_new is not None:
        rows.append(("items got an outcome", f"{n_new:,}, {n_new / duration_s:,.1f} a second"))
    if report.samples:
        rows.append(("shards done", f"{report.samples[-1].n_shards_done:,}"))
    return _table(rows)


def _duration_s(report: Report) -> float:
    run = report.run
    if run.ended:
        return _seconds_between(run.started, run.ended)
    return report.samples[-1].elapsed_s if report.samples else 0.0


def _seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _outcomes(run: RunSummary) -> str:
    n_with_outcome = sum(run.outcomes.values())
    adds_up = n_with_outcome + run.not_yet_tried == run.n_selected
    rows = [*sorted(run.outcomes.items(), key=lambda each: -each[1])]
    rows.append(("not yet tried", run.not_yet_tried))
    lines = [
        f'<tr><td>{_escape(name)}</td><td class="n">{n:,}</td><td class="n">'
        f"{n / max(run.n_selected, 1):.1%}</td></tr>"
        for name, n in rows
    ]
    sum_ = f'<tr class="sum"><td>selected</td><td class="n">{run.n_selected:,}</td><td></td></tr>'
    said = (
        f"<p>{n_with_outcome:,} with an outcome + {run.not_yet_tried:,} not yet tried "
        f"= {run.n_selected:,} selected.</p>"
        if adds_up
        else '<p class="bad">These counts do not add up: an error in yfcc, please report it.</p>'
    )
    head = '<tr><th>outcome</th><th class="n">items</th><th class="n">share</th></tr>'
    return f"<table>{head}{''.join(lines)}{sum_}</table>\n{said}"


def _plots(report: Report) -> Iterable[str]:
    samples = report.samples
    if len(samples) < 2:
        yield "<p>The run was too short for plots, or its samples are gone.</p>"
        return
    end_s = samples[-1].elapsed_s
    edges = [end_s * number / _N_POINTS for number in range(_N_POINTS + 1)]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    for title, count in (
        ("Items a second", lambda sample: sample.n_new),
        ("MB a second", lambda sample: sample.n_bytes / 1e6),
    ):
        yield f"<h2>{title}</h2>"
        yield draw_line(middles, Series(title, _rates(_values_at(samples, edges, count), edges)))
    yield "<h2>Outcomes over time</h2>"
    last = samples[-1].outcomes
    stacked = [
        Series(name, _values_at(samples, edges, partial(_count_of, name)))
        for name in sorted(last, key=lambda name: -last[name])
    ]
    yield draw_areas("Outcomes", edges, stacked)


def _count_of(outcome: str, sample: Sample) -> int:
    return sample.outcomes.get(outcome, 0)


def _values_at(
    samples: Sequence[Sample], moments_s: Sequence[float], count: Callable[[Sample], float]
) -> list[float]:
    """A count at some moments, on straight lines between samples; 0 when the run began."""
    known_s = [0.0, *(sample.elapsed_s for sample in samples)]
    values = [0.0, *(count(sample) for sample in samples)]
    found = []
    for at_s in moments_s:
        after = min(bisect_right(known_s, at_s), len(known_s) - 1)
        span_s = known_s[after] - known_s[after - 1]
        part = 1.0 if span_s <= 0 else min(1.0, (at_s - known_s[after - 1]) / span_s)
        found.append(values[after - 1] + part * (values[after] - values[after - 1]))
    return found


def _rates(values: Sequence[float], edges_s: Sequence[float]) -> list[float]:
    steps = zip(pairwise(values), pairwise(edges_s), strict=True)
    return [
        max(0.0, after - before) / (high_s - low_s) if high_s > low_s else 0.0
        for (before, after), (low_s, high_s) in steps
    ]


def _licenses(run: RunSummary) -> Iterable[str]:
    if run.licenses:
        yield "<h2>Licences</h2>"
        yield "<p>Of the selected items, whatever became of them.</p>"
        rows = [
            (name, f"{n:,}", f"{n / max(run.n_selected, 1):.1%}")
            for name, n in sorted(run.licenses.items(), key=lambda each: -each[1])
        ]
        yield _counts(("licence", "items", "share"), rows)


def _errors(run: RunSummary) -> Iterable[str]:
    if run.errors:
        yield "<h2>Errors on the way</h2>"
        yield "<p>The first error of each item, also of those that were stored in the end.</p>"
        rows = sorted(run.errors.items(), key=lambda each: -each[1])
        yield _counts(("source and kind", "items"), [(name, f"{n:,}") for name, n in rows])


def _repeated(run: RunSummary) -> Iterable[str]:
    if run.repeated:
        yield "<h2>Pictures that many items share</h2>"
        yield "<p>Perhaps one that stands for missing photos: look at it.</p>"
        rows = [(digest, f"{n:,}") for digest, n in run.repeated.items()]
        yield _counts(("SHA-256", "items"), rows)


def _pauses(report: Report) -> Iterable[str]:
    last = report.samples[-1] if report.samples else None
    if last is None or not (last.waits or report.notes):
        return
    yield "<h2>Pauses</h2>"
    rows = [(host, format_time(float(f"{wait_s:.3g}"))) for host, wait_s in last.waits.items()]
    yield _counts(("host", "not asked for"), rows)
    shown = [(format_time(float(f"{note.elapsed_s:.3g}")), note.text) for note in report.notes]
    yield _table(shown)
    if last.n_notes > len(report.notes):
        yield f"<p>The first {MAX_NOTES} of {last.n_notes:,} pauses are listed.</p>"


def _asked(report: Report) -> str:
    run, asked = report.run, report.run.fingerprint
    return _table(
        [
            ("command", asked.command),
            ("mirror", report.mirror),
            ("selection", asked.selection_sql),
            ("catalog", asked.catalog),
            ("sources", ", ".join(asked.sources)),
            ("shards", run.shards or "none"),
            ("processes", str(report.n_processes)),
            ("opt-out headers", "ignored" if asked.ignore_opt_out else "honoured"),
            ("version of yfcc", asked.tool_version),
        ],
        is_code=True,
    )


def _table(rows: Iterable[tuple[str, str]], *, is_code: bool = False) -> str:
    kind = ' class="code"' if is_code else ""
    lines = (f"<tr><td>{_escape(a)}</td><td{kind}>{_escape(b)}</td></tr>" for a, b in rows)
    return f"<table>{''.join(lines)}</table>"


def _counts(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table whose first column is text and whose others are numbers."""

    def line(cells: tuple[str, ...], kind: str) -> str:
        numbers = (f'<{kind} class="n">{_escape(each)}</{kind}>' for each in cells[1:])
        return f"<tr><{kind}>{_escape(cells[0])}</{kind}>{''.join(numbers)}</tr>"

    return f"<table>{line(names, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"
