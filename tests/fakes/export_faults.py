"""Exports whose n-th call to the system fails, and the next that goes on.

``python -m tests.fakes.export_faults CATALOG MIRROR FOLDER FORM N ACTION=KINDS…``: for each action
(``kill``, or an error as ``EIO``, with a ``+`` if it lasts) and each of its kinds of calls
(``write,fsync``) ``N`` exports (``all`` for one a call) to ``FOLDER/<case>/out``; then one that
nothing disturbs. A line of JSON tells of each. Needs :mod:`tests.fakes.failing_calls`.
"""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.fakes.exporting import request_for
from tests.fakes.failing_calls import KILL, Fault, in_fork, spread
from yfcc.catalog.select import Selection
from yfcc.share.copies import CopyRules
from yfcc.share.exporting import export_media
from yfcc.share.imagefolder import ImageFolder
from yfcc.share.parquet import ParquetRequest, export_parquet
from yfcc.share.parquet_media import Images, MediaSource
from yfcc.share.tsv import TsvRequest, export_tsv
from yfcc.share.webdataset import WebDataset

SELECTION = Selection(lines="0-29")


def exports_of(catalog: Path, mirror: Path) -> dict[str, Callable[[Path], object]]:
    """What writes each form to a directory."""
    chosen = {"catalog": catalog, "selection": SELECTION, "n_workers": 1}
    rules = CopyRules(now_utc=datetime(2026, 11, 21, tzinfo=UTC))
    media = MediaSource(str(mirror), Images.BYTES, rules)
    return {
        "webdataset": lambda out: export_media(request_for(WebDataset(), mirror, out, 9, **chosen)),
        "imagefolder": lambda out: export_media(
            request_for(ImageFolder(), mirror, out, 9, **chosen)
        ),
        "parquet": lambda out: export_parquet(ParquetRequest(catalog, str(out), SELECTION)),
        "pictures": lambda out: export_parquet(
            ParquetRequest(catalog, str(out), SELECTION, media=media)
        ),
        "tsv": lambda out: export_tsv(TsvRequest(catalog, str(out), SELECTION, "bz2")),
    }


def main(export: Callable[[Path], object], root: Path, n: str, actions: list[str]) -> None:
    def place(name: str) -> Path:
        path = root / name
        path.mkdir()
        return path

    counted = place("counted")
    calls = in_fork(lambda: export(counted / "out"), counted, Fault()).calls
    assert calls, "an export that nothing disturbs comes to its end"
    case = 0
    for action, _, kinds in (each.partition("=") for each in actions):
        code = KILL if action == "kill" else getattr(errno, action.rstrip("+"))
        for kind in kinds.split(","):
            for each in spread(calls[kind], None if n == "all" else int(n)):
                fault = Fault(kind, each, code, action.endswith("+"))
                folder = place(str(case))
                told = in_fork(lambda: export(folder / "out"), folder, fault)  # noqa: B023
                found = sorted(path.name for path in folder.glob("out/*"))
                again = in_fork(lambda: export(folder / "out"), folder, Fault())  # noqa: B023
                line = {"case": case, "told": asdict(told), "again": asdict(again)}
                print(json.dumps(asdict(fault) | line | {"found": found}), flush=True)
                case += 1


if __name__ == "__main__":
    catalog, mirror, folder, form, number, *wanted = sys.argv[1:]
    main(exports_of(Path(catalog), Path(mirror))[form], Path(folder), number, wanted)
