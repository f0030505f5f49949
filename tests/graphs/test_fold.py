"""Tree reductions: order, fan-in, number of tasks, no computing while building."""

from __future__ import annotations

from typing import Any

import dask
import pytest
from dask import delayed
from dask.core import get_dependencies
from dask.utils import ensure_dict
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import InputError
from dxdask.graphs.fold import n_folds, tree_fold


def join(parts: list[str]) -> str:
    return "".join(parts)


def letters(n: int) -> list[Any]:
    return [delayed(chr(65 + i), pure=True) for i in range(n)]


@given(n=st.integers(1, 40), fan_in=st.integers(2, 9))
def test_folds_in_order_with_the_tasks_it_promises(n: int, fan_in: int) -> None:
    whole = tree_fold(letters(n), join, fan_in=fan_in, label="join")
    graph = ensure_dict(whole.dask)
    assert len(graph) == n + n_folds(n, fan_in)
    assert max(len(get_dependencies(graph, key)) for key in graph) <= fan_in
    assert whole.compute(scheduler="synchronous") == "".join(chr(65 + i) for i in range(n))


def test_depth_is_logarithmic() -> None:
    graph = ensure_dict(tree_fold(letters(64), join, fan_in=4).dask)
    depth: dict[Any, int] = {}
    for _ in range(10):
        for key in graph:
            below = [depth.get(k, 0) for k in get_dependencies(graph, key)]
            depth[key] = 1 + max(below, default=0)
    assert max(depth.values()) == 1 + 3


def test_threads_give_the_same() -> None:
    whole = tree_fold(letters(26), join, fan_in=3)
    assert whole.compute(scheduler="threads") == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_two_folds_of_the_same_parts_keep_apart() -> None:
    parts = letters(9)
    both = tree_fold(parts, join, label="a"), tree_fold(parts, max, label="a")
    assert dask.compute(*both, scheduler="synchronous") == ("ABCDEFGHI", "I")


@pytest.mark.parametrize(("n", "fan_in", "words"), [(0, 8, "nothing to fold"), (3, 1, "2 or more")])
def test_bad_input(n: int, fan_in: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tree_fold(letters(n), join, fan_in=fan_in)
