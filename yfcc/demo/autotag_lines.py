"""Lines of the autotags file."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from yfcc.demo.draws import CAT_ROWS, ChunkDraws, Stream
from yfcc.demo.tables.concepts import GENERAL_CONCEPTS, MAX_CONCEPTS, THEME_CONCEPTS

#: (share) of all items without an autotag: 4,307,331 of 100,000,000.
_EMPTY_SHARE: Final = 0.0430733
#: Sets of concepts a theme has; a row takes one of them and draws its scores.
_N_SETS: Final = 600
_N_SCORES: Final = 12
_SET_SEED: Final = 7
#: One set in so many has all the concepts an item may have.
_LARGEST_SET_AT: Final = 300

_CAT: Final = re.compile(r"(^|,)cat:")

#: The classifier's scores: 0.5000 to 1.0000 in steps of a thousandth.
_SCORES: Final = tuple(f"{thousandth / 1000:.4f}" for thousandth in range(500, 1001))


def autotag_values(draws: ChunkDraws, n_rows: int) -> list[str]:
    """``concept:score,…`` sorted by concept; some are empty."""
    rng = draws.stream(Stream.AUTOTAGS)
    n_draws = len(draws.photo_id)
    sets = concept_sets()
    picks = draws.theme * _N_SETS + rng.integers(0, _N_SETS, n_draws)
    empty = rng.random(n_draws) < _EMPTY_SHARE
    with_cat = _sets_with_cat()
    picks[CAT_ROWS] = with_cat[picks[CAT_ROWS] % len(with_cat)]
    empty[CAT_ROWS] = False
    # The square root of nothing in particular: high scores are more frequent than low ones.
    scores = (500 * (1 - rng.random((n_draws, _N_SCORES)) ** 1.4)).astype(np.int64)
    return [
        sets[pick].format(*[_SCORES[score] for score in row])
        for pick, row in zip(
            np.where(empty, len(sets) - 1, picks)[:n_rows].tolist(),
            scores[:n_rows].tolist(),
            strict=True,
        )
    ]


@cache
def _sets_with_cat() -> npt.NDArray[np.int64]:
    """Indices of the sets that have a cat."""
    return np.array([index for index, text in enumerate(concept_sets()) if _CAT.search(text)])


@cache
def concept_sets() -> list[str]:
    """Templates of the rows, ``beach:{0},boat:{3},…``; the last one is empty.

    Concepts of one group share a score. The same in every process.
    """
    rng = np.random.Generator(np.random.PCG64(_SET_SEED))
    sets = []
    for theme in range(len(THEME_CONCEPTS)):
        sets += [_draw_set(rng, theme, index) for index in range(_N_SETS)]
    return [*sets, ""]


def _draw_set(rng: np.random.Generator, theme: int, index: int) -> str:
    groups = THEME_CONCEPTS[theme]
    score_of: dict[str, int] = {}
    n_groups = min(int(rng.geometric(0.34)), len(groups))
    chosen = [0, *(1 + rng.permutation(len(groups) - 1)[: n_groups - 1]).tolist()]
    for score, group in enumerate(chosen):
        for concept in groups[group][: 4 if rng.random() < 0.7 else 1]:
            score_of.setdefault(concept, score % _N_SCORES)
    n_general = int(rng.geometric(0.5)) - 1
    if index == _LARGEST_SET_AT:
        n_general = MAX_CONCEPTS - len(score_of)
    for concept in rng.permutation(len(GENERAL_CONCEPTS)).tolist():
        if n_general <= 0:
            break
        if GENERAL_CONCEPTS[concept] not in score_of:
            score_of[GENERAL_CONCEPTS[concept]] = int(rng.integers(0, _N_SCORES))
            n_general -= 1
    # Sorted as text with the score, as the true file is: "black background:" before "black:".
    return ",".join(sorted(f"{concept}:{{{score}}}" for concept, score in score_of.items()))
