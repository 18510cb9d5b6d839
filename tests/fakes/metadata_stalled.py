"""A build that waits in its middle: ``python -m tests.fakes.metadata_stalled SOURCE CATALOG GO N``.

Once so many lines of the dataset are read it says ``stalled``, and goes on when the file ``GO`` is
there. Ends like the command: with the exit code of what stopped it, whose message it prints.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from yfcc.catalog.build import BuildSettings, BuildSizes, build_catalog
from yfcc.errors import YfccError
from yfcc.metadata.source import open_source
from yfcc.progress import SilentProgress


class Stalling(SilentProgress):
    """Holds up whoever reads on."""

    def __init__(self, go: Path, n_lines: int) -> None:
        self.go = go
        self.n_lines = n_lines
        self.has_stalled = False

    def advance_file(self, name: str, n_bytes: int, n_rows: int) -> None:
        if "dataset" not in name or n_rows < self.n_lines or self.has_stalled:
            return
        self.has_stalled = True
        print("stalled", flush=True)
        while not self.go.exists():
            time.sleep(0.01)


def main(source: str, catalog: Path, go: Path, n_lines: int) -> int:
    sizes = BuildSizes(batch_rows=100, window_rows=50, slack_rows=50, chunk_bytes=20_000)
    try:
        settings = BuildSettings(catalog, sizes=sizes)
        build_catalog(open_source(source), settings, Stalling(go, n_lines))
    except YfccError as error:
        print(error, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
