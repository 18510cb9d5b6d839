"""Fetches photos from a Flickr endpoint in a process of its own, at a shared rate.

Arguments: endpoint, file of the rate, requests a second, number of photos.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.fakes.fetching import QUICK, photo
from yfcc.media.acquire import MediaClient
from yfcc.media.politeness import Rate
from yfcc.media.settings import FetchSettings, Source
from yfcc.media.sink import BytesSink


def main(endpoint: str, rate_file: str, per_s: float, n_photos: int) -> int:
    settings = FetchSettings(
        sources=(Source.FLICKR,),
        flickr_endpoint=endpoint,
        rate_file=Path(rate_file),
        **QUICK | {"flickr_rate": Rate(per_s), "read_timeout_s": 20.0},
    )
    client = MediaClient(settings)
    outcomes = [client.acquire(photo(i), BytesSink()).outcome for i in range(1, n_photos + 1)]
    client.close()
    return sum(outcome != "stored" for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])))
