"""Lines of the places file."""

from __future__ import annotations

from typing import Final

from yfcc.demo.draws import ChunkDraws, Stream
from yfcc.demo.localities import N_CELLS, landmarks, localities

_LANDMARK_SHARE: Final = 0.6


def place_values(draws: ChunkDraws, n_rows: int) -> list[str]:
    """``woeid:Name:Type,…`` fine to coarse and the time zone last; empty without a geotag."""
    rng = draws.stream(Stream.PLACES)
    table, finest = localities(), landmarks()
    picks = rng.integers(0, len(finest), len(draws.photo_id)).tolist()
    marked = (rng.random(len(draws.photo_id)) < _LANDMARK_SHARE).tolist()
    return [
        f"{finest[pick] + ',' if mark else ''}{table.suburb[index]},{table.chain[index // N_CELLS]}"
        if index >= 0
        else ""
        for index, pick, mark in zip(draws.locality[:n_rows].tolist(), picks, marked, strict=False)
    ]
