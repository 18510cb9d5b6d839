"""The codes of a bzip2 block: Huffman codes to symbols, and the move-to-front list to bytes."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.metadata.kernels import compiled

Bytes = npt.NDArray[np.uint8]

_N_GROUPS: Final = 6
_MAX_SYMBOLS: Final = 258
_MAX_CODE_BITS: Final = 20
#: Codes up to this length are found by one look; 0.5 % are longer.
_FAST_BITS: Final = 10
_DAMAGED: Final = -1

_U: Final = np.uint64
_ONE, _EIGHT, _SIXTEEN, _LAST_BYTE, _LOW_BYTE = _U(1), _U(8), _U(16), _U(56), _U(255)
_THREE: Final = _U(3)
#: The lowest 1 to 8 bytes of a word.
_MASKS: Final = np.array([(1 << 8 * (n + 1)) - 1 for n in range(8)], np.uint64)


@compiled
def _bits(buffer: Bytes, bit: int, n_bits: int) -> int:
    """Up to 32 bits from a place."""
    at = bit >> 3
    value = np.int64(buffer[at]) << 32 | np.int64(buffer[at + 1]) << 24
    value |= np.int64(buffer[at + 2]) << 16 | np.int64(buffer[at + 3]) << 8
    value |= np.int64(buffer[at + 4])
    return ((value >> (8 - (bit & 7))) & 0xFFFFFFFF) >> (32 - n_bits)


@compiled
def _read_used(buffer: Bytes, bit: int, used: Bytes) -> tuple[int, int]:
    """The byte values that occur, ascending: their number, and the bit after."""
    sixteens = _bits(buffer, bit, 16)
    bit += 16
    n_used = 0
    for high in range(16):
        if sixteens >> (15 - high) & 1:
            values = _bits(buffer, bit, 16)
            bit += 16
            for low in range(16):
                if values >> (15 - low) & 1:
                    used[n_used] = high << 4 | low
                    n_used += 1
    return n_used, bit


@compiled
def _read_selectors(buffer: Bytes, bit: int, end: int, n_groups: int, selectors: Bytes) -> int:
    """Which code each 50 symbols use, moved to front in unary; the bit after, or damage."""
    recent = np.arange(_N_GROUPS)
    for at in range(len(selectors)):
        depth = 0
        while _bits(buffer, bit, 1):
            depth += 1
            bit += 1
            if depth >= n_groups:
                return _DAMAGED
        bit += 1
        if bit > end:
            return _DAMAGED
        group = recent[depth]
        for behind in range(depth, 0, -1):
            recent[behind] = recent[behind - 1]
        recent[0] = group
        selectors[at] = group
    return bit


@compiled
def _read_lengths(buffer: Bytes, bit: int, end: int, lengths: Bytes) -> int:
    """Lengths of a code's symbols, each told by its difference; the bit after, or damage."""
    length = _bits(buffer, bit, 5)
    bit += 5
    for symbol in range(len(lengths)):
        while _bits(buffer, bit, 1):
            length += -1 if _bits(buffer, bit + 1, 1) else 1
            bit += 2
            if bit > end or length < 1 or length > _MAX_CODE_BITS:
                return _DAMAGED
        bit += 1
        if bit > end or length < 1 or length > _MAX_CODE_BITS:
            return _DAMAGED
        lengths[symbol] = length
    return bit


@compiled
def _make_code(
    lengths: Bytes,
    fast: npt.NDArray[np.uint16],
    limits: npt.NDArray[np.int64],
    bases: npt.NDArray[np.int64],
    symbols: npt.NDArray[np.int64],
) -> bool:
    """Tables of a canonical code; false if it has more codes than there can be.

    Parameters
    ----------
    lengths : n symbols
    fast : 1 << _FAST_BITS
        Symbol and length (5 bits) for each start of a code; 0 where none is so short.
    limits, bases : _MAX_CODE_BITS + 1
        For each length the first number (of ``_MAX_CODE_BITS`` bits) that is longer, and what
        leads from a code to its place in ``symbols``.
    symbols : n symbols
        In order of their codes.
    """
    code = 0
    n_before = 0
    fast[:] = 0
    for length in range(1, _MAX_CODE_BITS + 1):
        bases[length] = n_before - code
        for symbol in range(len(lengths)):
            if lengths[symbol] == length:
                if code >= 1 << length:
                    return False
                symbols[n_before] = symbol
                if length <= _FAST_BITS:
                    first = code << (_FAST_BITS - length)
                    fast[first : first + (1 << (_FAST_BITS - length))] = symbol << 5 | length
                code += 1
                n_before += 1
        limits[length] = code << (_MAX_CODE_BITS - length)
        code <<= 1
    return True


@compiled
def decode_symbols(
    buffer: Bytes, bit: int, end: int, last: Bytes, counts: npt.NDArray[np.int64]
) -> tuple[int, int, int]:
    """From a block's bits to the last column of its sorted rotations.

    Parameters
    ----------
    counts : 256
        Takes how often each byte value occurs.

    Returns
    -------
    n_bytes : int
        Written to ``last``; negative for damage or a randomised block (before 1997).
    origin : int
        The row of the text itself.
    bit : int
        After the block.
    """
    is_randomised = _bits(buffer, bit, 1)
    origin = _bits(buffer, bit + 1, 24)
    used = np.zeros(256, np.uint8)
    n_used, bit = _read_used(buffer, bit + 25, used)
    n_groups = _bits(buffer, bit, 3)
    n_selectors = _bits(buffer, bit + 3, 15)
    bit += 18
    is_sane = n_used > 0 and 2 <= n_groups <= _N_GROUPS and n_selectors > 0
    if is_randomised or not is_sane:
        return _DAMAGED, 0, bit
    selectors = np.empty(n_selectors, np.uint8)
    bit = _read_selectors(buffer, bit, end, n_groups, selectors)
    if bit < 0:
        return _DAMAGED, 0, bit
    fast = np.empty((n_groups, 1 << _FAST_BITS), np.uint16)
    limits = np.zeros((n_groups, _MAX_CODE_BITS + 1), np.int64)
    bases = np.zeros((n_groups, _MAX_CODE_BITS + 1), np.int64)
    symbols = np.zeros((n_groups, _MAX_SYMBOLS), np.int64)
    lengths = np.zeros(n_used + 2, np.uint8)
    for group in range(n_groups):
        bit = _read_lengths(buffer, bit, end, lengths)
        if bit < 0 or not _make_code(
            lengths, fast[group], limits[group], bases[group], symbols[group]
        ):
            return _DAMAGED, 0, bit
    n_bytes, bit = _decode_codes(
        buffer, bit, end, selectors, fast, limits, bases, symbols, used, n_used, last, counts
    )
    if origin >= n_bytes:
        return _DAMAGED, 0, bit
    return n_bytes, origin, bit


@compiled
def _decode_codes(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917 - one loop, all in registers
    buffer: Bytes,
    bit: int,
    end: int,
    selectors: Bytes,
    fast: npt.NDArray[np.uint16],
    limits: npt.NDArray[np.int64],
    bases: npt.NDArray[np.int64],
    symbols: npt.NDArray[np.int64],
    recent: Bytes,
    n_used: int,
    last: Bytes,
    counts: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Codes to symbols to bytes; the number of bytes (or damage), and the bit after."""
    # The 16 most recent values, and behind them the rest of ``recent``.
    near, far = _U(0), _U(0)
    for at in range(8):
        near |= _U(recent[at]) << _U(8 * at)
        far |= _U(recent[8 + at]) << _U(8 * at)
    largest = len(last)
    end_of_block = n_used + 1
    n_bytes = 0
    run, run_weight = 0, 1
    n_groups_read, n_left_in_group = 0, 0
    group = np.int64(selectors[0])
    table = fast[0]
    at_byte = bit >> 3
    ready = np.int64(buffer[at_byte]) & (0xFF >> (bit & 7))
    n_ready = 8 - (bit & 7)
    at_byte += 1
    end_byte = (end + 7) >> 3
    while True:
        if not n_left_in_group:
            if n_groups_read == len(selectors):
                return _DAMAGED, bit
            group = np.int64(selectors[n_groups_read])
            table = fast[group]
            n_groups_read += 1
            n_left_in_group = 50
        n_left_in_group -= 1
        if n_ready < _MAX_CODE_BITS:
            if at_byte > end_byte + 8:
                return _DAMAGED, bit
            word = np.int64(buffer[at_byte]) << 24 | np.int64(buffer[at_byte + 1]) << 16
            word |= np.int64(buffer[at_byte + 2]) << 8 | np.int64(buffer[at_byte + 3])
            ready = (ready & 0xFFFFF) << 32 | word
            at_byte += 4
            n_ready += 32
        found = np.int64(table[(ready >> (n_ready - _FAST_BITS)) & ((1 << _FAST_BITS) - 1)])
        if found:
            n_ready -= found & 31
            symbol = found >> 5
        else:
            code = (ready >> (n_ready - _MAX_CODE_BITS)) & ((1 << _MAX_CODE_BITS) - 1)
            length = _FAST_BITS + 1
            while length <= _MAX_CODE_BITS and code >= limits[group, length]:
                length += 1
            if length > _MAX_CODE_BITS:
                return _DAMAGED, bit
            symbol = symbols[group, bases[group, length] + (code >> (_MAX_CODE_BITS - length))]
            n_ready -= length
        if symbol <= 1:
            run += run_weight << symbol
            run_weight <<= 1
            if run > largest:
                return _DAMAGED, bit
            continue
        if run:
            if n_bytes + run > largest:
                return _DAMAGED, bit
            value = np.uint8(near & _LOW_BYTE)
            for at in range(n_bytes, n_bytes + run):
                last[at] = value
            counts[value] += run
            n_bytes += run
            run, run_weight = 0, 1
        if symbol == end_of_block:
            break
        if n_bytes >= largest:
            return _DAMAGED, bit
        depth = _U(symbol - 1)
        if depth < _EIGHT:
            mask = _MASKS[depth]
            front = (near >> (depth << _THREE)) & _LOW_BYTE
            near = (near & ~mask) | ((near << _EIGHT) & mask) | front
        elif depth < _SIXTEEN:
            depth -= _EIGHT
            mask = _MASKS[depth]
            front = (far >> (depth << _THREE)) & _LOW_BYTE
            far = (far & ~mask) | ((far << _EIGHT | near >> _LAST_BYTE) & mask)
            near = near << _EIGHT | front
        else:
            front = _U(recent[depth])
            while depth > _SIXTEEN:
                recent[depth] = recent[depth - _ONE]
                depth -= _ONE
            recent[16] = far >> _LAST_BYTE
            far = far << _EIGHT | near >> _LAST_BYTE
            near = near << _EIGHT | front
        last[n_bytes] = front
        counts[front] += 1
        n_bytes += 1
    return n_bytes, (at_byte << 3) - n_ready
