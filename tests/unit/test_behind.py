"""The thread that appends and commits behind the reader."""

from __future__ import annotations

import threading
import time

import pytest

from yfcc.catalog.behind import Behind


def test_acts_are_done_in_order_and_settling_waits_for_them() -> None:
    behind = Behind("test")
    done: list[int] = []

    def act(number: int) -> None:
        time.sleep(0.002)
        done.append(number)

    for number in range(20):
        behind.do(lambda number=number: act(number))  # type: ignore[misc]
    behind.settle()
    assert done == list(range(20))
    behind.close()


def test_whoever_hands_in_waits_when_too_much_does() -> None:
    behind, go = Behind("test"), threading.Event()
    handed_in: list[int] = []

    def hand_in() -> None:
        for number in range(5):
            behind.do(go.wait)
            handed_in.append(number)

    thread = threading.Thread(target=hand_in)
    thread.start()
    time.sleep(0.2)
    assert len(handed_in) <= 2  # one at work, one waiting
    go.set()
    thread.join(10)
    behind.close()
    assert len(handed_in) == 5


def test_an_error_comes_back_and_nothing_is_done_after_it() -> None:
    behind = Behind("test")
    done: list[str] = []

    def fail() -> None:
        raise OSError("disk full")

    behind.do(fail)
    with pytest.raises(OSError, match="disk full"):
        behind.settle()
    with pytest.raises(OSError, match="disk full"):
        behind.do(lambda: done.append("after"))
    behind.close()
    assert not done


def test_closing_drops_what_waits_and_ends_the_thread() -> None:
    behind, go, began = Behind("test"), threading.Event(), threading.Event()
    done: list[str] = []

    def first() -> None:
        began.set()
        go.wait()

    behind.do(first)
    began.wait()
    behind.do(lambda: done.append("waited"))
    threading.Timer(0.05, go.set).start()
    behind.close()
    assert not done
    assert not [each for each in threading.enumerate() if each.name == "test"]
