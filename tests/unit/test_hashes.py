"""The dataset's hash, computed."""

from __future__ import annotations

import pyarrow as pa

from tests.fakes.rows import hash_of
from yfcc.metadata.hashes import fill_hashes, photo_hash_of


def test_the_hash_is_the_md5_of_the_url_without_leading_zeros() -> None:
    for number in range(2_000):
        url = f"http://farm1.staticflickr.com/2/{number}_0123456789.jpg"
        assert photo_hash_of(url) == hash_of(url)
        assert 16 <= len(photo_hash_of(url)) <= 32


def test_only_what_is_missing_is_computed() -> None:
    hashes = pa.chunked_array([["kept", None], [None, None]], pa.string())
    urls = pa.chunked_array([["a"], ["b", "c", None]], pa.string())
    filled = fill_hashes(hashes, urls).to_pylist()
    assert filled == ["kept", hash_of("b"), hash_of("c"), None]
