"""Residuals by module and by region."""

from __future__ import annotations

import numpy as np
import pytest
from support.refinement_cases import some_detector

from dxdask.columns import Flag
from dxdask.errors import SchemaError
from dxdask.refinement.modules.residuals import (
    comparable,
    regions_of,
    regions_table,
    residuals_of_parts,
)


def table(rng: np.random.Generator, n: int = 4000) -> dict[str, np.ndarray]:
    detector = some_detector(2)
    panel = rng.integers(0, 2, n).astype(np.int32)
    xy = rng.uniform(0, 1, (n, 2)) * detector[0].image_size
    off = rng.normal(0, 0.1, (n, 2)) + np.array([[0.2, -0.1], [0.0, 0.4]])[panel]
    return {
        "experiment": np.zeros(n, np.int32), "panel": panel,
        "flags": np.full(n, Flag.INDEXED, np.uint32),
        "x": xy[:, 0], "y": xy[:, 1], "x_cal": xy[:, 0] - off[:, 0], "y_cal": xy[:, 1] - off[:, 1],
    }  # fmt: skip


def test_means_errors_and_rotations() -> None:
    rng = np.random.default_rng(1)
    place, part = rng.uniform(-100, 100, (6000, 2)), rng.integers(0, 3, 6000)
    angle = np.array([0.0, 2e-3, -1e-3])[part]
    shift = np.array([[0.0, 0.0], [0.3, -0.2], [1.0, 0.5]])[part]
    turned = angle[:, None] * np.stack([-place[:, 1], place[:, 0]], axis=1)
    off = shift + turned + rng.normal(0, 0.1, (6000, 2))
    off[:300] += rng.uniform(-2.5, 2.5, (300, 2))
    found = residuals_of_parts(off, place, part, 4)
    assert found.n.tolist() == [*np.bincount(part).tolist(), 0]
    assert np.isnan(found.mean[3]).all()
    np.testing.assert_allclose(found.mean[1], off[part == 1].mean(axis=0))
    assert np.abs(found.robust[:3] - [[0, 0], [0.3, -0.2], [1.0, 0.5]]).max() < 0.02
    np.testing.assert_allclose(found.rotation[:3], [0, 2, -1], atol=0.1)
    z = (found.robust[:3] - [[0, 0], [0.3, -0.2], [1.0, 0.5]]) / found.error[:3]
    assert np.abs(z).max() < 4
    assert (np.abs(found.rotation[:3] - [0, 2, -1]) < 4 * found.rotation_error[:3]).all()


def test_regions() -> None:
    made = table(np.random.default_rng(2))
    found = regions_table(made, some_detector(2), 2)
    assert [(r["panel"], r["x"], r["y"]) for r in found.rows] == [
        (p, x, y) for p in (0, 1) for y in (125.0, 375.0) for x in (250.0, 750.0)
    ]
    assert sum(r["n"] for r in found.rows) == 4000
    for row in found.rows:
        assert row["robust_x_px"] == pytest.approx(0.2 if row["panel"] == 0 else 0.0, abs=0.02)
        assert row["robust_y_px"] == pytest.approx(-0.1 if row["panel"] == 0 else 0.4, abs=0.02)


def test_regions_of_places_at_the_edges() -> None:
    made = table(np.random.default_rng(3), 4)
    made["x"], made["y"] = np.array([0.0, 999.9, 1000.0, -3.0]), np.array([0.0, 499.9, 500.0, -1.0])
    made["panel"] = np.zeros(4, np.int32)
    region, place = regions_of(made, some_detector(2), 4)
    assert region.tolist() == [0, 15, 15, 0]
    np.testing.assert_allclose(place[0], [-125, -62.5])


def test_rejected_rows() -> None:
    made = table(np.random.default_rng(4), 6)
    made["flags"][1] = 0
    made["flags"][2] |= np.uint32(Flag.CENTROID_OUTLIER)  # may be on the module that moved
    made["flags"][3] |= np.uint32(Flag.OVERLOADED)
    made["x_cal"][4] = np.nan
    made["y_cal"][5] -= 4.0
    assert comparable(made).tolist() == [True, False, True, False, False, False]


def test_missing_columns() -> None:
    made = table(np.random.default_rng(4), 6)
    del made["x_cal"]
    with pytest.raises(SchemaError, match="lacks x_cal"):
        comparable(made)
