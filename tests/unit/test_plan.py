"""Waves: a small one first, then as few as can wait on disk."""

from __future__ import annotations

from yfcc.mirror.plan import ITEMS_A_WAVE, ITEMS_OF_FIRST_WAVE, plan_download


def test_the_first_wave_is_small_and_the_others_are_few() -> None:
    counts = dict.fromkeys(range(4096), 24_414)  # a hundred million
    plan = plan_download(counts)
    sizes = [sum(counts[shard] for shard in wave) for wave in plan.waves]
    assert sum(sizes) == plan.n_selected == 4096 * 24_414
    assert sizes[0] <= ITEMS_OF_FIRST_WAVE
    assert all(size <= ITEMS_A_WAVE for size in sizes[1:])
    assert len(sizes) <= 2 + plan.n_selected / (ITEMS_A_WAVE - 24_414)
    assert [shard for wave in plan.waves for shard in wave] == list(range(4096))
