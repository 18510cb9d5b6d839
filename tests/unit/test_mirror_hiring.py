"""Few workers while the process is busy, all that are allowed while it waits."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.fakes.mirror_checks import download
from tests.fakes.mirror_items import FakeAcquire, make_items
from yfcc.mirror.hiring import N_FIRST, Hiring, WorkClock, decide_more
from yfcc.model import Item


class Machine(WorkClock):
    """A process whose CPU time and clock are set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_s = 0.0
        self.asking_s = 0.0
        self.now_s = 0.0
        self.n_hired = 0

    def total_cpu_s(self) -> float:
        return self.cpu_s

    def total_asking_s(self) -> float:
        return self.asking_s

    def hire(self) -> None:
        self.n_hired += 1

    def start(self, n_most: int) -> Hiring:
        return Hiring(self.hire, n_most, self, lambda: self.now_s)

    def let_pass(
        self, hiring: Hiring, busy_cores: float, *, asking: float = 1.0, has_work: bool = True
    ) -> int:
        """Workers so far, after a tenth of a second; ``asking`` is the share that was."""
        self.now_s += 0.1
        self.cpu_s += 0.1 * busy_cores
        self.asking_s += 0.1 * asking * self.n_hired
        hiring.look(has_work=has_work)
        return self.n_hired


@pytest.mark.parametrize(
    ("n_workers", "n_most", "busy_cores", "n_asking", "n_more"),
    [
        (4, 32, 0.1, 4.0, 28),
        (4, 32, 0.0, 4.0, 28),
        (4, 32, 0.4, 3.0, 5),
        (4, 32, 0.8, 3.0, 1),
        (4, 32, 1.2, 4.0, 0),
        (4, 32, 0.1, 1.9, 0),  # they wait for the disk
        (20, 32, 0.0, 20.0, 12),
        (32, 32, 0.0, 32.0, 0),
        (1, 1, 0.0, 1.0, 0),
    ],
)
def test_as_many_workers_are_added_as_keep_a_core_busy(
    n_workers: int, n_most: int, busy_cores: float, n_asking: float, n_more: int
) -> None:
    assert decide_more(n_workers, n_most, busy_cores, n_asking) == n_more


def test_a_waiting_process_soon_has_all_its_workers() -> None:
    machine = Machine()
    hiring = machine.start(32)
    found = [machine.n_hired] + [machine.let_pass(hiring, 0.2) for _ in range(2)]
    assert found == [N_FIRST, 17, 32]


def test_a_busy_process_gets_no_more_until_it_waits() -> None:
    machine = Machine()
    hiring = machine.start(32)
    found = [machine.let_pass(hiring, busy) for busy in (1.1, 1.1, 0.2, 1.1)]
    assert found == [N_FIRST, N_FIRST, 17, 17]


def test_workers_that_wait_for_the_disk_get_no_company() -> None:
    machine = Machine()
    hiring = machine.start(32)
    slow = [machine.let_pass(hiring, 0.2, asking=0.1) for _ in range(3)]
    assert [*slow, machine.let_pass(hiring, 0.2)] == [N_FIRST] * 3 + [17]


def test_workers_that_wait_for_the_catalog_get_no_company() -> None:
    machine = Machine()
    hiring = machine.start(32)
    idle = [machine.let_pass(hiring, 0.0, has_work=False) for _ in range(3)]
    # And the time they had nothing to do does not count later.
    assert [*idle, machine.let_pass(hiring, 1.0)] == [N_FIRST] * 4


def test_the_work_clock_adds_up_threads_that_note() -> None:
    clock = WorkClock()
    both_done = threading.Barrier(2)

    def work() -> None:
        end_s = time.thread_time() + 0.02
        while time.thread_time() < end_s:
            pass
        clock.note()
        both_done.wait(timeout=10.0)  # a number of a thread that ended may be given again

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.04 <= clock.total_cpu_s() < 10.0


def test_the_work_clock_adds_up_what_is_asked_and_what_is_under_way() -> None:
    now_s = [100.0]
    clock = WorkClock(lambda: now_s[0])
    clock.begin_asking()
    now_s[0] = 103.0
    assert clock.total_asking_s() == 3.0
    clock.end_asking()
    now_s[0] = 110.0
    assert clock.total_asking_s() == 3.0
    clock.begin_asking()
    now_s[0] = 111.0
    assert clock.total_asking_s() == 4.0


def test_no_more_workers_than_are_allowed() -> None:
    machine = Machine()
    hiring = machine.start(2)
    assert [machine.n_hired, machine.let_pass(hiring, 0.0)] == [2, 2]


def test_a_run_that_waits_has_as_many_items_under_way_as_it_may(tmp_path: Path) -> None:
    all_there = threading.Barrier(12)

    def wait_for_all(_item: Item) -> None:
        all_there.wait(timeout=10.0)

    summary = download(tmp_path, make_items(12), FakeAcquire(before=wait_for_all), n_workers=12)
    assert summary.outcomes == {"stored": 12}
