"""Comparison of two stores."""

from __future__ import annotations

import numpy as np

from dxdask.storage.store.store import Store

STEPS = ("find_spots", "index", "refine", "integrate")


def assert_same(one: Store, two: Store, steps: tuple[str, ...] = STEPS) -> None:
    assert one.runs == two.runs
    for run in one.runs:
        assert one.run_experiment(run) == two.run_experiment(run)
        np.testing.assert_array_equal(one.mask(run), two.mask(run))
        np.testing.assert_array_equal(one.frames(run).compute(), two.frames(run).compute())
        a, b = one.image_columns(run), two.image_columns(run)
        assert list(a) == list(b)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    for step in steps:
        assert list(one.experiments(step)) == list(two.experiments(step)), step
        assert len(two.experiments(step).crystals) == len(one.experiments(step).crystals)
        columns, others = one.columns(step), two.columns(step)
        assert sorted(columns) == sorted(others)
        for name, values in columns.items():
            np.testing.assert_array_equal(others[name], values, err_msg=f"{step} {name}")
        for run in one.runs:
            arrays = one.read_step(step, run=run).arrays
            for name, values in two.read_step(step, run=run).arrays.items():
                np.testing.assert_array_equal(arrays[name], values, err_msg=f"{step} {name}")
