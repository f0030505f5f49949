"""Pictures of residuals over the detector, and of moves of modules."""

from __future__ import annotations

import numpy as np
import pytest
from support.refinement_cases import some_detector

from dxdask.columns import Flag
from dxdask.errors import SchemaError
from dxdask.report.module_residuals import plot_module_moves, plot_residuals


def table(n: int = 3000) -> dict[str, np.ndarray]:
    rng, detector = np.random.default_rng(1), some_detector(2)
    panel = rng.integers(0, 2, n).astype(np.int32)
    xy = rng.uniform(0, 1, (n, 2)) * detector[0].image_size
    off = rng.normal(0, 0.05, (n, 2)) + np.array([[0.0, 0.0], [0.3, -1.5]])[panel]
    return {
        "experiment": np.zeros(n, np.int32), "panel": panel,
        "flags": np.full(n, Flag.INDEXED, np.uint32),
        "x": xy[:, 0], "y": xy[:, 1], "x_cal": xy[:, 0] - off[:, 0], "y_cal": xy[:, 1] - off[:, 1],
    }  # fmt: skip


def test_the_displaced_panel_has_the_arrows() -> None:
    ax = plot_residuals(table(), some_detector(2), n_regions=3)
    regions, panels = ax.collections[1:3]
    places = np.asarray(regions.get_offsets())
    assert len(places) == 18
    arrows = np.stack([regions.U, regions.V], axis=1)
    small, large = arrows[:9], arrows[9:]
    assert np.abs(small).max() < 0.1 * np.abs(large[:, 1]).min()
    np.testing.assert_allclose(large[:, 0] / large[:, 1], -0.2, atol=0.05)
    # places in the frame: the second panel is below the first
    assert (places[9:, 1] > 512).all()
    np.testing.assert_allclose(np.asarray(panels.get_offsets())[1], [500, 762])
    assert ax.yaxis_inverted()
    lengths = np.asarray(ax.collections[0].get_array())
    assert lengths[1] == pytest.approx(np.hypot(0.3, 1.5), abs=0.02)
    assert lengths[0] < 0.02


def test_few_and_no_reflections() -> None:
    some = {k: v[:40] for k, v in table().items()}
    assert len(plot_residuals(some, some_detector(2)).collections) >= 3
    none = {k: v[:0] for k, v in table().items()}
    plot_residuals(none, some_detector(2))
    with pytest.raises(KeyError):
        plot_residuals({"x": np.zeros(1)}, some_detector(2))


def rows() -> list[dict[str, object]]:
    common = {"detector": 0, "x0": 0, "x1": 1024, "rotation_mrad": 0.0}
    still = {"shift_fast_px": None, "shift_slow_px": None, "shift_fast_su": None,
             "shift_slow_su": None, "moved": None}  # fmt: skip
    moved = {"shift_fast_px": 0.3, "shift_slow_px": 1.5, "shift_fast_su": 0.01,
             "shift_slow_su": 0.02, "moved": True}  # fmt: skip
    return [
        {**common, **still, "name": "m0", "y0": 0, "y1": 512},
        {**common, **moved, "name": "m1", "y0": 548, "y1": 1060},
        {**common, **moved, "detector": 1, "name": "other", "y0": 0, "y1": 512},
    ]


def test_moves_of_modules() -> None:
    ax = plot_module_moves(rows())
    boxes, arrows = ax.collections[:2]
    assert len(boxes.get_paths()) == 2
    np.testing.assert_allclose(np.asarray(arrows.get_offsets()), [[512, 804]])
    times = float(ax.get_title().split(", ")[1].split()[0])
    assert times == 100
    np.testing.assert_allclose([arrows.U[0], arrows.V[0]], [30, 150])
    assert [t.get_text() for t in ax.texts] == ["m0", "m1\n+0.30(1), +1.50(2)"]


def test_missing_columns() -> None:
    some = table()
    some["flags"] = some["flags"].astype(np.int64)
    with pytest.raises(SchemaError):
        plot_residuals(some, some_detector(2))
