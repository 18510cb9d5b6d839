"""From answers to results, and from results to what became of an item."""

from __future__ import annotations

import itertools

import pytest

from yfcc.media.answer import content_length
from yfcc.media.attempt import Attempt, BrokenAnswerError, ErrorKind, Retry
from yfcc.media.body import Body, md5_named_by
from yfcc.media.facts import Flaw, FlawedMedia, MediaFacts
from yfcc.media.headers import Headers
from yfcc.media.placeholder import DigestWatch, is_placeholder_target, is_wrong_type
from yfcc.media.settings import Source
from yfcc.media.settle import deciding_attempt, settle
from yfcc.media.verdict import judge_body, judge_status
from yfcc.model import MediaKind, Outcome

MD5 = "0" * 32
BODY = Body(n_bytes=100, sha256="a" * 64, md5=MD5, has_length=True, is_decoded=False)
WEAK_TO_STRONG = (
    Outcome.BLOCKED,
    Outcome.GONE,
    Outcome.NOT_MEDIA,
    Outcome.PLACEHOLDER,
    Outcome.TOO_LARGE,
    Outcome.FAILED,
    Outcome.REFUSED,
    Outcome.STORED,
)
FACTS = MediaFacts("jpg", "image/jpeg", 40, 30)


def attempt(source: Source, outcome: Outcome, error: str | None = None) -> Attempt:
    return Attempt(source=source, url=f"http://{source}/", outcome=outcome, error=error)


@pytest.mark.parametrize("status", [403, 404, 410, 451])
def test_what_is_not_there_is_gone_and_not_asked_again(status: int) -> None:
    found = judge_status(status)
    assert (found.outcome, found.retry) == (Outcome.GONE, Retry.NEVER)


@pytest.mark.parametrize(
    ("status", "retry"),
    [(429, Retry.WITH_HOST), (503, Retry.WITH_HOST), (500, Retry.AGAIN), (502, Retry.AGAIN),
     (504, Retry.AGAIN), (408, Retry.AGAIN), (400, Retry.NEVER), (401, Retry.NEVER),
     (416, Retry.NEVER), (204, Retry.NEVER), (206, Retry.NEVER), (304, Retry.NEVER)],
)  # fmt: skip
def test_other_statuses_are_failures_that_may_or_may_not_pass(status: int, retry: Retry) -> None:
    found = judge_status(status)
    assert (found.outcome, found.retry) == (Outcome.FAILED, retry)


def test_bytes_with_another_digest_than_the_server_names_are_asked_for_again() -> None:
    found = judge_body(BODY, FACTS, MediaKind.PHOTO, "1" * 32, frozenset())
    assert (found.kind, found.retry) == (ErrorKind.DIGEST, Retry.AGAIN)


def test_damage_that_the_digest_proves_to_be_the_servers_own_is_final() -> None:
    flawed = FlawedMedia(Flaw.TRUNCATED, "cut")
    found = judge_body(BODY, flawed, MediaKind.PHOTO, None, frozenset())
    assert (found.outcome, found.kind, found.retry) == (
        Outcome.FAILED,
        ErrorKind.TRUNCATED,
        Retry.AGAIN,
    )
    found = judge_body(BODY, flawed, MediaKind.PHOTO, MD5, frozenset())
    assert (found.outcome, found.kind, found.retry) == (Outcome.NOT_MEDIA, None, Retry.NEVER)
    assert found.error == "truncated: cut; so it lies at the source"


@pytest.mark.parametrize("digest", ["a" * 64, MD5])
def test_known_placeholders_are_told_by_either_digest(digest: str) -> None:
    found = judge_body(BODY, FACTS, MediaKind.PHOTO, MD5, frozenset({digest}))
    assert found.outcome is Outcome.PLACEHOLDER


def test_a_picture_in_place_of_a_film_is_not_what_was_asked_for() -> None:
    film = MediaFacts("mp4", "video/mp4")
    for facts, kind in ((FACTS, MediaKind.VIDEO), (film, MediaKind.PHOTO)):
        assert judge_body(BODY, facts, kind, None, frozenset()).outcome is Outcome.NOT_MEDIA
    assert judge_body(BODY, film, MediaKind.VIDEO, None, frozenset()).outcome is Outcome.STORED


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    list(itertools.pairwise(WEAK_TO_STRONG)),
)
def test_when_sources_disagree_the_stronger_result_counts(
    weaker: Outcome, stronger: Outcome
) -> None:
    for first, second in ((weaker, stronger), (stronger, weaker)):
        attempts = [attempt(Source.S3, first), attempt(Source.FLICKR, second)]
        assert deciding_attempt(attempts).outcome is stronger


def test_an_earlier_failure_at_the_same_source_does_not_count() -> None:
    attempts = [
        attempt(Source.S3, Outcome.FAILED, "cut"),
        attempt(Source.S3, Outcome.GONE, "status: 404"),
    ]
    acquired = settle(attempts)
    assert acquired.outcome is Outcome.GONE
    assert (acquired.first_error, acquired.last_error) == ("s3: cut", "s3: status: 404")
    assert acquired.attempts == 2


def test_what_is_stored_has_no_last_error_but_keeps_the_first() -> None:
    acquired = settle(
        [attempt(Source.S3, Outcome.FAILED, "cut"), attempt(Source.FLICKR, Outcome.STORED)]
    )
    assert (acquired.source, acquired.first_error, acquired.last_error) == (
        "flickr", "s3: cut", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "length"),
    [
        ([], None),
        ([("Content-Length", "12")], 12),
        ([("Content-Length", "12, 12"), ("content-length", "12")], 12),
        ([("Content-Length", "12"), ("Transfer-Encoding", "Chunked")], None),
    ],
)
def test_the_length_that_headers_name(pairs: list[tuple[str, str]], length: int | None) -> None:
    assert content_length(Headers(pairs)) == length


@pytest.mark.parametrize(
    "pairs",
    [
        [("Content-Length", "12"), ("Content-Length", "13")],
        [("Content-Length", "12, 13")],
        [("Content-Length", "-1")],
        [("Content-Length", "+1")],
        [("Content-Length", "1_0")],
        [("Content-Length", "0x10")],
        [("Content-Length", "")],
        [("Content-Length", "1" * 30)],
        [("Content-Length", "٣")],
        [("Transfer-Encoding", "gzip, chunked")],
    ],
)
def test_a_length_that_cannot_be_is_damage(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(BrokenAnswerError):
        content_length(Headers(pairs))


def test_only_the_etag_of_a_plain_object_is_an_md5() -> None:
    assert md5_named_by(Headers([("ETag", f'"{MD5}"')])) == MD5
    assert md5_named_by(
        Headers([("ETag", f'"{MD5}"'), ("x-amz-server-side-encryption", "AES256")])
    ) == MD5  # fmt: skip
    for pairs in (
        [],
        [("ETag", f'"{MD5}-3"')],
        [("ETag", f'W/"{MD5}"')],
        [("ETag", '"abc"')],
        [("ETag", f'"{MD5}"'), ("x-amz-server-side-encryption", "aws:kms")],
    ):
        assert md5_named_by(Headers(pairs)) is None


@pytest.mark.parametrize(
    ("target", "is_placeholder"),
    [
        ("/pw/images/en-us/photo_unavailable.png", True),
        ("https://s.yimg.com/pw/images/photo_unavailable_l.gif?x=1", True),
        ("/images/Photo_Unavailable.GIF", True),
        ("/photo_unavailable/1.jpg", False),
        ("/1.jpg?next=/photo_unavailable.png", False),
        ("/my_photo_unavailable.png", False),
    ],
)
def test_the_path_of_the_placeholder(target: str, is_placeholder: bool) -> None:
    assert is_placeholder_target(target) is is_placeholder


def test_a_jpg_url_promises_a_jpg() -> None:
    assert is_wrong_type("/1.jpg?x", "png")
    assert not is_wrong_type("/1.jpg", "jpg")
    assert not is_wrong_type("/videos/1/play/orig/2", "mp4")


def test_equal_pictures_of_different_items_are_counted_and_reported() -> None:
    watch = DigestWatch(n_digests=3, alarm_at=3)
    assert [watch.count("a" * 64, photo_id) for photo_id in (1, 1, 2, 3)] == [0, 0, 1, 2]
    assert watch.count("b" * 64, 9) == 0
    (alarm,) = watch.alarms()
    assert (alarm.sha256, alarm.n_items, alarm.photo_id) == ("a" * 64, 3, 1)


def test_the_memory_for_pictures_is_bounded() -> None:
    watch = DigestWatch(n_digests=100)
    for i in range(10_000):
        watch.count(f"{i:064x}"[::-1], i)
    assert len(watch._once) <= 100
