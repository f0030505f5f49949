"""Panels of a sweep's detector that are out of place are found where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.refinement_cases import centroids, disturbed, some_detector, truth

from dxdask.columns import Reflections, select
from dxdask.errors import InputError
from dxdask.models import Detector, ExperimentList, Group
from dxdask.models.vectors import rotation_matrix
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

SHIFT, ROTATION = (0.15, -0.08), 1.5e-3
"""Of the last panel along its fast and slow axis, mm, and about its normal, rad."""


def refined(table: Reflections, start: ExperimentList, **detector: Any) -> StepResult:
    given = {
        "parameterisation": {"scan_varying": False, "detector": {"hierarchy_level": 1, **detector}},
        "reflections": {"outlier": {"algorithm": None}},
    }
    return refine(table, start, RefinementParameters.model_validate(given))


def with_detector(experiments: ExperimentList, detector: Detector) -> ExperimentList:
    return replace(experiments, detectors=(detector,) * len(experiments.detectors))


def displaced(detector: Detector, which: int = -1) -> Detector:
    """Return the detector with one panel displaced in its plane."""
    panels = list(detector.panels)
    p = panels[which]
    shift = SHIFT[0] * p.axes[0] + SHIFT[1] * p.axes[1]
    panels[which] = p.moved(rotation_matrix(p.normal, ROTATION), shift, about=p.centre)
    return replace(detector, panels=tuple(panels))


def cases(n_panels: int = 2, n_runs: int = 1) -> tuple[ExperimentList, ExperimentList]:
    """Return the truth with a displaced panel, and the start without."""
    start = truth(n_runs=n_runs, n_panels=n_panels)
    return with_detector(start, displaced(some_detector(n_panels))), start


def test_a_displaced_panel_is_found() -> None:
    true, start = cases()
    result = refined(centroids(true, d_min=5.0), disturbed(start))
    rows = result.table("parts").rows
    moved = next(r for r in rows if r["part"] == "p1")
    assert moved["shift_fast"] == pytest.approx(SHIFT[0] / 0.1, abs=0.01)
    assert moved["shift_slow"] == pytest.approx(SHIFT[1] / 0.1, abs=0.01)
    assert moved["rotation"] == pytest.approx(1e3 * ROTATION, abs=0.02)
    first = next((r for r in rows if r["part"] == "p0"), None)
    assert first is None or first["shift_fast"] is None
    assert max(r["rmsd_x_px"] for r in result.table("rmsds").rows) < 2e-3


def test_without_parts_the_panels_stay_rigid() -> None:
    true, start = cases()
    result = refined(centroids(true, d_min=5.0), start, hierarchy_level=0)
    assert "parts" not in [t.name for t in result.tables]
    assert result.table("rmsds").rows[0]["rmsd_x_px"] > 0.1


@pytest.mark.slow
def test_standard_uncertainties_of_parts_are_honest() -> None:
    true, start = cases()
    z = []
    for seed in range(20):
        table = centroids(true, d_min=6.0, sigma=0.3, seed=seed)
        row = refined(table, start).table("parts").rows[-1]
        wanted = {"shift_fast": SHIFT[0] / 0.1, "shift_slow": SHIFT[1] / 0.1}
        wanted["rotation"] = 1e3 * ROTATION
        z.append([(row[k] - v) / row[f"{k}_su"] for k, v in wanted.items()])
    assert np.abs(np.mean(z, axis=0)).max() < 1.0
    spread = np.sqrt(np.mean(np.square(z)))
    assert 0.7 < spread < 1.3


def test_a_hierarchy_of_groups_is_refined_at_each_level() -> None:
    start = truth(n_panels=4)
    root = Group(groups=(Group(name="top", panels=(0, 1)), Group(name="low", panels=(2, 3))))
    nominal = replace(some_detector(4), root=root)
    start = with_detector(start, nominal)
    panels = list(displaced(nominal).panels)
    lower = [panels[2], panels[3]]
    middle = np.mean([p.centre for p in lower], axis=0)
    rotation = rotation_matrix(lower[0].normal, 1e-3)
    panels[2:] = [p.moved(rotation, 0.1 * p.axes[0], about=middle) for p in lower]
    true = with_detector(start, replace(nominal, panels=tuple(panels)))
    result = refined(centroids(true, d_min=3.5), start, hierarchy_level=2)
    rows = {r["part"]: r for r in result.table("parts").rows}
    assert rows["low"]["level"] == 1
    assert rows["p3"]["level"] == 2
    assert rows["p3"]["rotation"] == pytest.approx(1e3 * ROTATION, abs=0.05)
    assert result.table("rmsds").rows[0]["rmsd_x_px"] < 5e-3
    found, wanted = result.experiments.detectors[0], true.detectors[0]
    for p, q in zip(found.panels, wanted.panels, strict=True):
        np.testing.assert_allclose(p.centre, q.centre, atol=5e-3)


def test_three_runs_on_one_detector_refine_its_panels_once() -> None:
    true, start = cases(n_runs=3)
    result = refined(centroids(true, d_min=6.0), start)
    assert len(result.table("parts").rows) == 1 or {
        r["detector"] for r in result.table("parts").rows
    } == {0}
    assert len(result.experiments.detectors) == 1
    assert result.table("parts").rows[-1]["shift_fast"] == pytest.approx(1.5, abs=0.01)


def test_a_part_without_enough_spots_is_fixed_where_that_is_wanted() -> None:
    true, start = cases()
    table = centroids(true, d_min=5.0)
    few = np.flatnonzero(table["panel"] == 1)[:7]
    table = select(table, np.sort(np.concatenate([np.flatnonzero(table["panel"] == 0), few])))
    with pytest.raises(InputError, match=r"detector 1, p1.*action=fix"):
        refined(table, start)
    given = {
        "scan_varying": False, "detector": {"hierarchy_level": 1},
        "auto_reduction": {"action": "fix"},
    }  # fmt: skip
    result = refine(table, start, RefinementParameters.model_validate({"parameterisation": given}))
    assert "p1" in " ".join(result.messages)
    assert "parts" not in [t.name for t in result.tables]
