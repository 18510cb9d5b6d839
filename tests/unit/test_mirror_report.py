"""The page of a run stands alone, is harmless, and its numbers add up."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from yfcc.mirror.plot import Series, draw_areas, draw_line, format_time, nice_ceiling
from yfcc.mirror.report import Report, _rates, _values_at, render_report
from yfcc.mirror.samples import Note, Sample
from yfcc.mirror.totals import Fingerprint, RunEnd, RunSummary

NASTY = "</style><script src='https://evil.example/x.js'>alert(1)</script><img src=x onerror=a()>"

RUN = RunSummary(
    run_id="20261121t082745z-5f3a9c",
    fingerprint=Fingerprint(
        catalog="cat-1",
        selection_sql="license = 'by' AND title <> '<b>'",
        sources=("s3", "flickr"),
        tool_version="1.0",
        ignore_opt_out=True,
        command="yfcc download --where '1 < 2'",
    ),
    shards="0-63",
    started="2026-11-21T08:27:45.000Z",
    ended="2026-11-21T08:29:25.000Z",
    end=RunEnd.INTERRUPTED,
    n_selected=1000,
    outcomes={"stored": 700, "gone": 40, "already_stored": 10},
    not_yet_tried=250,
    n_bytes=50_000_000,
    exit_code=130,
    errors={"s3: timeout": 12, "flickr: status": 3},
)


def sample(elapsed_s: float, n_stored: int) -> Sample:
    outcomes = {"already_stored": 10, "stored": n_stored, "gone": n_stored * 4 // 70}
    return Sample(elapsed_s, outcomes, 10, n_stored * 70_000, 3, {"flickr": elapsed_s / 10}, 1)


SAMPLES = [sample(0.0, 0), sample(10.0, 70), sample(60.0, 350), sample(100.0, 700)]
REPORT = Report("mirror", RUN, SAMPLES, [Note(12.0, "flickr: paused for 9 s")])


class Page(HTMLParser):
    """Tags, attributes and text of a page; complains of tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_nothing_from_elsewhere() -> None:
    text = render_report(REPORT)
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "a"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "style"}
    assert not [name for name in names if name.startswith("on")]
    assert "://" not in text
    policy = dict(page.attributes)["content"]
    assert policy is not None
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_licences_of_the_selection_are_a_table_the_most_frequent_first() -> None:
    run = replace(RUN, licenses={"by": 250, "by-nc-sa": 700, "<b>unknown</b>": 50})
    text = render_report(replace(REPORT, run=run))
    table = text.partition("<h2>Licences</h2>")[2].partition("</table>")[0]
    rows = re.findall("<tr><td>(.*?)</td><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>", table)
    assert rows == [
        ("by-nc-sa", "700", "70.0%"),
        ("by", "250", "25.0%"),
        ("&lt;b&gt;unknown&lt;/b&gt;", "50", "5.0%"),
    ]
    Page(text)
    assert "<h2>Licences</h2>" not in render_report(REPORT)  # a run of an older version


def test_the_policy_lets_its_own_style_through() -> None:
    import base64
    import hashlib

    text = render_report(REPORT)
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in text


def test_whatever_stands_in_a_record_is_text_on_the_page() -> None:
    asked = replace(RUN.fingerprint, command=NASTY, selection_sql=NASTY, catalog=NASTY)
    run = replace(
        RUN,
        run_id=NASTY,
        fingerprint=replace(asked, sources=(NASTY,), tool_version=NASTY),
        shards=NASTY,
        outcomes={NASTY: 750},
        error=NASTY,
        errors={NASTY: 1},
    )
    samples = [
        replace(each, outcomes={NASTY: 10}, waits={NASTY: 3.0}, n_known=0) for each in SAMPLES
    ]
    page = Page(render_report(Report(NASTY, run, samples, [Note(1.0, NASTY)])))
    assert set(page.tags) == set(Page(render_report(REPORT)).tags)
    assert page.text.count(NASTY) >= 10


def test_the_numbers_of_the_page_add_up() -> None:
    text = Page(render_report(REPORT)).text
    assert "750 with an outcome + 250 not yet tried = 1,000 selected." in text
    for said in ("50,000,000", "interrupted", "0-63", "ignored", "s3: timeout", "s3, flickr"):
        assert said in text
    # 700 stored and 40 gone by this run, in 100 s.
    assert "740, 7.4 a second" in text
    assert "do not add up" in render_report(
        Report("m", replace(RUN, not_yet_tried=251), SAMPLES, [])
    )


@pytest.mark.parametrize("samples", [[], SAMPLES[:1]])
def test_a_run_without_samples_has_a_page_without_plots(samples: list[Sample]) -> None:
    page = Page(
        render_report(Report("mirror", replace(RUN, ended="", exit_code=None), samples, []))
    )
    assert "polyline" not in page.tags
    assert "too short for plots" in page.text
    assert "still at work, or killed" in page.text


def test_rates_are_those_of_the_counts_whatever_the_pace_of_sampling() -> None:
    edges = [float(k) for k in range(0, 101, 5)]
    values = _values_at(SAMPLES, edges, lambda each: each.outcomes["stored"])
    assert (values[0], values[2], values[12], values[-1]) == (0, 70, 350, 700)
    rates = _rates(values, edges)
    assert sum(rate * 5 for rate in rates) == pytest.approx(700)
    assert rates[0] == pytest.approx(7.0)
    assert rates[5] == pytest.approx(280 / 50)


def test_a_line_stays_inside_its_frame() -> None:
    svg = draw_line([0.0, 1.0, 2.0], Series("x", [0.0, 312.0, 5.0]))
    (points,) = re.findall(r'points="([^"]*)"', svg)
    for point in points.split():
        x, y = map(float, point.split(","))
        assert 64 <= x <= 760
        assert 10 <= y <= 194
    assert "500" in svg


def test_areas_lie_on_top_of_each_other() -> None:
    svg = draw_areas("t", [0.0, 1.0], [Series("low", [1.0, 1.0]), Series("high", [1.0, 1.0])])
    low, high = re.findall(r'polygon points="([^"]*)"', svg)
    # The lower edge of the upper area is the upper edge of the lower one.
    assert high.split()[2:] == low.split()[:2][::-1]
    assert svg.index(">low<") < svg.index(">high<")


def test_nothing_happened_is_a_plot_too() -> None:
    assert "nan" not in draw_line([0.0, 0.0], Series("x", [0.0, 0.0])).lower()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.5, "0.5 s"), (90, "90 s"), (600, "10.0 min"), (604_800, "7.0 d")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert format_time(seconds) == text


def test_axes_end_at_round_numbers() -> None:
    assert [nice_ceiling(x) for x in (0, 0.3, 1, 1.01, 99, 100)] == [1, 0.5, 1, 2, 100, 100]
