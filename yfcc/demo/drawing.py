"""Draws many pictures and clips, in several processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from yfcc.demo.pictures import draw_picture

#: Below so many, starting processes takes longer than drawing.
_WORTH_PROCESSES: Final = 300
_TASKS_PER_BATCH: Final = 40


@dataclass(frozen=True)
class DrawTask:
    """One file to draw.

    Attributes
    ----------
    photo_id : int
    theme : str
    extension : str
        ``mp4`` for a clip, else of a picture.
    path : Path
        Where it goes; its directory is made.
    """

    photo_id: int
    theme: str
    extension: str
    path: Path


@contextmanager
def draw_all(tasks: list[DrawTask], n_workers: int | None = None) -> Iterator[None]:
    """Draw while the body of the ``with`` runs; at its end all files are there."""
    n_processes = min(n_workers or os.cpu_count() or 1, len(tasks) // _TASKS_PER_BATCH + 1)
    if n_processes == 1 or len(tasks) < _WORTH_PROCESSES:
        draw_batch(tasks)
        yield
        return
    # Spawned, not forked: the caller may have threads.
    with ProcessPoolExecutor(n_processes, mp_context=get_context("spawn")) as pool:
        batches: list[Future[None]] = [
            pool.submit(draw_batch, tasks[first : first + _TASKS_PER_BATCH])
            for first in range(0, len(tasks), _TASKS_PER_BATCH)
        ]
        yield
        for batch in batches:
            batch.result()


def draw_batch(tasks: list[DrawTask]) -> None:
    """Draw and write some files."""
    for task in tasks:
        if task.extension == "mp4":
            # PyAV takes a while to import and few items are videos.
            from yfcc.demo.clips import draw_clip  # noqa: PLC0415

            media = draw_clip(task.photo_id, task.theme)
        else:
            media = draw_picture(task.photo_id, task.theme, task.extension)
        task.path.parent.mkdir(parents=True, exist_ok=True)
        task.path.write_bytes(media)
