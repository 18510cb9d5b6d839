"""The script one would write first: four files in step, a dict an item, a line of JSON each.

It trusts that the files have the same ids in the same order, and checks nothing.
"""

from __future__ import annotations

import bz2
import json
import sys
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from urllib.parse import unquote_plus

FILES = ("dataset", "autotags", "exif", "places")
NAMES = (
    *("line_number", "photo_id", "photo_hash", "user_nsid", "user_nickname", "date_taken"),
    *("date_uploaded", "capture_device", "title", "description", "user_tags", "machine_tags"),
    *("longitude", "latitude", "accuracy", "page_url", "download_url", "license_name"),
    *("license_url", "server_id", "farm_id", "secret", "secret_original", "extension", "marker"),
)


def main(source: Path, target: Path, n_rows: int) -> None:
    """Write one JSON document a row."""
    with ExitStack() as stack:
        files = [
            stack.enter_context(bz2.open(path, "rt", encoding="utf-8", newline="\n"))
            for path in (source / f"yfcc100m_{name}.bz2" for name in FILES)
        ]
        out = stack.enter_context(target.open("w", encoding="utf-8"))
        for row, autotags, exif, places in islice(zip(*files, strict=False), n_rows):
            item: dict[str, object] = dict(
                zip(NAMES, map(unquote_plus, row.rstrip("\n").split("\t")), strict=False)
            )
            for name in ("user_tags", "machine_tags"):
                item[name] = str(item[name]).split(",")
            tags = [tag.rpartition(":") for tag in _values(autotags)]
            item["autotags"] = {unquote_plus(tag): float(score) for tag, _, score in tags}
            pairs = [pair.partition(":") for pair in _values(exif)]
            item["exif"] = {unquote_plus(key): unquote_plus(value) for key, _, value in pairs}
            item["places"] = [list(map(unquote_plus, p.split(":"))) for p in _values(places)]
            out.write(json.dumps(item) + "\n")


def _values(line: str) -> list[str]:
    text = line.rstrip("\n").partition("\t")[2]
    return text.split(",") if text else []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
