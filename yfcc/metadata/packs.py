"""Rows of the packs: ``id<TAB>value``, the value a comma list of pairs or triples."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.metadata.columns import ID_REASON, Rows, parse_ids, split_rows
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import LineChunk, Reject
from yfcc.metadata.text import (
    as_lists,
    as_maps,
    column_bytes,
    count_commas,
    mark_rows,
    string_column,
)
from yfcc.metadata.text_loops import decode_pairs, split_places, split_scores

#: Columns of every pack.
COLUMNS: Final = ("photo_id", "value")

#: Kinds of the parsed values, as the catalog keeps them.
PLACE_KIND: Final = pa.struct([("woeid", pa.int64()), ("name", pa.string()), ("type", pa.string())])
VALUE_KINDS: Final = {
    Pack.AUTOTAGS: pa.map_(pa.string(), pa.float32()),
    Pack.EXIF: pa.map_(pa.string(), pa.string()),
    Pack.PLACES: pa.list_(PLACE_KIND),
    Pack.HASH: pa.string(),
}
_SCORE_FORM: Final = re.compile(rb"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\Z")
_LARGEST_SCORE: Final = float(np.finfo(np.float32).max)
_HASH_FORM: Final = r"\A[0-9a-f]{16,32}\z"


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Values of one chunk, where they could not be parsed, and where they say not all."""

    values: pa.Array
    is_bad: npt.NDArray[np.bool_]
    reason: str
    is_odd: npt.NDArray[np.bool_]


def parse_pack(chunk: LineChunk, pack: Pack) -> tuple[Rows, list[Reject]]:
    """Rows of a pack, ready for the join.

    Parameters
    ----------
    chunk : LineChunk
    pack : Pack

    Returns
    -------
    Rows
        ``table`` has ``photo_id`` (int64) and ``value``: a map of concept to score, a map of
        ``Category.Tag`` to text, a list of places, or a hash. Null where the value is empty.
    list of Reject
    """
    rejects: list[Reject] = []
    if chunk.long_line:
        rejects.append(chunk.long_line)
        chunk = replace(chunk, data=b"", n_lines=0, long_line=None)
    rows, wrong = split_rows(chunk, COLUMNS)
    rejects += wrong
    ids, is_id = parse_ids(rows.raw["photo_id"])
    raw_values = rows.raw["value"].combine_chunks()
    if isinstance(raw_values, pa.ChunkedArray):
        raw_values = pa.concat_arrays(raw_values.chunks or [pa.array([], pa.binary())])
    parsed = _PARSERS[pack](raw_values)
    for row in np.flatnonzero(~is_id | parsed.is_bad).tolist():
        rejects.append(rows.reject(row, parsed.reason if is_id[row] else ID_REASON))
    table = pa.table({"photo_id": pa.array(ids), "value": parsed.values})
    result = replace(rows, table=table, is_odd=parsed.is_odd)
    if rejects:
        result = result.kept(is_id & ~parsed.is_bad)
    return result, sorted(rejects, key=lambda reject: reject.line_number)


def _parse_autotags(column: pa.BinaryArray) -> _Parsed:
    """``concept:score,…``; concepts are raw text, the score follows the last colon."""
    offsets, data = column_bytes(column)
    is_odd = np.zeros(len(column), np.bool_)
    rows, concept_offsets, concepts, scores, is_bad, is_suspect = split_scores(
        offsets, data, count_commas(data), is_odd
    )
    for row in np.flatnonzero(is_bad).tolist():
        others = _scores_of(column[row].as_py())
        if others:
            scores[rows[row] : rows[row + 1]] = others
            is_bad[row] = False
    names = string_column(concept_offsets, concepts, empty_is_null=False)
    suspects = np.flatnonzero(is_suspect)
    values, merged = _as_maps(rows, names, pa.array(scores), suspects, lambda scores: scores[0])
    is_odd[merged] = True
    return _Parsed(values, is_bad, "autotags: expected concept:score pairs between commas", is_odd)


def _scores_of(value: bytes) -> list[float] | None:
    """Scores of any form, like ``1e-3``; None if one is no finite number."""
    texts = [piece.rpartition(b":") for piece in value.split(b",")]
    if not all(colon and _SCORE_FORM.match(text) for _, colon, text in texts):
        return None
    scores = [float(text) for _, _, text in texts]
    return scores if max(scores) <= _LARGEST_SCORE else None


def _parse_exif(column: pa.BinaryArray) -> _Parsed:
    """``Category.Tag:Value,…``, each encoded, with one raw colon a piece."""
    offsets, data = column_bytes(column)
    is_odd = np.zeros(len(column), np.bool_)
    rows, key_offsets, keys, text_offsets, texts, is_bad, is_suspect = decode_pairs(
        offsets, data, count_commas(data), is_odd
    )
    replaced: list[int] = []
    tags = string_column(key_offsets, keys, empty_is_null=False, replaced=replaced)
    values = string_column(text_offsets, texts, empty_is_null=False, replaced=replaced)
    mark_rows(is_odd, rows, replaced)
    if not keys.tobytes().isascii():
        is_suspect[:] = True  # two keys of invalid bytes can become one once they are replaced
    found, merged = _as_maps(rows, tags, values, np.flatnonzero(is_suspect), "\n".join)
    is_odd[merged] = True
    return _Parsed(found, is_bad, "exif: expected Category.Tag:Value pairs between commas", is_odd)


def _parse_places(column: pa.BinaryArray) -> _Parsed:
    """``woeid:Name:Type,…``; the name encoded, the type raw."""
    offsets, data = column_bytes(column)
    is_odd = np.zeros(len(column), np.bool_)
    rows, woeids, name_offsets, names, type_offsets, types, is_bad = split_places(
        offsets, data, count_commas(data), is_odd
    )
    replaced: list[int] = []
    decoded = string_column(name_offsets, names, empty_is_null=False, replaced=replaced)
    mark_rows(is_odd, rows, replaced)
    places = pa.StructArray.from_arrays(
        [
            pa.array(woeids),
            decoded,
            string_column(type_offsets, types, empty_is_null=False),
        ],
        fields=list(PLACE_KIND),
    )
    reason = "places: expected woeid:Name:Type triples between commas"
    return _Parsed(as_lists(rows, places), is_bad, reason, is_odd)


def _parse_hash(column: pa.BinaryArray) -> _Parsed:
    """The hash itself."""
    text = pc.cast(column, pa.string())
    is_empty = pc.equal(text, "")
    is_form = pc.or_(is_empty, pc.match_substring_regex(text, _HASH_FORM))
    values = pc.if_else(is_empty, pa.scalar(None, pa.string()), text)
    is_bad = ~is_form.to_numpy(zero_copy_only=False)
    is_odd = np.zeros(len(column), np.bool_)
    return _Parsed(values, is_bad, "hash: expected 16 to 32 lower-case hex digits", is_odd)


_PARSERS: Final[dict[Pack, Callable[[pa.BinaryArray], _Parsed]]] = {
    Pack.AUTOTAGS: _parse_autotags,
    Pack.EXIF: _parse_exif,
    Pack.PLACES: _parse_places,
    Pack.HASH: _parse_hash,
}


def _as_maps(
    rows: npt.NDArray[np.int32],
    keys: pa.StringArray,
    values: pa.Array,
    suspects: npt.NDArray[np.int64],
    merge: Callable[[list[Any]], Any],
) -> tuple[pa.MapArray, list[int]]:
    """Maps in which a key stands once; ``merge`` makes one value of those of a recurring key.

    Parameters
    ----------
    rows : int32 array, n + 1
        Where each row's pieces start.
    keys, values : one a piece
    suspects : rows in which a key may recur

    Returns
    -------
    pa.MapArray
    list of int
        Rows in which a key did recur.
    """
    maps = as_maps(rows, keys, values)
    parts, merged_rows, begin = [], [], 0
    for row in suspects.tolist():
        pairs = maps[row].as_py()
        by_key: dict[str, list[Any]] = {}
        for key, value in pairs:
            by_key.setdefault(key, []).append(value)
        if len(by_key) < len(pairs):
            merged = [(key, merge(group)) for key, group in by_key.items()]
            parts += [maps.slice(begin, row - begin), pa.array([merged], maps.type)]
            merged_rows.append(row)
            begin = row + 1
    if parts:
        maps = pa.concat_arrays([*parts, maps.slice(begin)])
    return maps, merged_rows
