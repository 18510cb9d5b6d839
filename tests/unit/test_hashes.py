"""The dataset's hash, computed."""

from __future__ import annotations

import pyarrow as pa

from tests.fakes.rows import hash_of
from yfcc.metadata.hashes import check_hashes, photo_hash_of


def test_the_hash_is_the_md5_of_the_url_without_leading_zeros() -> None:
    for number in range(2_000):
        url = f"http://farm1.staticflickr.com/2/{number}_0123456789.jpg"
        assert photo_hash_of(url) == hash_of(url)
        assert 16 <= len(photo_hash_of(url)) <= 32


def test_only_what_is_missing_is_computed() -> None:
    hashes = pa.chunked_array([["kept", None], [None, None]], pa.string())
    urls = pa.chunked_array([["a"], ["b", "c", None]], pa.string())
    filled = check_hashes(hashes, urls)[0].to_pylist()
    assert filled == ["kept", hash_of("b"), hash_of("c"), None]


def test_urls_of_every_length_hash_as_the_library_hashes_them() -> None:
    urls = ["ü" + "x" * n for n in range(300)] + ["", None]
    nothing = pa.nulls(len(urls), pa.string())
    wanted = [None if url is None else hash_of(url) for url in urls]
    found, n_mismatches = check_hashes(nothing, pa.array(urls, pa.string()))
    assert found.to_pylist() == wanted
    assert n_mismatches == 0
    part, _ = check_hashes(nothing.slice(7, 90), pa.array(urls, pa.string()).slice(7, 90))
    assert part.to_pylist() == wanted[7:97]


def test_hashes_that_are_wrong_are_counted_and_kept() -> None:
    hashes = pa.array([hash_of("a"), hash_of("b"), "0" * 32, None, "kept"], pa.string())
    urls = pa.array(["a", "x", "c", "d", None], pa.string())
    found, n_mismatches = check_hashes(hashes, urls)
    assert found.to_pylist() == [*hashes.to_pylist()[:3], hash_of("d"), "kept"]
    assert n_mismatches == 2
