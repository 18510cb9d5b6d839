"""A verification in a process of its own, to be killed: ``python -m tests.fakes.verify_child``.

Arguments: address, manifest, log, and how many items to read before it stands still. It logs after
every shard how many items of the whole are known, read now or before.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from yfcc.mirror.findings import VerifySummary
from yfcc.mirror.opening import open_any
from yfcc.mirror.verify import VerifyOptions, verify_mirror


def main(address: str, manifest: Path, log: Path, n_until: int) -> None:
    def report(summary: VerifySummary) -> None:
        with log.open("a") as file:
            file.write(f"{summary.n_items}\n")
        if summary.n_items >= n_until:
            signal.pause()

    options = VerifyOptions(manifest=manifest, save_every_s=0.0)
    with open_any(address) as mirror:
        verify_mirror(mirror, options, report)


if __name__ == "__main__":
    address_, manifest_, log_, n_until_ = sys.argv[1:]
    main(address_, Path(manifest_), Path(log_), int(n_until_))
