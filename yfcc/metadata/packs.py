"""Rows of the packs: ``id<TAB>value``, the value a comma list of pairs or triples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yfcc.metadata.columns import ID_REASON, Rows, byte_set, has_only, parse_ids, split_rows
from yfcc.metadata.layouts import Pack
from yfcc.metadata.lines import LineChunk, Reject
from yfcc.metadata.text import SplitList, column_bytes, decode_form, split_list, split_pairs

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
#: Cells of the table that counts keys by row; beyond it sorting is cheaper in memory.
_LARGEST_COUNT_TABLE: Final = 8_000_000
_POINT: Final = ord(".")
_NUMBER_BYTES: Final = byte_set("0123456789.")
_SCORE_FORM: Final = r"\A[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\z"
_WOEID_FORM: Final = r"\A[0-9]{1,18}\z"
_HASH_FORM: Final = r"\A[0-9a-f]{16,32}\z"


@dataclass(frozen=True, slots=True)
class _Parsed:
    """Values of one chunk, and where they could not be parsed."""

    values: pa.Array
    is_bad: npt.NDArray[np.bool_]
    reason: str


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
    result = Rows(rows.file, table, rows.line_numbers, rows.byte_offsets, rows.raw)
    if rejects:
        result = result.kept(is_id & ~parsed.is_bad)
    return result, sorted(rejects, key=lambda reject: reject.line_number)


def _parse_autotags(column: pa.BinaryArray) -> _Parsed:
    """``concept:score,…``; concepts are raw text, the score follows the last colon."""
    pieces = split_list(column)
    concepts, scores, has_colon = split_pairs(pieces.values, at_last=True)
    numbers, is_number = _cast_all(scores, pa.float32(), _SCORE_FORM)
    is_number &= np.isfinite(numbers.to_numpy(zero_copy_only=False))
    is_bad = _any_piece(pieces, ~(has_colon & is_number))
    keys = pc.cast(concepts, pa.string()).dictionary_encode()
    values = _as_maps(pieces, keys, numbers, lambda scores: scores[0])
    return _Parsed(values, is_bad, "autotags: expected concept:score pairs between commas")


def _parse_exif(column: pa.BinaryArray) -> _Parsed:
    """``Category.Tag:Value,…``, each encoded, with one raw colon a piece."""
    pieces = split_list(column)
    tags, texts, has_colon = split_pairs(pieces.values, at_last=False)
    values = _decode_repeated(texts)
    is_bad = _any_piece(pieces, ~has_colon)
    found = _as_maps(
        pieces, _decode_repeated(tags), values.dictionary.take(values.indices), "\n".join
    )
    return _Parsed(found, is_bad, "exif: expected Category.Tag:Value pairs between commas")


def _parse_places(column: pa.BinaryArray) -> _Parsed:
    """``woeid:Name:Type,…``; the name encoded, the type raw."""
    pieces = split_list(column)
    woeids, rest, has_colon = split_pairs(pieces.values, at_last=False)
    names, types, has_type = split_pairs(rest, at_last=True)
    numbers, is_number = _cast_all(woeids, pa.int64(), _WOEID_FORM)
    places = pa.StructArray.from_arrays(
        [numbers, pc.fill_null(decode_form(names), ""), pc.cast(types, pa.string())],
        fields=list(PLACE_KIND),
    )
    is_bad = _any_piece(pieces, ~(has_colon & has_type & is_number))
    reason = "places: expected woeid:Name:Type triples between commas"
    return _Parsed(pieces.with_values(places), is_bad, reason)


def _parse_hash(column: pa.BinaryArray) -> _Parsed:
    """The hash itself."""
    text = pc.cast(column, pa.string())
    is_empty = pc.equal(text, "")
    is_form = pc.or_(is_empty, pc.match_substring_regex(text, _HASH_FORM))
    values = pc.if_else(is_empty, pa.scalar(None, pa.string()), text)
    is_bad = ~is_form.to_numpy(zero_copy_only=False)
    return _Parsed(values, is_bad, "hash: expected 16 to 32 lower-case hex digits")


_PARSERS: Final[dict[Pack, Callable[[pa.BinaryArray], _Parsed]]] = {
    Pack.AUTOTAGS: _parse_autotags,
    Pack.EXIF: _parse_exif,
    Pack.PLACES: _parse_places,
    Pack.HASH: _parse_hash,
}


def _any_piece(pieces: SplitList, is_bad: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """For every row, whether a mask over its pieces is true anywhere."""
    if not is_bad.any():
        return np.zeros(len(pieces.is_there), np.bool_)
    n_bad = np.concatenate(([0], np.cumsum(is_bad)))
    found: npt.NDArray[np.bool_] = n_bad[pieces.offsets[1:]] > n_bad[pieces.offsets[:-1]]
    return found


def _cast_all(
    pieces: pa.BinaryArray, kind: pa.DataType, form: str
) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Numbers, 0 where the text is none; and where it is one."""
    text = pc.cast(pieces, pa.string())
    if has_only(pieces, _NUMBER_BYTES):
        try:
            numbers = pc.cast(text, kind)
        except pa.ArrowInvalid:
            pass  # one of them is of another form: find it
        else:
            # Without a sign or exponent the cast and the form still differ by ".5" and "5.".
            is_plain: npt.NDArray[np.bool_] = ~_touches_point(pieces)
            if is_plain.all():
                return numbers, is_plain
    matches = pc.match_substring_regex(text, form)
    is_number: npt.NDArray[np.bool_] = matches.to_numpy(zero_copy_only=False)
    numbers = pc.cast(pc.if_else(matches, text, "0"), kind)
    return numbers, is_number


def _touches_point(pieces: pa.BinaryArray) -> npt.NDArray[np.bool_]:
    """Where a value starts or ends with a point, or is empty."""
    offsets, data = column_bytes(pieces)
    is_empty: npt.NDArray[np.bool_] = np.diff(offsets) == 0
    if not len(data):
        return is_empty
    first = data[np.minimum(offsets[:-1], len(data) - 1)]
    last = data[np.maximum(offsets[1:] - 1, 0)]
    touches: npt.NDArray[np.bool_] = is_empty | (first == _POINT) | (last == _POINT)
    return touches


def _decode_repeated(column: pa.BinaryArray) -> pa.DictionaryArray:
    """Decode a column in which values recur: each different value once."""
    encoded = column.dictionary_encode()
    decoded = pc.fill_null(decode_form(encoded.dictionary), "")
    # Two spellings of one text ("+" and "%20") become one.
    unique = decoded.dictionary_encode()
    return pa.DictionaryArray.from_arrays(unique.indices.take(encoded.indices), unique.dictionary)


def _recurring(pieces: SplitList, codes: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Rows in which a key stands more than once; ``codes`` number the keys of all pieces."""
    if not len(codes):
        return np.zeros(0, np.int64)
    n_codes = int(codes.max()) + 1
    row_of = np.repeat(np.arange(len(pieces.offsets) - 1), np.diff(pieces.offsets))
    if n_codes * len(pieces.offsets) <= _LARGEST_COUNT_TABLE:
        n_times = np.bincount(row_of * n_codes + codes)
        return np.unique(np.flatnonzero(n_times > 1) // n_codes)
    keyed = np.sort(row_of * n_codes + codes)
    return np.unique(keyed[1:][np.diff(keyed) == 0] // n_codes)


def _as_maps(
    pieces: SplitList,
    keys: pa.DictionaryArray,
    values: pa.Array,
    merge: Callable[[list[Any]], object],
) -> pa.MapArray:
    """Maps in which a key stands once; ``merge`` makes one value of those of a recurring key."""
    codes = keys.indices.to_numpy()
    names = keys.dictionary.take(keys.indices)
    rows = _recurring(pieces, codes)
    if not len(rows):
        return pieces.with_pairs(names, values)
    kept, merged = _merge_rows(pieces.offsets, rows, codes)
    changed = pa.array(
        [merge(values.take(pa.array(group)).to_pylist()) for group in merged], values.type
    )
    is_changed = np.zeros(len(values), np.bool_)
    is_changed[[group[0] for group in merged]] = True
    values = pc.replace_with_mask(values, pa.array(is_changed), changed)
    n_kept = np.concatenate(([0], np.cumsum(kept)))
    fewer = SplitList(n_kept[pieces.offsets].astype(np.int32), pieces.values, pieces.is_there)
    mask = pa.array(kept)
    return fewer.with_pairs(names.filter(mask), values.filter(mask))


def _merge_rows(
    offsets: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], codes: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.bool_], list[list[int]]]:
    """Which pieces stay, and which groups of pieces become one, in order; few rows need it."""
    kept = np.ones(len(codes), np.bool_)
    groups: list[list[int]] = []
    for row in rows.tolist():
        first = int(offsets[row])
        by_code: dict[int, list[int]] = {}
        for piece, code in enumerate(codes[first : int(offsets[row + 1])].tolist(), first):
            by_code.setdefault(code, []).append(piece)
        for group in by_code.values():
            if len(group) > 1:
                groups.append(group)
                kept[group[1:]] = False
    return kept, sorted(groups)
