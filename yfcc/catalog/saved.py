"""Selections saved by name: what a paper can cite, and another person can use.

::

    selections/cats.json      flags, SQL, number of items, digest of their ids, the catalog's files
    selections/cats.ids.gz    the list that --ids named, if it named one

A file holds all it needs and can be handed on. Where it is used, what it selects is counted and
compared: another catalog that lacks some of the items does not pass for the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import orjson

from yfcc import __version__
from yfcc.catalog.connection import target_errors
from yfcc.catalog.digests import digest_lines
from yfcc.catalog.names import check_names
from yfcc.catalog.parquet import read_provenance
from yfcc.catalog.publish import publish, write_durably
from yfcc.catalog.reader import Catalog
from yfcc.catalog.select import Selection
from yfcc.errors import SourceChanged, SourceDamaged, TargetError, UsageError

_SCHEMA_VERSION: Final = 1
_FOLDER: Final = "selections"
_SUFFIX: Final = ".json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Types of the fields of a selection, and what JSON has for them.
_KINDS: Final[dict[str, type]] = {
    "str | None": str,
    "str": str,
    "bool": bool,
    "int | None": int,
    "int": int,
    "tuple[str, ...]": list,
}


@dataclass(frozen=True, slots=True)
class SavedSelection:
    """A selection, and what it came to where it was saved.

    Attributes
    ----------
    path : Path
    name : str
    selection : Selection
        Its list of ids is the one beside the file.
    n_items : int
    digest : str
        SHA-256 of the ids, ascending, each with a newline; hex.
    document : dict
        All that the file says.
    """

    path: Path
    name: str
    selection: Selection
    n_items: int
    digest: str
    document: dict[str, Any]

    def citation(self) -> str:
        """One sentence that tells which items these are."""
        catalog = self.document["catalog"]
        editions = ", ".join(sorted({each["edition"] for each in catalog["files"]}))
        items = f"{self.n_items:,} item{'' if self.n_items == 1 else 's'}"
        return (
            f"Selection '{self.name}' of YFCC100M ({editions}): {items}, SHA-256 of the ids "
            f"{self.digest}, saved {self.document['saved_at'][:10]} with yfcc "
            f"{self.document['yfcc_version']}."
        )


def saved_path(catalog: Path, name: str) -> Path:
    """Where a selection of this name lies: in ``selections`` beside the catalog.

    Parameters
    ----------
    catalog : Path
    name : str
        A name; or a path, which ends with ``.json``.

    Raises
    ------
    UsageError
        It is neither.
    """
    if "://" not in name and name.endswith(_SUFFIX):
        return Path(name)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a selection: expected up to 64 letters, digits, '.', '_' "
            "and '-', the first a letter or digit; or a path to a .json file."
        )
    return catalog.parent / _FOLDER / f"{name}{_SUFFIX}"


def digest_items(catalog: Catalog, selection: Selection) -> tuple[int, str]:
    """Number of the selected items, and the SHA-256 of their ids; see :mod:`~.digests`.

    Raises
    ------
    UsageError
        The selection cannot be computed, or a name is unknown to the catalog.
    """
    with catalog.selecting(selection) as (cursor, condition), target_errors(catalog.path):
        query = f"SELECT photo_id FROM items WHERE {condition} ORDER BY photo_id"
        digest, n_items = digest_lines(cursor, [query])
        check_names(cursor, selection, is_empty=not n_items)
    return n_items, digest


def save_selection(catalog: Catalog, selection: Selection, name: str) -> SavedSelection:
    """Save a selection; what is there already and the same stays as it is.

    Raises
    ------
    UsageError
        Another selection has the name, the name is none, or nothing is selected.
    TargetError
        The file cannot be written.
    """
    path = saved_path(catalog.path, name)
    n_items, digest = digest_items(catalog, selection)
    if not n_items:
        raise UsageError(f"--save {name}: the selection is empty; nothing was saved.")
    flags = selection.flags()
    if selection.ids:
        flags["ids"] = f"{path.stem}.ids.gz"
    found = catalog.listed(selection)
    document = {
        "schema_version": _SCHEMA_VERSION,
        "name": path.stem,
        "flags": flags,
        "sql": selection.sql(),
        "n_items": n_items,
        "digest": digest,
        "ids": None
        if found is None
        else {"n_listed": found.n_listed, "n_found": found.n_found, "sha256": found.sha256},
        "catalog": {"fingerprint": catalog.fingerprint(), "files": read_provenance(catalog)},
        "yfcc_version": __version__,
        "saved_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    }
    if path.exists():
        there = read_saved(path)
        if (there.document["flags"], there.n_items, there.digest) == (flags, n_items, digest):
            return there
        raise UsageError(
            f"--save {name}: {path} holds another selection ({there.n_items:,} items, "
            f"{' '.join(there.selection.arguments())}). Choose another name, or remove the file."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if selection.ids:
            part = path.with_name(f"{flags['ids']}.part")
            catalog.write_list(selection.ids, part)
            publish(part, path.with_name(flags["ids"]))
        write_durably(path, orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise TargetError(
            f"{path}: the selection cannot be saved there: {error.strerror}. Name another place, "
            "a path that ends with .json."
        ) from error
    return read_saved(path)


def read_saved(path: Path) -> SavedSelection:
    """A selection from its file.

    Raises
    ------
    UsageError
        There is none.
    SourceDamaged
        The file is no selection, or one of a later version.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        others = [each.stem for each in _files_in(path.parent)]
        near = get_close_matches(path.stem, others, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        there = f"there are {', '.join(others)}" if others else "save one with --save NAME"
        raise UsageError(f"{path}: no selection is saved there; {there}.{hint}") from error
    except (OSError, orjson.JSONDecodeError) as error:
        raise SourceDamaged(f"{path}: cannot be read as a saved selection: {error}") from error
    try:
        return _parse(path, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SourceDamaged(
            f"{path}: expected a selection saved by yfcc {__version__} or before: {what}."
        ) from error


def _parse(path: Path, document: Any) -> SavedSelection:
    if not isinstance(document, dict):
        raise TypeError("it is no JSON object")
    if document["schema_version"] != _SCHEMA_VERSION:
        raise ValueError(f"schema_version {document['schema_version']!r}")
    selection = selection_of(document["flags"])
    if selection.ids:
        selection = replace(selection, ids=str(_beside(path, selection.ids)))
    found = SavedSelection(
        path, path.stem, selection, int(document["n_items"]), str(document["digest"]), document
    )
    found.citation()  # needs what else is to be there
    return found


def _beside(path: Path, name: str) -> Path:
    # The file may come from somebody else: it names nothing but what came with it.
    if Path(name).name != name:
        raise ValueError(f"ids {name!r} is no file beside it")
    return path.with_name(name)


def selection_of(flags: Mapping[str, Any]) -> Selection:
    """The selection with these flags, the inverse of :meth:`Selection.flags`.

    Raises
    ------
    ValueError
        A flag is unknown, or its value of another kind.
    """
    kinds = {each.name: _KINDS[str(each.type)] for each in fields(Selection)}
    values: dict[str, Any] = {}
    for name, value in flags.items():
        if name not in kinds:
            raise ValueError(f"flag {name!r} is unknown")
        if type(value) is not kinds[name] or (
            isinstance(value, list) and not all(isinstance(each, str) for each in value)
        ):
            raise ValueError(f"flag {name!r} has the value {value!r}")
        values[name] = tuple(value) if isinstance(value, list) else value
    return Selection(**values)


def list_saved(catalog: Path) -> list[SavedSelection]:
    """The selections beside a catalog, by name.

    Raises
    ------
    SourceDamaged
        A file there is none.
    """
    return [read_saved(path) for path in _files_in(catalog.parent / _FOLDER)]


def _files_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{_SUFFIX}"))


def check_saved(catalog: Catalog, saved: SavedSelection) -> None:
    """Compare what a saved selection selects in a catalog with what it did when it was saved.

    Raises
    ------
    SourceChanged
        These are not the same items.
    """
    n_items, digest = digest_items(catalog, saved.selection)
    if (n_items, digest) == (saved.n_items, saved.digest):
        return
    is_alike = _files_of(saved.document["catalog"]["files"]) == _files_of(read_provenance(catalog))
    reason = (
        "The catalog is built from files of the same sizes: items were removed from it, or the "
        f"flags mean something else in yfcc {__version__}."
        if is_alike
        else "The catalog is built from other files."
    )
    raise SourceChanged(
        f"selection {saved.name}: expected {saved.n_items:,} items with the digest "
        f"{saved.digest[:16]}…, {catalog.path} gives {n_items:,} with {digest[:16]}…. {reason} "
        "--accept-changed goes on with what it gives."
    )


def _files_of(provenance: list[dict[str, Any]]) -> set[tuple[object, ...]]:
    """What of the files is the same on every machine."""
    return {(each["file"], each["n_bytes"], each["row_limit"]) for each in provenance}
