"""The definition of words as tables, for the compiled loops."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from yfcc.catalog.text_loops import DENSE, LETTER, SEPARATOR, Folding
from yfcc.catalog.text_tokens import fold_character, is_dense

_N_CODES: Final = 0x110000
_BLANK: Final = 0x20
#: Characters in planes 4 to 14 are not assigned, or are tags, which stand for nothing.
_GAP: Final = (0x40000, 0xE0000)


@functools.cache
def make_folding() -> Folding:
    """What every character becomes, as :func:`yfcc.catalog.text_tokens.fold_character` says."""
    kinds = np.full(_N_CODES, SEPARATOR, np.uint8)
    lengths = np.ones(_N_CODES, np.int32)
    sequence: list[int] = []
    for code in range(_N_CODES):
        if _GAP[0] <= code < _GAP[1]:
            sequence.append(_BLANK)
            continue
        folded = fold_character(chr(code))
        lengths[code] = len(folded)
        for each in folded:
            sequence.append(ord(each))
            if each != " ":
                kinds[ord(each)] = DENSE if is_dense(each) else LETTER
    starts = np.zeros(_N_CODES + 1, np.int32)
    np.cumsum(lengths, out=starts[1:])
    return Folding(kinds, starts, np.array(sequence, np.int32))
