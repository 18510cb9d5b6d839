"""The dataset's hash of an item, which is the key of its persistent copy.

The readme calls it the MD5 of the identifier. It is the MD5 of the download URL, each byte
printed in hex without its leading zero: 16 to 32 characters, true of every row we have.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_HEX: Final = [f"{byte:x}" for byte in range(256)]


def photo_hash_of(download_url: str) -> str:
    """The hash of an item.

    Examples
    --------
    >>> photo_hash_of("http://farm1.staticflickr.com/2/3_0123456789.jpg")
    'a4993ebdce48b99b97788945ba3ce'
    """
    digest = hashlib.md5(download_url.encode(), usedforsecurity=False).digest()
    return "".join([_HEX[byte] for byte in digest])


def fill_hashes(
    hashes: pa.Array | pa.ChunkedArray, download_urls: pa.ChunkedArray
) -> pa.Array | pa.ChunkedArray:
    """Hashes with those that are null computed; null stays what has no URL.

    Parameters
    ----------
    hashes, download_urls : n values each
    """
    is_missing = pc.is_null(hashes)
    if not pc.any(is_missing).as_py():
        return hashes
    urls = pc.filter(download_urls, is_missing).to_pylist()
    computed = [None if url is None else photo_hash_of(url) for url in urls]
    return pc.replace_with_mask(
        hashes.combine_chunks() if isinstance(hashes, pa.ChunkedArray) else hashes,
        is_missing.combine_chunks() if isinstance(is_missing, pa.ChunkedArray) else is_missing,
        pa.array(computed, pa.string()),
    )
