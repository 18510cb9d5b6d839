"""Removing lines from an export in the dataset's own form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, Final

import pyarrow as pa

from yfcc.catalog.tombstones import TombstoneSet
from yfcc.share.documents import Documents
from yfcc.share.sink import Target
from yfcc.share.tsv_documents import (
    UNCREDITED,
    license_code,
    remove_credits,
    write_tsv_documents,
)
from yfcc.share.tsv_files import PACKINGS, LineWriter, TsvFile

_DATASET: Final = "dataset"
_HASH: Final = "hash"
_READ_BYTES: Final = 4 << 20

Open = Callable[[str], IO[bytes]]


@dataclass(frozen=True, slots=True)
class FoundLines:
    """What an export has of items that are to go.

    Attributes
    ----------
    ids : set of bytes
        Of all items that are to go, in it or not.
    n_items : int
        Those of them that it has.
    concerned : set of str
        Paths of the files that have lines of theirs.
    licenses : Counter of str
        Their licences.
    """

    ids: set[bytes]
    n_items: int
    concerned: set[str]
    licenses: Counter[str]


def remove_lines(
    target: Target, manifest: dict[str, Any], open_file: Open, found: FoundLines
) -> int:
    """Publish an export of lines anew without those of some items; how many items it had.

    Raises
    ------
    TargetError
        It cannot be written.
    """
    place = list(manifest["columns"]).index("photo_id")
    written = []
    for file in manifest["files"]:
        if file["path"] not in found.concerned:
            target.keep(file["path"])
            written.append(TsvFile(**file))
            continue
        column = place if file["pack"] == _DATASET else 0
        new = _rewrite(target, file, open_file, column, found.ids)
        if new is not None:
            written.append(new)
    document = manifest | {
        "export_id": target.export_id,
        "files": [asdict(file) for file in written],
        "n_removed": manifest.get("n_removed", 0) + found.n_items,
    }
    if "documents" in manifest:
        _write_documents(target, document, open_file, found, written)
    target.publish(document)
    return found.n_items


def _write_documents(
    target: Target,
    document: dict[str, Any],
    open_file: Open,
    found: FoundLines,
    written: list[TsvFile],
) -> None:
    """Write what lies beside the lines anew, and say in the manifest what it is."""
    licenses = Counter(document["licenses"])
    licenses.subtract(found.licenses)
    n_rows = document["n_rows"] - found.n_items
    document |= {"n_rows": n_rows, "licenses": dict((+licenses).most_common())}
    documents = Documents(target)
    try:
        if document["has_credits"]:
            n_credited = remove_credits(documents, open_file, found.ids)
            document["notes"] = {UNCREDITED: n_rows - n_credited} if n_rows > n_credited else {}
        document["documents"] = write_tsv_documents(documents, written, document)
    except BaseException:
        documents.abandon()
        raise


def find_lines(manifest: Mapping[str, Any], open_file: Open, wanted: TombstoneSet) -> FoundLines:
    """Look for items in the dataset by all that names them, then in the packs by their ids."""
    columns = list(manifest["columns"])
    datasets = [file for file in manifest["files"] if file["pack"] == _DATASET]
    packs = [file for file in manifest["files"] if file["pack"] != _DATASET]
    ids = {str(photo_id).encode() for photo_id in wanted.ids}
    hashes = {each.encode() for each in wanted.hashes}
    owners = {form.encode() for nsid in wanted.users for form in (nsid, nsid.replace("@", "%40"))}
    named = {columns.index("user_nsid"): owners}
    if "photo_hash" in columns:
        named[columns.index("photo_hash")] = hashes
    else:
        for file in packs:
            if file["pack"] == _HASH and hashes:
                for lines in _iter_lines(file["path"], open_file):
                    ids |= _find(lines, 0, set(), {1: hashes})
    gone: set[bytes] = set()
    concerned = set()
    licenses: Counter[str] = Counter()
    for file in datasets:
        for lines in _iter_lines(file["path"], open_file):
            if found := _find(lines, columns.index("photo_id"), ids, named):
                gone |= found
                concerned.add(file["path"])
                licenses += _count_licenses(lines, columns, found)
    ids |= gone
    for file in packs:
        if any(_find(lines, 0, ids, {}) for lines in _iter_lines(file["path"], open_file)):
            concerned.add(file["path"])
    return FoundLines(ids, len(gone), concerned, licenses)


def _find(
    lines: list[bytes], place: int, ids: set[bytes], named: Mapping[int, set[bytes]]
) -> set[bytes]:
    """Ids of the lines that are to go."""
    found = set()
    for line in lines:
        fields = line.split(b"\t")
        if len(fields) > place and (
            fields[place] in ids
            or any(
                fields[column] in values for column, values in named.items() if column < len(fields)
            )
        ):
            found.add(fields[place])
    return found


def _count_licenses(lines: list[bytes], columns: list[str], ids: set[bytes]) -> Counter[str]:
    """Licences of some items among lines of the dataset."""
    place, at = columns.index("photo_id"), columns.index("license_url")
    rows = (line.split(b"\t") for line in lines)
    return Counter(
        license_code(row[at].decode("ascii", "replace"))
        for row in rows
        if len(row) > max(place, at) and row[place] in ids
    )


def _packing_of(path: str) -> tuple[str, str]:
    """A file's name without the suffix of its packing, and the packing."""
    stem, _, suffix = path.rpartition(".")
    return (stem, suffix) if PACKINGS.get(suffix) else (path, "none")


@contextmanager
def _open_unpacked(path: str, open_file: Open) -> Iterator[Any]:
    codec = PACKINGS[_packing_of(path)[1]]
    with ExitStack() as stack:
        stream = stack.enter_context(open_file(path))
        if codec is None:
            yield stream
        else:
            packed = pa.PythonFile(stream, mode="r")
            yield stack.enter_context(pa.CompressedInputStream(packed, codec))


def _iter_lines(path: str, open_file: Open) -> Iterator[list[bytes]]:
    """All lines without their newlines, many at a time."""
    rest = b""
    with _open_unpacked(path, open_file) as stream:
        while block := bytes(stream.read(_READ_BYTES)):
            *lines, rest = (rest + block).split(b"\n")
            yield lines
    if rest:
        yield [rest]


def _rewrite(
    target: Target, file: Mapping[str, Any], open_file: Open, place: int, ids: set[bytes]
) -> TsvFile | None:
    """Write a file without the lines of some items; None if it is a pack without any."""
    stem, packing = _packing_of(file["path"])
    writer = LineWriter(stem, packing, target.open_file)
    try:
        if file["pack"] == _DATASET:
            writer.begin()
        for lines in _iter_lines(file["path"], open_file):
            kept = [line for line in lines if not _find([line], place, ids, {})]
            writer.add(pa.array(kept, pa.binary()))
        return writer.finish(file["pack"])
    except BaseException:
        writer.abandon()
        raise
