"""``rival_requests.py LIST DIRECTORY``: the loop that scripts usually are."""

from __future__ import annotations

import sys
from pathlib import Path

import requests

if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.mkdir(parents=True)
    for line in Path(sys.argv[1]).read_text().splitlines():
        reply = requests.get(line, timeout=60)
        if reply.ok:
            (target / line.rpartition("/")[2]).write_bytes(reply.content)
