"""All readers together read every piece once, in an order that the seed and the epoch decide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yfcc.api.flags import Flags, make_selection
from yfcc.api.shares import order_pieces, share_of_reader, shuffle_items
from yfcc.catalog.select import Selection
from yfcc.errors import UsageError


@given(st.integers(0, 300), st.integers(1, 17), st.integers(0, 9), st.integers(0, 9))
def test_readers_share_all_pieces_and_no_two_the_same(
    n_pieces: int, n_readers: int, seed: int, epoch: int
) -> None:
    order = order_pieces(n_pieces, seed, epoch, is_shuffled=True)
    shares = [share_of_reader(order, reader, n_readers) for reader in range(n_readers)]
    assert sorted(number for share in shares for number in share) == list(range(n_pieces))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_order_is_that_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(order_pieces(100, seed, epoch, is_shuffled=True))

    # As it was when this was written: another machine has to come to the same.
    assert order(1, 0)[:5] == (50, 34, 61, 35, 23)
    assert order(1, 0) == order(1, 0)
    assert len({order(seed, epoch) for seed in range(3) for epoch in range(3)}) == 9
    assert order_pieces(4, 1, 1, is_shuffled=False) == [0, 1, 2, 3]


@given(st.lists(st.integers()), st.integers(0, 20))
def test_shuffling_loses_and_doubles_nothing(items: list[int], n_held: int) -> None:
    shuffled = list(shuffle_items(items, n_held, 1, 2, 3))
    assert sorted(shuffled) == sorted(items)
    assert shuffled == list(shuffle_items(items, n_held, 1, 2, 3))


def test_shuffling_holds_no_more_than_it_was_told_to() -> None:
    n_taken = 0

    def count() -> object:
        nonlocal n_taken
        for number in range(1000):
            n_taken += 1
            yield number

    given_out = shuffle_items(count(), 10, 0, 0, 0)  # type: ignore[arg-type]
    for n_given in range(1, 500):
        next(given_out)
        assert n_taken - n_given <= 10
    assert list(shuffle_items(range(1000), 100, 0, 0, 0)) != list(range(1000))
    assert list(shuffle_items(range(9), 0, 0, 0, 0)) == list(range(9))


def test_keyword_arguments_are_the_flags_of_the_commands() -> None:
    assert Flags.__annotations__.keys() == set(Selection.__dataclass_fields__)
    chosen = make_selection({"license": "by, by-sa", "tag": "cat, dog", "autotag": ["cat", "!dog"]})
    assert chosen == Selection(license=("by", "by-sa"), tag=("cat, dog",), autotag=("cat", "!dog"))
    with pytest.raises(UsageError, match=r"no selection flag 'contry'\. Did you mean country"):
        make_selection({"contry": "Japan"})  # type: ignore[typeddict-unknown-key]
