"""What the files of a walk's mirror say, read with nothing but the standard library."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections import Counter
from pathlib import Path

from tests.fakes.mirror_checks import media_file
from tests.fakes.mirror_items import media_bytes
from yfcc.mirror.root import open_mirror
from yfcc.mirror.status import read_status
from yfcc.mirror.totals import Fingerprint
from yfcc.model import Item

#: Of every item's media.
N_BYTES = 700


def read_tombstones(root: Path) -> tuple[set[tuple[str, str]], bool]:
    """Removals in a mirror's list, and whether some are not carried out yet."""
    path = root / "ledger/tombstones.jsonl"
    content = path.read_bytes() if path.exists() else b""
    known, is_pending = set(), False
    for line in map(json.loads, content.split(b"\n")[:-1]):
        if line.get("done") == "mirror":
            is_pending = False
        elif not line.keys() & {"done", "catalog"}:
            is_pending = True
            kinds = line.keys() & {"id", "user", "hash", "sha256"}
            known |= {(kind, str(line[kind])) for kind in kinds}
    return known, is_pending


def is_forbidden(known: set[tuple[str, str]], item: Item) -> bool:
    """Whether one of some removals means an item."""
    digest = hashlib.sha256(media_bytes(item.photo_id, N_BYTES)).hexdigest()
    marks = {
        ("id", str(item.photo_id)),
        ("user", json.loads(item.document)["metadata"]["user_nsid"]),
        ("hash", item.photo_hash),
        ("sha256", digest),
    }
    return bool(marks & known)


def state_of_files(root: Path, photo_id: int, record: dict | None) -> str:
    """``whole``, ``broken`` or ``absent``: an item's files, beside its record if it is stored."""
    media = media_file(root, photo_id)
    document = media.with_suffix(".json")
    if not media.exists() and not document.exists():
        return "absent"
    try:
        content, text = media.read_bytes(), document.read_bytes()
        told = json.loads(text)
        digest, n_bytes = told["media"]["sha256"], told["media"]["n_bytes"]
        is_whole = (
            content == media_bytes(photo_id, N_BYTES)
            and told["photo_id"] == photo_id
            and (n_bytes, digest) == (len(content), hashlib.sha256(content).hexdigest())
            and told["media"]["path"] == media.relative_to(root).as_posix()
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "broken"
    if record is not None and record["outcome"] == "stored":
        is_whole &= (record["n_bytes"], record["sha256"]) == (n_bytes, digest)
        is_whole &= record["document_crc32"] == zlib.crc32(text)
    return "whole" if is_whole else "broken"


def check_status(root: Path, recorded: dict[int, dict]) -> None:
    """The counts that a mirror tells are those of its records."""
    with open_mirror(root) as mirror:
        status = read_status(mirror)
    counts = Counter(record["outcome"] for record in recorded.values())
    assert status.outcomes == counts, f"{status.outcomes} counted, {counts} recorded"
    assert status.n_bytes == sum(record["n_bytes"] or 0 for record in recorded.values())


def check_runs(root: Path, seen: dict[str, bytes], asked: dict[str, Fingerprint]) -> None:
    """Every run's counts add up, say what it was asked, and never change after its end.

    Parameters
    ----------
    root : Path
    seen : dict of str to bytes
        Records of runs that were looked at before; gets the others.
    asked : dict of str to Fingerprint
        By run.
    """
    for path in root.glob("ledger/runs/*.json"):
        content = path.read_bytes()
        if path.stem in seen:
            assert seen[path.stem] == content, "a run changed another's counts"
            continue
        seen[path.stem] = content
        run = json.loads(content)
        assert run["n_selected"] == sum(run["outcomes"].values()) + run["not_yet_tried"]
        wanted = asked[path.stem]
        assert run["fingerprint"]["selection_sql"] == wanted.selection_sql
        assert tuple(run["fingerprint"]["sources"]) == wanted.sources
        assert run["fingerprint"]["tool_version"] == wanted.tool_version
