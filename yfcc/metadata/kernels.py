"""Compiling the loops that touch every byte of the metadata.

The standard library's bzip2, NumPy and Arrow pass over the bytes several times, or wait for
memory; one loop over them, written in Python and compiled by Numba, does the work in half the
time, and lets go of the interpreter lock. Compiled code is kept beside the module (or in the
user's cache folder), so only the first run after an install waits for the compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a loop; without the interpreter lock, and without checks of indices.

    Every index that comes from a file has to be checked by the function itself.
    """
    try:
        return cast(F, numba.njit(function, nogil=True, cache=True))
    except RuntimeError:  # nowhere to keep the code: compile it anew in each run
        return cast(F, numba.njit(function, nogil=True))
