"""Merging as a graph gives what merging in memory gives."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import select
from dxdask.graphs.fold import n_folds
from dxdask.graphs.merge import merge as merge_graph
from dxdask.merging import MergingParameters, merge
from dxdask.scaling import scale


@pytest.fixture(scope="module")
def scaled() -> MadeUp:
    data = made_up(transmissions=(0.2, 0.4, 0.6, 0.8, 1.0), share=0.2)
    data.reflections = scale(data.reflections, data.experiments).reflections
    return data


def parts(data: MadeUp) -> list[Any]:
    table = data.reflections
    return [select(table, table["experiment"] == i) for i in range(len(data.experiments))]


def refuse(*_: Any, **__: Any) -> None:
    raise RuntimeError("computed while it was built")


@pytest.mark.parametrize("fan_in", [2, 3, 8])
def test_graph_is_built_without_computing_and_has_so_many_tasks(
    scaled: MadeUp, fan_in: int
) -> None:
    with dask.config.set(scheduler=refuse):
        lazy = merge_graph(parts(scaled), scaled.experiments, fan_in=fan_in)
    n = len(scaled.experiments)
    # tables and the experiments are tasks of their own, as they are not Delayed
    assert len(lazy.dask) == 2 * n + 2 * n_folds(n, fan_in) + 1 + n + 1


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_equal_to_merging_in_memory_bit_for_bit(scaled: MadeUp, scheduler: str) -> None:
    parameters = MergingParameters(d_min=3.5)
    expected = merge(scaled.reflections, scaled.experiments, parameters)
    with dask.config.set(scheduler=scheduler):
        found = merge_graph(parts(scaled), scaled.experiments, parameters).compute()
    for name, values in expected.reflections.items():
        np.testing.assert_array_equal(found.reflections[name], values)
    for name in ("shells", "overall"):
        assert found.table(name).rows == expected.table(name).rows


def test_a_deeper_tree_differs_by_rounding_only(scaled: MadeUp) -> None:
    expected = merge(scaled.reflections, scaled.experiments)
    with dask.config.set(scheduler="synchronous"):
        found = merge_graph(parts(scaled), scaled.experiments, fan_in=2).compute()
    for name in ("intensity", "sigma"):
        np.testing.assert_allclose(
            found.reflections[name], expected.reflections[name], rtol=1e-10, atol=1e-10
        )
    np.testing.assert_array_equal(found.reflections["hkl"], expected.reflections["hkl"])
    assert found.table("overall").rows[0] == pytest.approx(expected.table("overall").rows[0])
