"""Windows of unique ids: the set that tells them apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from yfcc.catalog.windows import SeenIds

#: Around the edges of the halves that ids are kept by, and of what is near.
_EDGES = [1, 2**32 - 1, 2**32, 2**32 + 1, 2**36 - 1, 2**36, 2**63 - 1]
_IDS = st.one_of(st.sampled_from(_EDGES), st.integers(1, 2**63 - 1), st.integers(1, 50))


@given(st.lists(st.lists(_IDS, max_size=30), max_size=8))
def test_ids_that_were_there_before_come_back_and_no_others(batches: list[list[int]]) -> None:
    seen = SeenIds()
    before: set[int] = set()
    for batch in batches:
        known = seen.add(np.sort(np.array(batch, np.int64)))
        assert sorted(known.tolist()) == sorted(before & set(batch))
        before |= set(batch)


def test_nothing_comes_back_of_nothing() -> None:
    assert SeenIds().add(np.zeros(0, np.int64)).dtype == np.int64
