"""The forms of a list of credits: plain text, CSV, HTML and JSON.

What strangers wrote cannot do harm in any of them. Text has control and reordering characters as
their numbers. In CSV a cell that a spreadsheet would take for a formula has an apostrophe in
front, as OWASP's "CSV Injection" recommends. HTML is escaped, titles and names are isolated, and
a policy forbids scripts and everything from elsewhere. JSON has every text as it is.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from html import escape
from typing import Final, Protocol

import orjson

from yfcc.plain_text import is_blank, safe_text, without_controls
from yfcc.share.credits import UNCHANGED, Credit, CreditCounts, is_web_address
from yfcc.share.terms import parse_terms

#: Spreadsheets take a cell for a formula by these, some of them by the full-width ones too.
_FORMULA_STARTS: Final = tuple("=+-@＝＋－＠")  # noqa: RUF001

_COLUMNS: Final = (*(each.name for each in fields(Credit)), "license")

_STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2em auto;padding:0 1em;color:#222}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}p{margin:.4em 0;overflow-wrap:anywhere}
p span{color:#777}
"""


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, content: bytes, /) -> int:
        """Append; returns the number of bytes."""


class CreditForm(Protocol):
    """How a list of credits is written; methods are called in this order."""

    def begin(self) -> None:
        """What stands before the first credit."""

    def write(self, credit: Credit) -> None:
        """One credit, which is complete."""

    def end(self, counts: CreditCounts) -> None:
        """What stands behind the last one."""


class TextForm:
    """A line an item, then the licences: what each asks, and how many items are under it."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream

    def begin(self) -> None:
        """Nothing."""

    def write(self, credit: Credit) -> None:
        """``media/…/4207153986.jpg: "A title" by Ada (https://…), https://…, CC BY 2.0 http://…``."""
        self._stream.write((safe_text(describe_credit(credit)) + "\n").encode())

    def end(self, counts: CreditCounts) -> None:
        """The licences."""
        for line in describe_licenses(counts):
            self._stream.write((safe_text(line) + "\n").encode())


class CsvForm:
    """A row an item; RFC 4180, UTF-8, with a header."""

    def __init__(self, stream: ByteSink) -> None:
        self._rows = CsvRows(stream)

    def begin(self) -> None:
        """The header."""
        self._rows.write(_COLUMNS)

    def write(self, credit: Credit) -> None:
        """A row."""
        self._rows.write([safe_cell(getattr(credit, name)) for name in _COLUMNS])

    def end(self, counts: CreditCounts) -> None:
        """Nothing."""


class JsonForm:
    """An array of objects, an item a line."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream
        self._lead = b"[\n"

    def begin(self) -> None:
        """Nothing."""

    def write(self, credit: Credit) -> None:
        """An object."""
        self._stream.write(self._lead + orjson.dumps(credit_document(credit)))
        self._lead = b",\n"

    def end(self, counts: CreditCounts) -> None:
        """The end of the array."""
        self._stream.write(b"[]\n" if counts.n_written == 0 else b"\n]\n")


class HtmlForm:
    """A page that stands alone: a paragraph an item, then the licences."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream

    def begin(self) -> None:
        """The head."""
        digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        )
        self._say(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>Credits</title>\n<style>{_STYLE}</style></head>\n<body>\n<h1>Credits</h1>\n"
        )

    def write(self, credit: Credit) -> None:
        """A paragraph."""
        title = (
            "(untitled)" if is_blank(credit.title) else f"<cite>{_isolated(credit.title)}</cite>"
        )
        author = _link(credit.author_url, _isolated(credit.author))
        license_ = _link(credit.license_url, _text(credit.license_label), "license noopener")
        changed = "" if credit.changes == UNCHANGED else f", changed: {_text(credit.changes)}"
        self._say(
            f'<p id="i{credit.photo_id}">{_link(credit.source_url, title)} by {author}, '
            f"{license_}{changed} <span>{_text(credit.path or str(credit.photo_id))}</span></p>\n"
        )

    def end(self, counts: CreditCounts) -> None:
        """The licences, and the foot."""
        self._say("<h2>Licences</h2>\n")
        for line in describe_licenses(counts):
            self._say(f"<p>{_text(line)}</p>\n")
        self._say("</body></html>\n")

    def _say(self, text: str) -> None:
        self._stream.write(text.encode())


#: By the name of ``--format``.
CREDIT_FORMS: Final[Mapping[str, Callable[[ByteSink], CreditForm]]] = {
    "text": TextForm,
    "csv": CsvForm,
    "html": HtmlForm,
    "json": JsonForm,
}


class CsvRows:
    """Writes rows of cells that are harmless already.

    Parameters
    ----------
    stream : ByteSink
    """

    def __init__(self, stream: ByteSink) -> None:
        self._writer = csv.writer(_Encoder(stream))

    def write(self, cells: Iterable[str]) -> None:
        """A row."""
        self._writer.writerow(cells)


class _Encoder:
    """Takes the rows that :mod:`csv` makes."""

    def __init__(self, stream: ByteSink) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


def describe_credit(credit: Credit) -> str:
    """A credit as a sentence."""
    title = "(untitled)" if is_blank(credit.title) else f'"{credit.title}"'
    about = f" ({credit.author_url})" if credit.author_url else ""
    changed = "" if credit.changes == UNCHANGED else f", changed: {credit.changes}"
    return (
        f"{credit.path or credit.photo_id}: {title} by {credit.author}{about}, "
        f"{credit.source_url}, {credit.license_label} {credit.license_url}{changed}"
    )


def describe_licenses(counts: CreditCounts) -> Iterator[str]:
    """A line a licence: how many items, and what it asks of whoever hands copies on."""
    for url, n_items in counts.by_license.most_common():
        terms = parse_terms(url)
        duties = " ".join(terms.duties) if terms else "See there what it permits and asks."
        name = terms.name if terms else "another licence"
        yield f"{name}, {url}: {n_items:,} {'item' if n_items == 1 else 'items'}. {duties}"


def credit_document(credit: Credit) -> dict[str, object]:
    """A credit as JSON has it."""
    return {name: getattr(credit, name) for name in _COLUMNS}


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; empty for what is unknown.

    Examples
    --------
    >>> safe_cell("=1+1")
    "'=1+1"
    """
    text = without_controls("" if value is None else str(value))
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def _text(text: str) -> str:
    return escape(without_controls(text))


def _isolated(text: str | None) -> str:
    return f"<bdi>{_text(text or '')}</bdi>"


def _link(url: str | None, content: str, kind: str = "noopener") -> str:
    if url is None or not is_web_address(url):
        return content
    return f'<a href="{_text(url)}" rel="{kind}">{content}</a>'
