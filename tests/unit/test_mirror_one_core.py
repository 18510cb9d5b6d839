"""The threads of a run keep together, and give way to others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from yfcc.mirror.one_core import (
    STAT,
    OneCore,
    allowed_cores,
    choose_first,
    decide_core,
    parse_busy_s,
)

CORES = sorted(allowed_cores())
needs_two_cores = pytest.mark.skipif(len(CORES) < 2, reason="two cores are needed")


@pytest.mark.parametrize(
    ("busy", "own", "found"),
    [
        ({0: 0.9, 1: 0.0}, 0.9, 0),  # what makes it busy is the run itself
        ({0: 1.0, 1: 0.0}, 0.5, 1),
        ({0: 1.0, 1: 0.6}, 0.5, 0),  # there it is no better
        ({0: 1.0, 1: 1.0}, 0.5, 0),
        ({0: 1.0, 1: 0.3, 2: 0.1}, 0.4, 2),
        ({0: 0.4, 1: 0.0}, 0.3, 0),  # not worth it
        ({1: 0.1}, 0.5, 0),  # nothing is known of its own core
        ({}, 0.5, 0),
    ],
)
def test_a_run_moves_where_others_leave_it_more(
    busy: Mapping[int, float], own: float, found: int
) -> None:
    assert decide_core(0, busy, own) == found


def test_processes_that_share_the_work_begin_on_cores_of_their_own() -> None:
    assert [choose_first((2, 5, 7), number) for number in range(4)] == [2, 5, 7, 2]


def test_a_run_begins_where_the_system_has_put_it() -> None:
    assert choose_first(range(100_000)) in os.sched_getaffinity(0)
    assert choose_first((100_000, 100_001)) == 100_000  # it is on another by now


@pytest.mark.parametrize("cores", [(), (3,)])
def test_where_there_is_no_choice_nothing_happens(cores: tuple[int, ...]) -> None:
    before = os.sched_getaffinity(0)
    one_core = OneCore(cores, choose_first(cores, 0))
    one_core.join()
    one_core.look(1.0)
    assert one_core.core is None
    assert os.sched_getaffinity(0) == before


@pytest.fixture
def in_a_thread() -> Iterator[threading.Event]:
    """Set at the end: affinities of a thread end with it."""
    is_over = threading.Event()
    yield is_over
    is_over.set()


def stat_of(busy_s: Mapping[int, float]) -> str:
    """``/proc/stat`` of cores that were busy for so long."""
    ticks = os.sysconf("SC_CLK_TCK")
    return "".join(f"cpu{n} {int(s * ticks)} 0 0 0 0 0 0 0 0 0\n" for n, s in busy_s.items())


def _start_members(one_core: OneCore, n_members: int, is_over: threading.Event) -> list[int]:
    """Native ids of threads that joined, and wait."""
    have_joined = threading.Barrier(n_members + 1)

    def be_member() -> None:
        one_core.join()
        have_joined.wait(10.0)
        is_over.wait(60.0)

    threads = [threading.Thread(target=be_member) for _ in range(n_members)]
    for thread in threads:
        thread.start()
    have_joined.wait(10.0)
    return [thread.native_id or 0 for thread in threads]


@needs_two_cores
def test_members_stay_and_move_together_and_nobody_else_does(in_a_thread: threading.Event) -> None:
    first, second = CORES[:2]
    now_s, busy_s = [0.0], {first: 0.0, second: 0.0}
    one_core = OneCore((first, second), first, lambda: now_s[0], lambda: stat_of(busy_s))
    threads = _start_members(one_core, 3, in_a_thread)
    assert [os.sched_getaffinity(thread) for thread in threads] == [{first}] * 3
    now_s[0], busy_s[first] = 0.1, 0.1
    one_core.look(0.0)  # too soon to tell
    assert one_core.core == first
    now_s[0], busy_s[first] = 2.0, 2.0
    one_core.look(1.0)
    assert one_core.core == second
    assert [os.sched_getaffinity(thread) for thread in threads] == [{second}] * 3
    assert os.sched_getaffinity(0) == set(CORES)


@needs_two_cores
def test_a_run_keeps_to_the_cores_that_it_was_left_with(in_a_thread: threading.Event) -> None:
    first, second = CORES[:2]
    now_s, busy_s = [0.0], {first: 0.0, second: 0.0}
    one_core = OneCore((first, second), second, lambda: now_s[0], lambda: stat_of(busy_s))
    threads = _start_members(one_core, 2, in_a_thread)
    try:
        os.sched_setaffinity(0, {second})  # as `taskset -p` does to a program at work
        now_s[0], busy_s[second] = 2.0, 2.0
        one_core.look(0.0)
        assert one_core.core == second
        os.sched_setaffinity(0, {first})
        now_s[0], busy_s[first] = 4.0, 2.0
        one_core.look(0.0)
        assert one_core.core == first
        assert [os.sched_getaffinity(thread) for thread in threads] == [{first}] * 2
    finally:
        os.sched_setaffinity(0, set(CORES))


@needs_two_cores
def test_the_system_tells_which_core_a_program_keeps_busy() -> None:
    core, ticks = CORES[-1], os.sysconf("SC_CLK_TCK")
    busy = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); print(flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{busy}\nwhile True: pass", str(core)], stdout=subprocess.PIPE
    ) as program:
        try:
            assert program.stdout is not None
            program.stdout.readline()
            before_s, began_s = parse_busy_s(STAT.read_text(), ticks), time.monotonic()
            time.sleep(0.5)
            after_s, passed_s = parse_busy_s(STAT.read_text(), ticks), time.monotonic() - began_s
        finally:
            program.kill()
    assert set(CORES) <= set(after_s)
    assert after_s[core] - before_s[core] > 0.8 * passed_s


@needs_two_cores
def test_a_run_whose_figures_cannot_be_read_stays() -> None:
    now_s = [0.0]

    def read_stat() -> str:
        raise PermissionError("/proc/stat")

    one_core = OneCore(CORES, CORES[0], lambda: now_s[0], read_stat)
    now_s[0] = 5.0
    one_core.look(1.0)
    assert one_core.core == CORES[0]
