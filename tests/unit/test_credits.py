"""Credits are complete or none, and harmless in every form."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from yfcc.errors import SourceDamaged
from yfcc.plain_text import is_blank, safe_text, without_controls
from yfcc.share.credit_forms import CREDIT_FORMS, safe_cell
from yfcc.share.credit_lists import ExportCredits, write_credits
from yfcc.share.credits import Credit, missing_parts, read_credit

NASTY = "</cite><script>alert(1)</script>\x1b[31m\u202e\x9b\n\u2028'\"&"
BY = "http://creativecommons.org/licenses/by/2.0/"
NC_ND = "http://creativecommons.org/licenses/by-nc-nd/2.0/"

CREDIT = Credit(
    photo_id=4207153986,
    title="A title",
    author="Ada Example",
    author_url="https://www.flickr.com/people/1@N00/",
    source_url="http://www.flickr.com/photos/1@N00/4207153986/",
    license_name="Attribution License",
    license_url=BY,
    path="media/420/715/4207153986.jpg",
)
NOBODY = replace(CREDIT, photo_id=7, author=None, license_url="  ")


def written(*items: Credit, form: str = "text") -> str:
    stream = io.BytesIO()
    write_credits(items, stream, form)
    return stream.getvalue().decode()


@pytest.mark.parametrize("form", CREDIT_FORMS)
def test_every_form_has_title_author_source_and_licence(form: str) -> None:
    said = written(CREDIT, form=form)
    for part in ("A title", "Ada Example", CREDIT.source_url, BY, "420/715/4207153986.jpg"):
        assert part is not None
        assert part in said


def test_text_is_a_line_an_item_and_then_the_licences() -> None:
    other = replace(CREDIT, photo_id=8, title=None, license_url=NC_ND, path=None)
    first, second, again, *licenses = written(CREDIT, other, CREDIT).splitlines()
    assert first == again
    assert first == (
        'media/420/715/4207153986.jpg: "A title" by Ada Example '
        "(https://www.flickr.com/people/1@N00/), http://www.flickr.com/photos/1@N00/4207153986/, "
        f"CC BY 2.0 {BY}"
    )
    assert second == (
        "8: (untitled) by Ada Example (https://www.flickr.com/people/1@N00/), "
        f"http://www.flickr.com/photos/1@N00/4207153986/, CC BY-NC-ND 2.0 {NC_ND}"
    )
    give = "Give credit: the title if there is one, the author, the source and the licence."
    assert licenses == [
        f"CC BY 2.0, {BY}: 2 items. {give}",
        (
            f"CC BY-NC-ND 2.0, {NC_ND}: 1 item. {give} NC: not for commercial use. "
            "ND: unchanged copies only; nothing resized, cropped or encoded anew."
        ),
    ]


def test_changes_are_named() -> None:
    changed = replace(CREDIT, changes="resized to 256 pixels")
    for form in CREDIT_FORMS:
        assert "resized to 256 pixels" in written(changed, form=form)


@pytest.mark.parametrize("form", ["text", "csv", "html"])
def test_nothing_a_stranger_wrote_reaches_a_terminal_as_a_command(form: str) -> None:
    nasty = replace(CREDIT, title=NASTY, author=NASTY, author_url="https://x/" + NASTY)
    said = written(nasty, form=form)
    assert not set(said) & {"\x1b", "\x9b", "\u2028", "\0"}
    lines = {"text": 2, "csv": 2}
    assert len(said.splitlines()) == lines.get(form, len(said.splitlines()))
    assert form != "text" or "\u202e" not in said


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "img", "iframe"}
        assert not any(name.startswith("on") for name, _ in attrs)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_escaped_and_links_only_to_the_web() -> None:
    nasty = replace(
        CREDIT,
        title=NASTY,
        author="<b onclick=x>Ada</b>",
        author_url="javascript:alert(1)",
        path='"><script>',
    )
    page = _Tags(written(nasty, form="html"))
    assert page.links == [CREDIT.source_url, BY]
    assert "<script>alert(1)</script>" in page.text
    assert "<b onclick=x>Ada</b>" in page.text
    assert "default-src 'none'" in written(form="html")


def test_csv_is_read_back_and_no_cell_is_a_formula() -> None:
    starts = ["=1+1", "+1", "-1", "@SUM(1)", " =1", "＝1", 'a "quoted", title', "plain"]
    found = list(
        csv.DictReader(
            io.StringIO(
                written(*(replace(CREDIT, title=title) for title in starts), form="csv"), newline=""
            )
        )
    )
    assert [row["title"] for row in found] == [
        *(f"'{title}" for title in starts[:6]),
        *starts[6:],
    ]
    assert {row["license"] for row in found} == {"by"}
    assert found[0]["photo_id"] == "4207153986"


def test_json_has_every_text_as_it_is() -> None:
    assert json.loads(written(form="json")) == []
    (first, second) = json.loads(
        written(replace(CREDIT, title=NASTY), replace(CREDIT, title=None), form="json")
    )
    assert first["title"] == NASTY
    assert second["title"] is None
    assert first["license"] == "by"
    assert first["changes"] == "none"


@pytest.mark.parametrize(
    ("gap", "lacks"),
    [
        ({"author": None}, ("author",)),
        ({"author": "\u200b "}, ("author",)),
        ({"source_url": None}, ("source",)),
        ({"source_url": "javascript:alert(1)"}, ("source",)),
        ({"license_url": None}, ("licence",)),
        ({"license_url": "", "author": ""}, ("author", "licence")),
        ({"title": None, "author_url": None, "license_name": None}, ()),
    ],
)
def test_a_gap_is_named(gap: dict[str, str | None], lacks: tuple[str, ...]) -> None:
    assert missing_parts(replace(CREDIT, **gap)) == lacks  # type: ignore[arg-type]


def test_one_incomplete_item_is_an_error_that_names_the_first_and_counts_all() -> None:
    gaps = [replace(NOBODY, photo_id=number) for number in range(1, 9)]
    with pytest.raises(SourceDamaged) as raised:
        written(CREDIT, *gaps, CREDIT)
    message = str(raised.value)
    assert "8 of 10 items" in message
    assert "item 1: no author, no licence; item 2:" in message
    assert "and 3 more" in message
    assert "--skip-incomplete" in message
    assert raised.value.exit_code == 4


def test_incomplete_items_are_told_and_left_out_on_request() -> None:
    told: list[tuple[int, tuple[str, ...]]] = []
    stream = io.BytesIO()
    counts = write_credits(
        [CREDIT, NOBODY, CREDIT],
        stream,
        "text",
        lambda credit, missing: told.append((credit.photo_id, missing)),
    )
    assert told == [(7, ("author", "licence"))]
    assert (counts.n_written, counts.n_incomplete) == (2, 1)
    assert counts.by_name == {"CC BY 2.0": 2}
    assert not re.search(r"^7:", stream.getvalue().decode(), re.MULTILINE)


def test_a_title_that_the_dataset_knows_is_never_left_out() -> None:
    found = read_credit(
        {"photo_id": 7, "attribution": {"author": "Ada"}, "metadata": {"title": "A title"}}
    )
    assert found.title == "A title"


def test_credits_of_what_is_no_document_are_incomplete_and_no_error() -> None:
    for nonsense in ({}, {"attribution": 3, "media": None, "photo_id": "x"}):
        assert missing_parts(read_credit(nonsense)) == ("author", "source", "licence")


class _Sink(io.BytesIO):
    def close(self) -> None:
        self.content = self.getvalue().decode()
        super().close()


def test_an_export_gets_attribution_and_licences() -> None:
    files: dict[str, _Sink] = {}

    def open_file(name: str) -> _Sink:
        files[name] = _Sink()
        return files[name]

    attribution = {
        "title": "A title",
        "author": "Ada",
        "source_url": CREDIT.source_url,
        "license_url": NC_ND,
    }
    document = {"photo_id": 7, "attribution": attribution, "metadata": {}}
    made = ExportCredits(open_file)
    made.add(document, "shards/000000.tar#7.jpg")
    made.add(document, "b.jpg", "resized to 256 pixels")
    with pytest.raises(SourceDamaged, match="item 7: no author"):
        made.add(document | {"attribution": attribution | {"author": None}}, "c.jpg")
    assert made.close().by_name == {"CC BY-NC-ND 2.0": 2}
    assert set(files) == {"ATTRIBUTION.txt", "ATTRIBUTION.csv", "LICENSES.txt"}
    assert "b.jpg" in files["ATTRIBUTION.txt"].content
    assert "resized to 256 pixels" in files["ATTRIBUTION.csv"].content
    assert "ND: unchanged copies only" in files["LICENSES.txt"].content
    assert "2 items" in files["LICENSES.txt"].content


def test_plain_text() -> None:
    assert safe_text("\u202eabc\x07") == "\\u202eabc\\x07"
    assert without_controls("\u202eabc\x07\ud800") == "\u202eabc\\x07\\ud800"
    assert safe_cell(None) == ""
    assert is_blank(None)
    assert not is_blank("·")
