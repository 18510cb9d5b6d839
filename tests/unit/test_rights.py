"""What licences permit, and what may not be handed on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from yfcc.catalog.select import LICENSES
from yfcc.share.rights import opt_out, redistribution_refusal
from yfcc.share.terms import parse_terms

NOW = datetime(2026, 11, 21, tzinfo=UTC)
URL = "http://creativecommons.org/licenses/{}/2.0/"


def document(license_: str = "by", **changes: Any) -> dict[str, Any]:
    made = {
        "photo_id": 4207153986,
        "media": {"path": "media/420/715/4207153986.jpg", "rights": {}},
        "attribution": {
            "title": "A title",
            "author": "Ada",
            "author_url": "https://www.flickr.com/people/1@N00/",
            "source_url": "http://www.flickr.com/photos/1@N00/4207153986/",
            "license_name": "Some License",
            "license_url": URL.format(license_),
            "changes": "none",
        },
        "metadata": {"license": license_, "title": "A title"},
    }
    for path, value in changes.items():
        member, name = path.split("__")
        made[member][name] = value  # type: ignore[index]
    return made


@pytest.mark.parametrize("license_", LICENSES)
def test_a_licence_permits_and_asks_what_is_in_its_name(license_: str) -> None:
    terms = parse_terms(URL.format(license_))
    assert terms is not None
    parts = license_.split("-")
    assert (terms.allows_commercial, terms.allows_changes) == ("nc" not in parts, "nd" not in parts)
    assert terms.is_share_alike == ("sa" in parts)
    assert terms.marks == tuple(part.upper() for part in parts if part != "by")
    assert terms.name == f"CC {license_.upper()} 2.0"
    assert len(terms.duties) == len(parts)
    for part in parts[1:]:
        assert any(duty.startswith(f"{part.upper()}: ") for duty in terms.duties)


@pytest.mark.parametrize("license_", LICENSES)
def test_unchanged_copies_of_every_licence_may_be_handed_on(license_: str) -> None:
    assert redistribution_refusal(document(license_), NOW) is None


@pytest.mark.parametrize("license_", LICENSES)
def test_changed_copies_of_nd_may_not(license_: str) -> None:
    refusal = redistribution_refusal(document(license_), NOW, is_changed=True)
    assert (refusal is None) == ("nd" not in license_)
    assert refusal is None or refusal.startswith("no derivatives: CC BY")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (None, None),
        ("", None),
        ("http://creativecommons.org/licenses/sampling/1.0/", "sampling"),
        ("http://creativecommons.org.evil.example/licenses/by/2.0/", "by"),
        ("https://evil.example/?http://creativecommons.org/licenses/by/2.0/", "by"),
        ("http://creativecommons.org/licenses/by/2.0/", "by-nd"),
    ],
)
def test_an_unknown_or_contradictory_licence_permits_nothing(
    url: str | None, code: str | None
) -> None:
    refusal = redistribution_refusal(
        document(attribution__license_url=url, metadata__license=code), NOW
    )
    assert refusal is not None
    assert refusal.startswith("licence: unknown")


def test_what_is_no_document_permits_nothing() -> None:
    for found in ({}, {"attribution": None}, {"attribution": [], "metadata": 1}):
        assert redistribution_refusal(found, NOW) is not None


@pytest.mark.parametrize("missing", ["author", "source_url"])
def test_what_cannot_be_credited_may_not_be_handed_on(missing: str) -> None:
    for nothing in (None, "", " \u200b"):
        refusal = redistribution_refusal(document(**{f"attribution__{missing}": nothing}), NOW)
        assert refusal is not None
        assert refusal.startswith(f"credit: {missing.removesuffix('_url')} missing")


def test_no_title_is_no_reason() -> None:
    found = document(attribution__title=None, metadata__title=None)
    assert redistribution_refusal(found, NOW) is None


REFUSING = [
    {"x-robots-tag": "noai"},
    {"X-Robots-Tag": "noimageai, nosnippet"},
    {"x-robots-tag": "none"},
    {"x-robots-tag": "unavailable_after: 25 Jun 2010 15:00:00 GMT"},
    {"x-robots-tag": "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT"},
    # Two headers, kept as one: the second is meant for everybody.
    {"x-robots-tag": "otherbot: nofollow, noai"},
    {"tdm-reservation": "1"},
    {"tdm-reservation": "0, 1"},
    {"content-usage": "train-ai=n"},
    {"tdmrep.json": "tdm-reservation: 1, tdm-policy: https://example.com/p"},
]
ALLOWING = [
    {},
    {"x-robots-tag": "all"},
    {"x-robots-tag": "otherbot: noai"},
    {"x-robots-tag": "unavailable_after: 25 Jun 2090 15:00:00 GMT"},
    {"x-robots-tag": "unavailable_after: Sun, 25 Jun 2090 15:00:00 GMT"},
    {"tdm-reservation": "0", "tdm-policy": "https://example.com/1"},
    {"content-usage": "train-ai=y"},
    {"tdmrep.json": "tdm-reservation: 0"},
]


@pytest.mark.parametrize("rights", REFUSING, ids=str)
def test_an_opt_out_that_was_stored_in_spite_of_forbids_it(rights: dict[str, str]) -> None:
    refusal = redistribution_refusal(document(media__rights=rights), NOW)
    assert refusal is not None
    assert refusal.startswith("opt-out: ")


@pytest.mark.parametrize("rights", ALLOWING, ids=str)
def test_headers_that_do_not_refuse_are_no_reason(rights: dict[str, str]) -> None:
    assert redistribution_refusal(document(media__rights=rights), NOW) is None


def test_what_was_available_for_a_time_is_refused_once_it_is_over() -> None:
    rights = {"x-robots-tag": "unavailable_after: Fri, 25 Jun 2027 15:00:00 GMT"}
    assert opt_out(rights, NOW) is None
    assert opt_out(rights, datetime(2027, 6, 26, tzinfo=UTC)) is not None
