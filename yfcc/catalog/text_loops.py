"""Compiled loops: words out of texts, and lists of items out of words.

They do what :mod:`yfcc.catalog.text_tokens` says, which remains the definition; tests compare.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from yfcc.catalog.text_tokens import LONGEST, MOST_JOINED
from yfcc.metadata.kernels import compiled

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

#: Classes of folded characters.
SEPARATOR: Final = 0
LETTER: Final = 1
DENSE: Final = 2
#: Bytes of a folded character in UTF-8, at most.
WIDEST: Final = 4
#: Tokens that one byte of text can make, at most, and bytes of tokens: U+FDFA, three bytes, is
#: four words of 33 bytes in all, and each may stand in a joined tag once more.
MOST_TOKENS: Final = 2
MOST_BYTES: Final = 24
_TITLE: Final = 0
_DESCRIPTION: Final = 1
_TAGS: Final = 2
_N_FIELDS: Final = 3
#: BM25F: weights of title, description and tags, and their usual numbers of words.
_WEIGHTS: Final = (4.0, 1.0, 2.0)
_USUAL: Final = (5.0, 30.0, 10.0)
_LENGTH_PART: Final = 0.5
_SATURATION: Final = 1.2
#: Levels that how well a word describes an item is rounded to: four bits.
N_LEVELS: Final = 16


class Folding(NamedTuple):
    """What every character becomes.

    Attributes
    ----------
    kinds : uint8 array, 0x110000
        Class of a folded character.
    starts : int32 array, 0x110001
        Character c becomes ``sequence[starts[c]:starts[c + 1]]``.
    sequence : int32 array
    """

    kinds: Bytes
    starts: Integers
    sequence: Integers


class Texts(NamedTuple):
    """The texts of n items: of each the title, the description, then its tags.

    Attributes
    ----------
    lines : int64 array, n
        Line numbers, counted from the segment's first.
    rows : int32 array, n + 1
        Item i has the texts ``rows[i]`` to ``rows[i + 1]``, not included.
    offsets : int32 array
        Text t is ``data[offsets[t]:offsets[t + 1]]``, UTF-8.
    data : uint8 array
    """

    lines: Offsets
    rows: Integers
    offsets: Integers
    data: Bytes


class Room(NamedTuple):
    """Arrays that are filled, each larger than what it holds.

    Attributes
    ----------
    slots : int32 array, a power of two
        Hash table: number of a term plus one; 0 is free.
    hashes : uint64 array
        Of each term.
    starts : int64 array
        Term t is ``data[starts[t]:starts[t + 1]]``, folded, UTF-8.
    data : uint8 array
    counts : int32 array, terms x 3
        How often it occurs in the fields of the item at hand; else 0.
    terms, lines : int32 arrays
        A posting: a term and the line of an item that has it, in ascending order of lines.
    levels : uint8 array
        How well the term describes the item, 0 to 15.
    used : int64 array, 3
        Terms, bytes of terms, and postings that there are.
    """

    slots: Integers
    hashes: npt.NDArray[np.uint64]
    starts: Offsets
    data: Bytes
    counts: npt.NDArray[np.int32]
    terms: Integers
    lines: Integers
    levels: Bytes
    used: Offsets


@compiled
def _encode(codes: Integers, n_codes: int, out: Bytes, at: int) -> int:
    """Characters as UTF-8 behind what is there; where they end."""
    for i in range(n_codes):
        code = codes[i]
        if code < 0x80:
            out[at] = code
            at += 1
        elif code < 0x800:
            out[at] = 0xC0 | code >> 6
            out[at + 1] = 0x80 | code & 0x3F
            at += 2
        elif code < 0x10000:
            out[at] = 0xE0 | code >> 12
            out[at + 1] = 0x80 | code >> 6 & 0x3F
            out[at + 2] = 0x80 | code & 0x3F
            at += 3
        else:
            out[at] = 0xF0 | code >> 18
            out[at + 1] = 0x80 | code >> 12 & 0x3F
            out[at + 2] = 0x80 | code >> 6 & 0x3F
            out[at + 3] = 0x80 | code & 0x3F
            at += 4
    return at


@compiled
def _add_token(room: Room, codes: Integers, n_codes: int, field: int, seen: Integers) -> None:
    """Count a token of the item at hand; ``seen[0]`` is the number of its terms, then they come."""
    used = room.used
    n_terms, start = used[0], used[1]
    # It is written where a new term would stand, and stays there if it is one.
    end = _encode(codes, n_codes, room.data, start)
    found = np.uint64(14695981039346656037)
    for at in range(start, end):
        found = (found ^ np.uint64(room.data[at])) * np.uint64(1099511628211)
    found ^= found >> np.uint64(29)
    mask = len(room.slots) - 1
    slot = np.int64(found & np.uint64(mask))
    term = -1
    while room.slots[slot]:
        candidate = room.slots[slot] - 1
        there = room.starts[candidate]
        n_bytes = end - start
        if room.hashes[candidate] == found and room.starts[candidate + 1] - there == n_bytes:
            is_same = True
            for i in range(n_bytes):
                if room.data[there + i] != room.data[start + i]:
                    is_same = False
                    break
            if is_same:
                term = candidate
                break
        slot = (slot + 1) & mask
    if term < 0:
        term = n_terms
        room.slots[slot] = term + 1
        room.hashes[term] = found
        room.starts[term + 1] = end
        for each in range(_N_FIELDS):
            room.counts[term, each] = 0
        used[0] = n_terms + 1
        used[1] = end
    counts = room.counts[term]
    if counts[0] + counts[1] + counts[2] == 0:
        seen[0] += 1
        seen[seen[0]] = term
    counts[field] += 1


@compiled
def _add_text(  # noqa: C901, PLR0912, PLR0915 - one loop, all in registers: in parts, 2.5 x the time
    data: Bytes, folding: Folding, room: Room, field: int, seen: Integers
) -> int:
    """Count the tokens of one text, which is valid UTF-8; how many there are."""
    word = np.empty(LONGEST, np.int32)
    joined = np.empty(LONGEST, np.int32)
    pair = np.empty(2, np.int32)
    n_word = n_joined = n_words = n_tokens = 0
    is_plain = True
    before = -1  # the dense character before, if it was one
    at = 0
    end = len(data)
    while at <= end:
        # One blank more than there is: it ends the last word.
        code = np.int32(0x20)
        if at < end:
            code = np.int32(data[at])
            width = 1
            if code >= 0xF0:
                width = 4
                code &= 0x07
            elif code >= 0xE0:
                width = 3
                code &= 0x0F
            elif code >= 0xC0:
                width = 2
                code &= 0x1F
            for i in range(at + 1, min(at + width, end)):
                code = code << 6 | data[i] & 0x3F
            code = min(code, np.int32(0x10FFFF))
            at += width
        else:
            at += 1
        for place in range(folding.starts[code], folding.starts[code + 1]):
            letter = folding.sequence[place]
            kind = folding.kinds[letter]
            if kind != LETTER and n_word:
                _add_token(room, word, n_word, field, seen)
                n_tokens += 1
                n_words += 1
                n_word = 0
            if kind != DENSE and before >= 0:
                pair[0] = before
                _add_token(room, pair, 1, field, seen)
                n_tokens += 1
                before = -1
            if kind == LETTER:
                if n_word < LONGEST:
                    word[n_word] = letter
                    n_word += 1
                if n_joined < LONGEST:
                    joined[n_joined] = letter
                    n_joined += 1
            elif kind == DENSE:
                is_plain = False
                if before >= 0:
                    pair[0] = before
                    pair[1] = letter
                    _add_token(room, pair, 2, field, seen)
                    n_tokens += 1
                before = letter
    if field == _TAGS and is_plain and 1 < n_words <= MOST_JOINED:
        _add_token(room, joined, n_joined, field, seen)
    return n_tokens


@compiled
def _level(counts: Integers, lengths: npt.NDArray[np.int64]) -> int:
    """How well a term describes an item: BM25F without the rarity of the word."""
    weight = 0.0
    for field in range(_N_FIELDS):
        if counts[field]:
            length = 1 - _LENGTH_PART + _LENGTH_PART * lengths[field] / _USUAL[field]
            weight += _WEIGHTS[field] * counts[field] / length
    return min(int(N_LEVELS * weight / (_SATURATION + weight)), N_LEVELS - 1)


@compiled
def add_items(texts: Texts, folding: Folding, room: Room, first: int, seen: Integers) -> int:
    """Count the words of items, from one on, as long as there is room.

    Returns
    -------
    int
        The first item that was not counted; n if all were.
    """
    used = room.used
    lengths = np.zeros(_N_FIELDS, np.int64)
    for row in range(first, len(texts.lines)):
        n_bytes = np.int64(texts.offsets[texts.rows[row + 1]] - texts.offsets[texts.rows[row]])
        most = MOST_TOKENS * n_bytes + (texts.rows[row + 1] - texts.rows[row])
        if (
            2 * (used[0] + most) > len(room.slots)
            or used[0] + most >= len(room.hashes)
            or used[1] + MOST_BYTES * n_bytes + LONGEST * WIDEST > len(room.data)
            or used[2] + most > len(room.terms)
            or most >= len(seen)
        ):
            return row
        seen[0] = 0
        lengths[:] = 0
        for text in range(texts.rows[row], texts.rows[row + 1]):
            field = min(text - texts.rows[row], _TAGS)
            data = texts.data[texts.offsets[text] : texts.offsets[text + 1]]
            lengths[field] += _add_text(data, folding, room, field, seen)
        for i in range(1, seen[0] + 1):
            term = seen[i]
            place = used[2]
            room.terms[place] = term
            room.lines[place] = texts.lines[row]
            room.levels[place] = _level(room.counts[term], lengths)
            used[2] = place + 1
            room.counts[term, :] = 0
    return len(texts.lines)


@compiled
def rehash(slots: Integers, hashes: npt.NDArray[np.uint64], n_terms: int) -> None:
    """Put terms into a larger, empty hash table."""
    mask = len(slots) - 1
    for term in range(n_terms):
        slot = np.int64(hashes[term] & np.uint64(mask))
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = term + 1


@compiled
def group_by_term(room: Room, n_terms: int) -> tuple[Offsets, Integers, Bytes]:
    """Postings by term, those of a term in ascending order of lines.

    Returns
    -------
    int64 array, n_terms + 1
        Term t has the postings ``starts[t]`` to ``starts[t + 1]``.
    int32 array, uint8 array
        Lines and levels.
    """
    n_postings = room.used[2]
    starts = np.zeros(n_terms + 1, np.int64)
    for i in range(n_postings):
        starts[room.terms[i] + 1] += 1
    for term in range(n_terms):
        starts[term + 1] += starts[term]
    place = starts[:-1].copy()
    lines = np.empty(n_postings, np.int32)
    levels = np.empty(n_postings, np.uint8)
    for i in range(n_postings):
        at = place[room.terms[i]]
        lines[at] = room.lines[i]
        levels[at] = room.levels[i]
        place[room.terms[i]] = at + 1
    return starts, lines, levels


@compiled
def pack(
    order: Offsets, starts: Offsets, lines: Integers, levels: Bytes
) -> tuple[Offsets, Bytes, Offsets, Bytes]:
    """Lists of items, packed, for terms in some order.

    Lines as the difference to the one before (the first to -1), less one, seven bits a byte, the
    lowest first, the highest bit set in all but the last; levels two a byte, the first low.

    Returns
    -------
    int64 array, n + 1; uint8 array
        Where the lines of each term lie, and they.
    int64 array, n + 1; uint8 array
        The same of the levels.
    """
    n_terms = len(order)
    line_starts = np.zeros(n_terms + 1, np.int64)
    level_starts = np.zeros(n_terms + 1, np.int64)
    line_data = np.empty(5 * len(lines), np.uint8)
    level_data = np.empty((len(lines) + n_terms + 1) // 2 + n_terms, np.uint8)
    at = level_at = np.int64(0)
    for i in range(n_terms):
        term = order[i]
        before = np.int64(-1)
        for place in range(starts[term], starts[term + 1]):
            gap = np.int64(lines[place]) - before - 1
            before = np.int64(lines[place])
            while gap >= 0x80:
                line_data[at] = 0x80 | gap & 0x7F
                gap >>= 7
                at += 1
            line_data[at] = gap
            at += 1
            if (place - starts[term]) & 1:
                level_data[level_at] |= levels[place] << 4
                level_at += 1
            else:
                level_data[level_at] = levels[place]
        level_at += (starts[term + 1] - starts[term]) & 1
        line_starts[i + 1] = at
        level_starts[i + 1] = level_at
    return line_starts, line_data[:at].copy(), level_starts, level_data[:level_at].copy()
