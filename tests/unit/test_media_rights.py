"""What headers say about using what they come with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.media.headers import Headers
from yfcc.media.rights import NO_RIGHTS, Rights, combine_rights, read_rights

NOW = datetime(2026, 11, 21, tzinfo=UTC)
WORDS = ("noai", "noimageai", "noml", "noindex", "noimageindex")


def rights_of(*pairs: tuple[str, str]) -> Rights:
    return read_rights(Headers(pairs), NOW)


def robots(*values: str) -> Rights:
    return rights_of(*(("X-Robots-Tag", value) for value in values))


@pytest.mark.parametrize(
    "value",
    [
        *WORDS,
        "none",
        "NoAI",
        "  noai\t",
        "nofollow,\tnoai",
        "nofollow, noimageai",
        "all, NONE",
        "yfcc: noai",
        "YFCC : noindex",
        "yfcc/1.0: noindex",
        "*: noai",
        "* : none",
        "robots: noindex",
        "googlebot: nofollow, yfcc: noai",
        "googlebot: index, *: noimageindex",
        "noai, googlebot: all",
        "googlebot: noindex, yfcc: nofollow, noimageai",
        "unavailable_after: 25 Jun 2010 15:00:00 PST",
        "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: Friday, 25-Jun-10 15:00:00 GMT, nofollow",
        "unavailable_after: 2010-06-25T15:00:00Z",
        "unavailable_after: 2010-06-25",
        "unavailable_after: 25 Jun 2099 15:00:00 GMT, noai",
        "unavailable_after: Fri, 25 Jun 2099 15:00:00 GMT, noai",
        "unavailable_after: whenever",
        "max-image-preview:none, noai",
        "max-snippet: -1, max-image-preview:large, noindex",
    ],
)
def test_values_that_refuse(value: str) -> None:
    found = robots(value)
    assert found.is_refused
    assert found.headers == {"x-robots-tag": value.strip()}
    assert found.refusal is not None
    assert value.strip() in found.refusal


@pytest.mark.parametrize(
    "value",
    [
        "noindex; nofollow",
        "noindex nofollow",
        "'noai'",
        "noai.",
        ": noai",
        "noai: yes",
        "none noindex",
        "otherbot: noai; nofollow",
        "other/bot;v=1: noai",
        "otherbot: googlebot: noai",
        "https://example.org/why: noai",
        "noai-training",
        "xnoindexx",
        "n\u00f8: noimageai",
        "<noai>",
        "none; nofollow",
        "max-snippet: noai",
        "max-image-preview: large; noai",
        "googlebot: max-snippet: <noimageai>",
        "nofollow none",
        "all: noai",
        "nofollow: none",
        "%noml%",
    ],
)
def test_values_that_cannot_be_read_and_have_one_of_the_words_refuse(value: str) -> None:
    assert robots(value).is_refused


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",,",
        "all",
        "index, follow",
        "nofollow, noarchive, nosnippet, notranslate",
        "googlebot: noindex",
        "googlebot: nofollow, noai",
        "googlebot-news: noindex, otherbot: noai",
        "Mozilla/5.0: none",
        "max-image-preview:none",
        "max-image-preview: none",
        "unavailable_after: 25 Jun 2099 15:00:00 GMT",
        "unavailable_after: Thursday, 25-Jun-2099 15:00:00 GMT",
        "unavailable_after: 2099-06-25T15:00:00Z",
        "googlebot: unavailable_after: 25 Jun 2010 15:00:00 GMT",
        "%%% ??? !!!",
        "nonesuch; x",
    ],
)
def test_values_that_do_not_refuse(value: str) -> None:
    assert not robots(value).is_refused


def test_every_header_is_read_not_only_the_first() -> None:
    found = robots("googlebot: all", "nofollow", "noai")
    assert found.is_refused
    assert found.headers["x-robots-tag"] == "googlebot: all, nofollow, noai"


def test_a_bots_name_counts_only_within_its_own_header() -> None:
    assert robots("googlebot: nofollow", "noai").is_refused
    assert not robots("googlebot: nofollow, noai").is_refused


@pytest.mark.parametrize(
    ("value", "is_refused"),
    [("1", True), (" 1 ", True), ("0, 1", True), ("0", False), ("", False), ("2", False),
     ("true", False), ("10", False)],
)  # fmt: skip
def test_tdm_reservation_is_1_or_says_nothing(value: str, is_refused: bool) -> None:
    found = rights_of(("TDM-Reservation", value), ("tdm-policy", "https://a.b/p.json"))
    assert found.is_refused is is_refused
    assert found.headers["tdm-policy"] == "https://a.b/p.json"


@pytest.mark.parametrize(
    ("value", "is_refused"),
    [
        ("train-ai=n", True),
        ("search=y, train-ai=n", True),
        ("TRAIN-AI = N", True),
        ('train-ai="n"', True),
        ("train-ai=?0", True),
        ("train-ai=n;exceptions=1", True),
        ("train-ai=n, train-ai=y", True),
        ("tdm=n", True),
        ("bots=n", True),
        ("train-ai=false", True),
        ("train-ai=0", True),
        ("train-ai=(n)", True),
        ("train-ai=n search=y", True),
        ("train-ai=", True),
        ("train-ai:n", True),
        ("search=y, train-ai: n", True),
        ("train-ai=\xa0n", True),
        ("\xa0train-ai=n", True),
        ("train-ai=y", False),
        ("train-ai=?1;until=2030", False),
        ("train-ai=unsaid", False),
        ('note="no ai here: retrain-ai"', False),
        ("search=n", False),
        ("train-ai", False),
        ("train-ai;allow=n, train-ai=y", False),
        ("retrain-ai=n", False),
        ("", False),
        ("?!", False),
    ],
)
def test_content_usage(value: str, is_refused: bool) -> None:
    assert rights_of(("Content-Usage", value)).is_refused is is_refused


def test_all_of_a_long_header_counts_is_read_in_no_time_and_is_kept_in_part() -> None:
    # Without care this takes minutes: each unreadable piece would have all of them searched.
    long = ";," * 30_000
    assert not robots(long, long).is_refused
    found = robots(long, f"{long} noai")
    assert found.is_refused
    assert len(found.headers["x-robots-tag"]) == 4001
    assert len(combine_rights(found, found).headers["x-robots-tag"]) == 4001


def test_no_header_is_no_statement() -> None:
    assert rights_of(("Content-Type", "image/jpeg"), ("X-Robots", "noai")) is NO_RIGHTS


def test_the_most_restrictive_statement_of_all_hops_wins() -> None:
    refused, quiet = robots("noai"), rights_of(("Content-Usage", "train-ai=y"))
    for first, second in ((refused, quiet), (quiet, refused)):
        found = combine_rights(first, second)
        assert found.is_refused
        assert found.headers == {"x-robots-tag": "noai", "content-usage": "train-ai=y"}
    assert combine_rights(robots("all"), robots("nofollow")).headers["x-robots-tag"] == (
        "all, nofollow"
    )
    assert combine_rights(refused, NO_RIGHTS) is refused


blanks = st.text(" \t", max_size=3)
harmless = st.sampled_from(["all", "nofollow", "max-snippet:-1", "noarchive", ""])
bots = st.sampled_from(["googlebot", "bingbot", "Otherbot/2.0"])


@given(st.lists(harmless), st.sampled_from([*WORDS, "none"]), blanks, blanks, st.data())
def test_a_word_for_everyone_refuses_wherever_it_stands(
    others: list[str], word: str, before: str, after: str, data: st.DataObject
) -> None:
    spelled = "".join(letter.upper() if data.draw(st.booleans()) else letter for letter in word)
    place = data.draw(st.integers(0, len(others)))
    pieces = [*others[:place], before + spelled + after, *others[place:]]
    assert robots(",".join(pieces)).is_refused


@given(bots, st.lists(st.sampled_from([*WORDS, "none", "nofollow"]), min_size=1))
def test_words_for_other_bots_do_not_refuse(bot: str, words: list[str]) -> None:
    assert not robots(f"{bot}: {', '.join(words)}").is_refused


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80), st.sampled_from(WORDS))
def test_any_junk_is_read_and_unreadable_junk_with_a_word_refuses(junk: str, word: str) -> None:
    robots(junk)
    assert robots(f"{junk};={word}").is_refused
    rights_of(("Content-Usage", junk), ("tdm-reservation", junk))


def overlooked_by_the_nearest_relative(*values: str) -> bool:
    """Whether img2dataset 1.47, as its users run it, stores what comes with these headers.

    It takes what stands before the first colon of a value for the name of a robot, and knows no
    robot but one its user named, by default none; of what follows it knows four words.
    """
    words = {"noai", "noimageai", "noindex", "noimageindex"}
    for value in values:
        name, colon, rest = value.partition(":")
        rules = rest if colon else name
        if not colon and words & {rule.strip().lower() for rule in rules.split(",")}:
            return False
    return True


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["*: noai"], id="every robot by name"),
        pytest.param(["none"], id="none is noindex, nofollow"),
        pytest.param(["googlebot: all, *: noai, noimageai"], id="a robot's name mid-value"),
        pytest.param(["max-image-preview: large, noai"], id="a rule with a colon before"),
        pytest.param(["noai, max-snippet:-1"], id="a rule with a colon behind"),
        pytest.param(["unavailable_after: 25 Jun 2010 15:00:00 PST"], id="a date that is past"),
        pytest.param(
            ["unavailable_after: Fri, 25 Jun 2099 15:00:00 GMT, noai"], id="a word behind a date"
        ),
        pytest.param(["noindex; nofollow"], id="semicolons"),
        pytest.param(["noindex noimageai"], id="blanks"),
        pytest.param(["noml"], id="noml"),
        pytest.param(["yfcc: noai"], id="our own name"),
        pytest.param(["nofollow", "robots: noai"], id="the second of two headers"),
    ],
)
def test_headers_that_the_nearest_relative_lets_through_are_refused(values: list[str]) -> None:
    assert overlooked_by_the_nearest_relative(*values)
    assert robots(*values).is_refused


OURS = [None, "*", "yfcc", "robots", "YFCC/1.0"]
OTHERS = ["googlebot", "Bingbot/2.0", "otherbot-news"]
HARMLESS = [
    "all",
    "index",
    "nofollow",
    "noarchive",
    "max-snippet:-1",
    "max-image-preview: none",
    "unavailable_after: 25 Jun 2099 15:00:00 GMT",
    "unavailable_after: Thu, 25 Jun 2099 15:00:00 GMT",
    "unavailable_after: 2099-06-25T15:00:00+02:00",
]
REFUSING = [
    *WORDS,
    "none",
    "unavailable_after: 25 Jun 2010 15:00:00 PST",
    "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT",
    "unavailable_after: Friday, 25-Jun-10 15:00:00 UTC",
    "unavailable_after:2010-06-25T15:00:00Z",
    "unavailable_after: 2010-06-25",
]

rules_of_a_header = st.lists(
    st.tuples(
        st.sampled_from(["no name", *OURS[1:], *OTHERS]),
        st.sampled_from(HARMLESS) | st.sampled_from(REFUSING),
        blanks,
        blanks,
        st.sampled_from([str, str.upper, str.title]),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(rules_of_a_header, min_size=1, max_size=4))
def test_any_mixture_of_headers_robots_rules_and_dates_is_read_as_it_is_meant(
    headers: list[list[tuple[str, str, str, str, object]]],
) -> None:
    values, is_refused = [], False
    for pieces in headers:
        spelled, is_ours = [], True
        for name, rule, before, after, change in pieces:
            prefix = ""
            if name != "no name":
                is_ours, prefix = name in OURS, f"{name}{before}:{after}"
            spelled.append(before + change(prefix + rule) + after)  # type: ignore[operator]
            is_refused |= is_ours and rule in REFUSING
        values.append(",".join(spelled))
    assert robots(*values).is_refused is is_refused


@given(
    st.text(alphabet=" abcz-_:;,=\"'()<>/.\t0189\x00\x7f\xe9", max_size=40),
    st.text(alphabet=" abcz-_:;,=\"'()<>/.\t0189\x00\x7f\xe9", max_size=40),
    st.sampled_from(WORDS),
)
def test_a_word_between_signs_that_no_rule_has_refuses_whatever_is_around_it(
    before: str, after: str, word: str
) -> None:
    assert robots(f"{before}<{word}>{after}").is_refused


@given(st.lists(st.sampled_from(["all", "noai", "none", "googlebot: noai"]), min_size=1))
def test_a_refusal_of_one_hop_is_one_of_the_whole_way(hops: list[str]) -> None:
    found = NO_RIGHTS
    for value in hops:
        found = combine_rights(found, robots(value))
    assert found.is_refused is any(robots(value).is_refused for value in hops)
    assert found.headers["x-robots-tag"] == ", ".join(hops)
