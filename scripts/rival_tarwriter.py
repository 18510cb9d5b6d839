"""What many write themselves: a loop over a mirror's files into webdataset's own writer.

``rival_tarwriter.py MIRROR OUT``: nothing is checked, credited or made durable.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from webdataset import ShardWriter


def main(mirror: Path, out: Path) -> None:
    """Write shards of 1,000 items."""
    out.mkdir(parents=True)
    with ShardWriter(str(out / "%06d.tar"), maxcount=1_000, verbose=0) as writer:
        for path in sorted(mirror.glob("media/*/*/*.json")):
            document = json.loads(path.read_bytes())
            media = mirror / document["media"]["path"]
            caption = document["metadata"]["title"] or ""
            sample = {"__key__": path.stem, "json": document, "txt": caption}
            writer.write({**sample, media.suffix[1:]: media.read_bytes()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
