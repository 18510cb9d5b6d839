"""Looking at a running command from outside: memory of its processes, disk, CPU by thread.

Everything comes from ``/proc``; where there is none, the figures are 0 and the tables empty.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_EVERY_S: Final = 0.02
#: Directories are walked less often: it costs the machine something.
_WALKS_EVERY: Final = 10
#: One size in so many is kept: one a second.
_KEPT_EVERY: Final = 50
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Sampler:
    """Looks at a process and its children until :meth:`finish`.

    Attributes
    ----------
    pid : int
    directory : Path, optional
        Whose size is watched.
    peak_bytes : int
        Largest sum of the processes' resident sizes; pages they share count for each.
    peak_disk_bytes : int
        Largest size of the directory, less what it had at the start.
    resident_bytes : list of int
        That sum, once a second.
    cpu_s : dict of tuple of int and str to float
        CPU seconds of every thread of the process itself, by id and name; a thread called like
        the process has no name of its own.
    """

    pid: int
    directory: Path | None = None
    peak_bytes: int = 0
    peak_disk_bytes: int = 0
    cpu_s: dict[tuple[int, str], float] = field(default_factory=dict)
    resident_bytes: list[int] = field(default_factory=list)
    _is_done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def finish(self) -> None:
        """Stop looking."""
        self._is_done.set()
        self._thread.join()

    def _watch(self) -> None:
        at_start = _disk_bytes(self.directory)
        n_looks = 0
        while not self._is_done.wait(_EVERY_S):
            resident = sum(map(_resident_bytes, _tree(self.pid)))
            self.peak_bytes = max(self.peak_bytes, resident)
            if n_looks % _KEPT_EVERY == 0:
                self.resident_bytes.append(resident)
            self.cpu_s.update(_thread_cpu(self.pid))
            n_looks += 1
            if n_looks % _WALKS_EVERY == 1:
                used = _disk_bytes(self.directory) - at_start
                self.peak_disk_bytes = max(self.peak_disk_bytes, used)
        used = _disk_bytes(self.directory) - at_start
        self.peak_disk_bytes = max(self.peak_disk_bytes, used)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in _listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _listed(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:
        return []


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def _thread_cpu(pid: int) -> Iterator[tuple[tuple[int, str], float]]:
    for task in _listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            # The name stands in parentheses and may hold some itself.
            head, _, rest = (task / "stat").read_text().rpartition(")")
            ticks = sum(map(int, rest.split()[11:13]))
            yield (int(task.name), head.partition("(")[2]), ticks / _TICKS_PER_S


def _disk_bytes(directory: Path | None) -> int:
    n_bytes = 0
    if directory is not None:
        for path in directory.rglob("*"):
            with contextlib.suppress(OSError):
                n_bytes += path.lstat().st_blocks * 512
    return n_bytes
