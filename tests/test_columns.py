"""Properties common to all tables of reflections."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.columns import rows_of_images


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [2, 0, 3, 1]])
def test_reflections_find_their_images(order: list[int]) -> None:
    experiment = np.array([0, 0, 1, 2], np.int32)[order]
    image = np.array([4, 5, 4, 0], np.int32)[order]
    table = {
        "experiment": np.array([1, 0, 0, 2, 1, 3, 0], np.int32),
        "z": np.array([4.5, 5.999, 4.0, 0.5, 5.5, 4.5, 3.5]),
    }
    found = rows_of_images(table, experiment, image)
    assert [order[i] if i >= 0 else -1 for i in found] == [2, 1, 0, 3, -1, -1, -1]
    none = rows_of_images(table, experiment[:0], image[:0])
    assert none.tolist() == [-1] * 7
    nothing = {name: values[:0] for name, values in table.items()}
    assert len(rows_of_images(nothing, experiment, image)) == 0
