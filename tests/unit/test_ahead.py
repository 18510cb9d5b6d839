"""Reading ahead within bounds, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from yfcc.share.ahead import map_within


class Submitted:
    """Does everything at once, and knows how much was begun."""

    def __init__(self) -> None:
        self.n_begun = 0

    def __call__(self, task: Callable[[], int]) -> Future[int]:
        self.n_begun += 1
        future: Future[int] = Future()
        try:
            future.set_result(task())
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


def size(n_bytes: int) -> int:
    return n_bytes


def test_results_come_in_order_and_no_more_of_them_wait_than_allowed() -> None:
    submit = Submitted()
    for n_taken, result in enumerate(map_within(submit, lambda i: i, range(50), size, (7, 10**9))):
        assert result == n_taken
        assert submit.n_begun - n_taken <= 7
    assert submit.n_begun == 50


def test_no_more_bytes_wait_than_allowed_but_for_one_large_result() -> None:
    sizes = [10, 20, 30, 500, 40, 40, 10, 10, 10]
    submit = Submitted()
    found = []
    for result in map_within(submit, lambda i: i, sizes, size, (100, 100)):
        found.append(result)
        waiting = sizes[len(found) : submit.n_begun]
        assert len(waiting) <= 1 or sum(waiting) <= 100
    assert found == sizes


def test_so_many_are_under_way_at_a_time() -> None:
    together = threading.Barrier(5)
    with ThreadPoolExecutor(5) as executor:

        def wait(i: int) -> int:
            together.wait(30)
            return i

        assert list(map_within(executor.submit, wait, range(20), size, (5, 10**9))) == list(
            range(20)
        )


def test_an_error_comes_when_it_is_its_turn() -> None:
    def fail_at_three(i: int) -> int:
        if i == 3:
            raise ValueError("three")
        return i

    found = map_within(Submitted(), fail_at_three, range(10), size, (10, 10**9))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
