"""The pure rules of the demo: encoding, ids, ranges, fates."""

from __future__ import annotations

from collections import Counter
from hashlib import md5

import numpy as np
import pytest

from yfcc.demo.encoding import form_encode, format_degrees
from yfcc.demo.fates import Behaviour, plan_fates
from yfcc.demo.identifiers import FIRST_ORPHAN_ID, draw_photo_ids, photo_hash
from yfcc.demo.items import SampleItem
from yfcc.demo.s3_objects import (
    ByteRange,
    UnsatisfiableRangeError,
    matches_etag,
    parse_range,
)
from yfcc.model import MediaKind

URL = "http://farm9.staticflickr.com/8887/{}_0123456789.jpg"


def test_text_is_encoded_as_java_does():
    assert form_encode("a B+~*-._é\n%") == "a+B%2B%7E*-._%C3%A9%0A%25"


@pytest.mark.parametrize(
    ("microdegrees", "text"),
    [
        (-81_804_885, "-81.804885"),
        (-1_000_000, "-1.0"),
        (0, "0.0"),
        (1_000, "0.001"),
        (999, "9.99E-4"),
        (-12, "-1.2E-5"),
        (9, "9.0E-6"),
    ],
)
def test_degrees_look_as_java_prints_them(microdegrees, text):
    assert format_degrees(microdegrees) == text


def test_hash_loses_the_zero_padding_of_each_byte():
    padded = {}
    for number in range(500):
        digest = md5(URL.format(number).encode()).digest()
        short = "".join(f"{byte:x}" for byte in digest)
        padded[len(short)] = digest
        assert photo_hash(URL.format(number)) == short
    assert min(padded) < 32


def test_ids_are_unique_and_do_not_depend_on_how_they_are_drawn():
    ids = draw_photo_ids(7, 0, 100_000)
    assert len(np.unique(ids)) == 100_000
    assert 10 <= ids.min() < 100
    assert ids.max() < FIRST_ORPHAN_ID
    np.testing.assert_array_equal(ids[4_321:9_876], draw_photo_ids(7, 4_321, 9_876 - 4_321))
    assert not np.array_equal(ids, draw_photo_ids(8, 0, 100_000))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=10-", ByteRange(10, 99)),
        ("bytes=90-400", ByteRange(90, 99)),
        ("bytes=-5", ByteRange(95, 99)),
        ("bytes=-500", ByteRange(0, 99)),
        (None, None),
        ("bytes=-", None),
        ("bytes=9-3", None),
        ("bytes=0-1,4-5", None),
        ("lines=1-2", None),
    ],
)
def test_a_range_asks_for_these_bytes_of_100(header, expected):
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(header):
    with pytest.raises(UnsatisfiableRangeError):
        parse_range(header, 100)


def test_etags_match_with_and_without_quotes():
    assert matches_etag('"abc"', "abc")
    assert matches_etag('"x", W/"abc"', "abc")
    assert matches_etag("abc", "abc")
    assert matches_etag("*", "abc")
    assert not matches_etag('"ab"', "abc")


def items(n_items: int) -> list[SampleItem]:
    return [
        SampleItem(
            number,
            photo_hash(URL.format(number)),
            MediaKind.VIDEO if number % 126 == 125 else MediaKind.PHOTO,
            URL.format(number),
            f"http://www.flickr.com/photos/1@N09/{number}/",
            "jpg",
            "beach",
        )
        for number in range(n_items)
    ]


def test_a_default_sample_has_every_fate():
    fates = plan_fates(items(2_000), seed=1)
    assert fates == plan_fates(items(2_000), seed=1)
    missing = [fate for fate in fates if not fate.in_persistent_copy]
    assert len(missing) == 61  # 3 % of all, and one video
    assert {fate.behaviour for fate in missing} == set(Behaviour)
    assert sum(fate.is_placeholder for fate in fates) == 10
    assert Counter(fate.page_status for fate in fates).keys() == {200, 404, 410}
    behind = [fate for fate in fates if fate.in_persistent_copy and not fate.is_placeholder]
    assert {fate.behaviour for fate in behind} == set(Behaviour)


def test_a_video_is_missing_in_the_persistent_copy_and_good_elsewhere():
    fates = plan_fates(items(200), seed=3)
    video = fates[125]
    assert not video.in_persistent_copy
    assert video.behaviour is Behaviour.PHOTO
