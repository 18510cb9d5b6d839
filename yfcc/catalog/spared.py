"""What a long run spares itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def modules_spared() -> Iterator[None]:
    """Keep the garbage collector from looking at what lives as long as the process anyway."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
