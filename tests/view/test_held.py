"""Values held for several threads: made once, dropped in the order of their last use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.view.held import Held


def test_threads_that_ask_at_once_get_the_same_value_which_is_made_once() -> None:
    held: Held[list[int]] = Held(10)
    made, together, asked = [], Barrier(4), Event()

    def make() -> list[int]:
        asked.wait(5)
        made.append(1)
        return [7]

    def ask() -> list[int]:
        together.wait(5)
        return held.get("a", make)

    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(ask) for _ in range(4)]
        asked.set()
        found = [w.result(5) for w in waiting]
    assert made == [1]
    assert all(f is found[0] for f in found)


def test_an_error_is_raised_and_the_value_is_made_again_when_asked_for() -> None:
    held: Held[int] = Held(10)

    def fail() -> int:
        raise ValueError("the file is gone")

    with pytest.raises(ValueError, match="gone"):
        held.get("a", fail)
    assert held.get("a", lambda: 3) == 3


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 6))
def test_the_last_used_are_held_up_to_the_size(keys: list[int], size: int) -> None:
    held: Held[int] = Held(size)
    plain: list[int] = []
    for key in keys:
        made: list[int] = []

        def make(key: int = key, made: list[int] = made) -> int:
            made.append(key)
            return key

        assert held.get(key, make) == key
        assert bool(made) == (key not in plain)
        plain = [*(k for k in plain if k != key), key][-size:]


def test_sizes_add_up_and_one_value_above_the_size_is_held() -> None:
    held: Held[bytes] = Held(10, len)
    made: list[str] = []

    def get(key: str, n: int) -> None:
        held.get(key, lambda: made.append(key) or bytes(n))  # type: ignore[func-returns-value]

    get("a", 4), get("b", 6), get("a", 4), get("c", 3), get("a", 4), get("b", 6)
    assert made == ["a", "b", "c", "b"]
    get("large", 100), get("large", 100)
    assert made[4:] == ["large"]
