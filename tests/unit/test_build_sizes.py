"""What a build holds in memory, by what it may take."""

from __future__ import annotations

import pytest

from yfcc.catalog.settings import BATCH_ROWS, DEFAULT_MEMORY_BYTES, BuildSizes


def test_the_default_limit_has_the_default_sizes() -> None:
    assert BuildSizes.within(DEFAULT_MEMORY_BYTES) == BuildSizes()
    assert BuildSizes.within(4 * DEFAULT_MEMORY_BYTES) == BuildSizes()


@pytest.mark.parametrize("memory_mb", [256, 512, 700, 900, 1200])
def test_less_memory_has_smaller_buffers_and_the_same_transactions(memory_mb: int) -> None:
    sizes = BuildSizes.within(memory_mb * 10**6)
    assert sizes.chunk_bytes < BuildSizes().chunk_bytes
    assert sizes.window_rows < BuildSizes().window_rows
    assert sizes.slack_rows < BuildSizes().slack_rows
    assert sizes.batch_rows == BATCH_ROWS
    assert BATCH_ROWS % sizes.window_rows == 0  # or row groups would be cut
    more = BuildSizes.within(memory_mb * 2 * 10**6)
    assert more.chunk_bytes >= sizes.chunk_bytes
