"""From an item to the addresses of its bytes."""

from __future__ import annotations

import hashlib

import pytest

from tests.fakes.fetching import BOTH, FLICKR_TARGET, PHOTO_HASH, photo, video
from yfcc.errors import UsageError
from yfcc.media.locate import Candidate, Unusable, locate, plan_host_rules, plan_places
from yfcc.media.settings import FetchSettings, Source
from yfcc.model import Item


def places_of(item: Item, **settings: object) -> list[Candidate | Unusable]:
    value = FetchSettings(**settings)  # type: ignore[arg-type]
    places = plan_places(value)
    return locate(item, places, plan_host_rules(value, places))


def test_the_persistent_copy_is_the_only_source_by_default() -> None:
    (place,) = places_of(photo())
    assert place.source is Source.S3
    assert place.url == (
        "https://multimedia-commons.s3.us-west-2.amazonaws.com"
        f"/data/images/16e/6d6/{PHOTO_HASH}.jpg"
    )


def test_a_video_has_a_key_of_its_own() -> None:
    (place,) = places_of(video())
    assert place.url is not None
    assert place.url.endswith(f"/data/videos/mp4/16e/6d6/{PHOTO_HASH}.mp4")


def test_sources_are_asked_in_the_order_of_the_user() -> None:
    assert [place.source for place in places_of(photo(), sources=BOTH)] == list(BOTH)
    turned = (Source.FLICKR, Source.S3)
    assert [place.source for place in places_of(photo(), sources=turned)] == list(turned)


def test_a_named_s3_endpoint_is_asked_path_style() -> None:
    for endpoint in ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"):
        (place,) = places_of(photo(), s3_endpoint=endpoint)
        assert place.url == (
            f"http://127.0.0.1:9000/multimedia-commons/data/images/16e/6d6/{PHOTO_HASH}.jpg"
        )


def test_a_named_flickr_endpoint_keeps_the_path() -> None:
    (place,) = places_of(photo(), sources=(Source.FLICKR,), flickr_endpoint="http://[::1]:8080")
    assert place.url == f"http://[::1]:8080{FLICKR_TARGET}"


@pytest.mark.parametrize(
    "key", ["", "16e", "G" * 20, "a" * 15, "a" * 33, "../../../etc/passwd", PHOTO_HASH + "\n",
            PHOTO_HASH.upper(), "１６ｅ６ｄ６ｄ２ｂ９ｆ８ｄ１ｄ９"],
)  # fmt: skip
def test_a_hash_that_is_none_is_not_asked_for(key: str) -> None:
    (place,) = places_of(photo(photo_hash=key))
    assert isinstance(place, Unusable)
    assert "photo_hash" in place.reason


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://evil.example/x.jpg",
        "http://user@farm8.staticflickr.com/x.jpg",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "http://farm8.staticflickr.com/x.jpg\r\nX: y",
    ],
)
def test_a_download_url_that_may_not_be_asked_is_kept_with_its_reason(url: str) -> None:
    (place,) = places_of(photo(download_url=url), sources=(Source.FLICKR,))
    assert isinstance(place, Unusable)
    assert place.url == (url or None)
    assert place.reason


def test_the_key_is_the_md5_of_the_url_printed_without_padding() -> None:
    # The rule of the dataset's hash, which keeps every key within 16 to 32 digits.
    url = "http://farm8.staticflickr.com/1/1_0123456789.jpg"
    key = "".join("%x" % byte for byte in hashlib.md5(url.encode()).digest())
    (place,) = places_of(photo(photo_hash=key))
    assert isinstance(place, Candidate)


def test_settings_that_cannot_be_used_are_refused_before_anything_is_asked() -> None:
    for settings in (
        FetchSettings(s3_endpoint="localhost:9000"),
        FetchSettings(flickr_endpoint="ftp://x/"),
        FetchSettings(sources=()),
    ):
        with pytest.raises(UsageError):
            plan_places(settings)
