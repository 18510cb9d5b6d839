"""Exports killed at the n-th durable step, each in a fork and a directory of its own.

``python -m tests.fakes.export_killed MIRROR ROOT STEP``: makes ``ROOT/<n>`` for every STEP-th
``fsync`` or ``rename`` of an export, kills it there, and lets another export go on. Prints how many
were killed, and how many pieces those that went on had not to make again.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.fakes.dying_calls import die_at
from tests.fakes.exporting import request_for
from yfcc.share.exporting import export_media
from yfcc.share.webdataset import WebDataset


def _export(mirror: str, out: Path) -> int:
    request = request_for(WebDataset(), mirror, out, n_items=5, n_workers=1)
    return export_media(request).n_pieces_kept


def main(mirror: str, root: Path, step: int) -> None:
    kept = []
    n = 1
    while True:
        child = os.fork()
        if child == 0:
            die_at(("fsync", "rename"), n)
            _export(mirror, root / str(n))
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            break
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            is_finished = (root / str(n) / "yfcc-export.json").exists()
            is_marked = (root / str(n) / "yfcc-unfinished.json").exists()
            n_kept = -1 if is_finished and not is_marked else _export(mirror, root / str(n))
            os.write(writing, str(n_kept).encode())
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, n
        kept.append(int(os.read(reading, 100)))
        os.close(reading)
        os.close(writing)
        n += step
    print(json.dumps(kept))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
