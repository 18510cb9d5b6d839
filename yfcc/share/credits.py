"""Credits: what the licences ask to be said of every copy.

Title (if the author gave one), author, source and licence: Creative Commons 2.0, section 4b. A
credit is made of an item's JSON, or of the catalog's row; it is complete or it is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from yfcc.plain_text import is_blank
from yfcc.share.terms import Terms, parse_terms

#: What an item's JSON says of a copy that is as it came.
UNCHANGED: Final = "none"


@dataclass(frozen=True, slots=True)
class Credit:
    """What is to be said of a copy of an item.

    Attributes
    ----------
    photo_id : int
    title : str or None
        None if the author gave none.
    author, author_url : str or None
    source_url : str or None
        The item's page.
    license_name, license_url : str or None
    path : str or None
        The copy, below the mirror's or the export's root.
    changes : str
        What was done to the copy; ``none`` if nothing was.
    """

    photo_id: int
    title: str | None
    author: str | None
    author_url: str | None
    source_url: str | None
    license_name: str | None
    license_url: str | None
    path: str | None = None
    changes: str = UNCHANGED

    @property
    def terms(self) -> Terms | None:
        """What the licence permits and asks; None for one that is not among the dataset's six."""
        return parse_terms(self.license_url)

    @property
    def license(self) -> str | None:
        """``by`` to ``by-nc-nd``; None for another licence."""
        terms = self.terms
        return terms.license if terms else None

    @property
    def license_label(self) -> str:
        """Name of the licence as people write it, ``CC BY-NC 2.0``."""
        terms = self.terms
        return terms.name if terms else self.license_name or "unknown"


@dataclass(slots=True)
class CreditCounts:
    """Credits that were written, and items that lack what a credit needs.

    Attributes
    ----------
    by_license : Counter of str
        Written, by the licence's URL.
    n_incomplete : int
        Not written.
    """

    by_license: Counter[str] = field(default_factory=Counter)
    n_incomplete: int = 0

    @property
    def n_written(self) -> int:
        """Credits written."""
        return self.by_license.total()

    @property
    def by_name(self) -> dict[str, int]:
        """Credits written by the licence's name, the most frequent first."""
        named: Counter[str] = Counter()
        for url, n_items in self.by_license.items():
            terms = parse_terms(url)
            named[terms.name if terms else url] += n_items
        return dict(named.most_common())


def read_credit(document: Mapping[str, Any], path: str | None = None) -> Credit:
    """The credit of a stored item; what its JSON lacks is None.

    Parameters
    ----------
    document : mapping
        The item's JSON.
    path : str, optional
        Of the copy; by default where the mirror has it.
    """
    said = member(document, "attribution")
    found = {name: _text(said.get(name)) for name in _SAID}
    # Mandatory if supplied: what the dataset knows goes before a gap in the attribution.
    found["title"] = found["title"] or _text(member(document, "metadata").get("title"))
    if found["author"]:  # one that is not given is a gap, one that cannot be seen has a number
        nsid = _text(member(document, "metadata").get("user_nsid"))
        found["author"] = author_of(found["author"], nsid)
    photo_id = document.get("photo_id")
    return Credit(
        photo_id=photo_id if isinstance(photo_id, int) else 0,
        path=path or _text(member(document, "media").get("path")),
        changes=_text(said.get("changes")) or UNCHANGED,
        **found,
    )


def author_of(nickname: str | None, nsid: str | None) -> str | None:
    r"""The name to credit: what the author goes by, or the number if that cannot be seen.

    Examples
    --------
    >>> author_of("\u200b", "42@N00")
    '42@N00'
    """
    return nsid if is_blank(nickname) else nickname


def missing_parts(credit: Credit) -> tuple[str, ...]:
    """What a complete credit needs and this one lacks, of ``author``, ``source``, ``licence``.

    No title is no gap: there is none to give.
    """
    missing = []
    if is_blank(credit.author):
        missing.append("author")
    if not is_web_address(credit.source_url):
        missing.append("source")
    if not is_web_address(credit.license_url):
        missing.append("licence")
    return tuple(missing)


def terms_of(document: Mapping[str, Any]) -> Terms | None:
    """The terms of a stored item; None if they are unknown, or its JSON contradicts itself.

    Parameters
    ----------
    document : mapping
        The item's JSON.
    """
    terms = parse_terms(_text(member(document, "attribution").get("license_url")))
    code = member(document, "metadata").get("license")
    return terms if terms is not None and code in (None, terms.license) else None


def member(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an item's JSON; empty if there is none."""
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def is_web_address(url: str | None) -> bool:
    """Whether a URL is one that a page may link to."""
    return url is not None and url.startswith(("http://", "https://"))


_SAID: Final = ("title", "author", "author_url", "source_url", "license_name", "license_url")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
