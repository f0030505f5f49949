"""Sweeps on a detector whose header has one panel for modules that moved, or did not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.refinement_cases import centroids, misorientation_deg, truth

from dxdask.columns import Flag, Reflections, select
from dxdask.models import Detector, ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.proposal import propose_modules
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.recut_rows import recut_reflections
from dxdask.refinement.modules.refine import refine_with_modules
from dxdask.refinement.modules.relative import relative_moves, with_moves

pytestmark = pytest.mark.jit

CUT = (((0, 0, 480, 1000), (500, 0, 1000, 1000)),)
MOVE = np.array([[0.0, 0.0, 0.0], [0.4, -1.2, 0.5]])
STATIC = RefinementParameters.model_validate({"parameterisation": {"scan_varying": False}})


def mask() -> np.ndarray:
    good = np.ones((1000, 1000), bool)
    good[:, 480:500] = False
    return good


@cache
def case(moved: bool = True, n_runs: int = 1) -> tuple[Reflections, ExperimentList, Detector]:
    """Centroids on displaced modules as a header with one panel has them; the header's models, and
    the true modules.
    """
    header = truth("P 43 21 2", n_runs=n_runs)
    detector = header.detectors[0]
    cut = recut(detector, CUT)
    true = with_moves(cut, np.ones(2, bool), MOVE if moved else 0 * MOVE)
    members = tuple(replace(m, detector=0, beam=0, goniometer=0) for m in header.members)
    header = replace(header, detectors=(detector,), members=members)
    seen = replace(header, detectors=(true,))
    table = centroids(seen, d_min=2.6, sigma=0.1)
    pixels = np.zeros((len(table["panel"]), 2))
    for k, panel in enumerate(true.panels):
        on = table["panel"] == k
        pixels[on] = panel.mm_to_pixel(np.column_stack([table["x_mm"], table["y_mm"]])[on])
    table |= {"x": pixels[:, 0], "y": pixels[:, 1], "z": np.zeros(len(pixels))}
    for i, e in enumerate(header):
        mine = table["experiment"] == i
        table["z"][mine] = e.scan.z_from_phi(table["phi_rad"][mine])
    table = recut_reflections(table, cut, detector)
    xy = detector[0].pixel_to_mm(np.column_stack([table["x"], table["y"]]))
    table |= {"x_mm": xy[:, 0], "y_mm": xy[:, 1]}
    return table, header, true


def masks(experiments: ExperimentList) -> dict[str, np.ndarray]:
    return dict.fromkeys(experiments.runs, mask())


def test_moved_module_is_found_and_refined() -> None:
    table, header, _ = case()
    rigid = refine(table, header, STATIC)
    found = refine_with_modules(table, header, STATIC, masks(header))
    (line,) = [m for m in found.messages if "moved against the others" in m]
    assert "re-cut into 2 panels" in line
    assert "1 of 2 modules moved" in line
    detector = found.experiments.detectors[0]
    assert [p.image_size for p in detector.panels] == [(480, 1000), (500, 1000)]
    moves = relative_moves(recut(header.detectors[0], CUT), detector)[1]
    np.testing.assert_allclose(moves[[0, 1, 5]], MOVE[1], atol=0.05)
    row = found.table("modules").rows[1]
    assert row["moved"]
    values = [row[n] for n in ("shift_fast_px", "shift_slow_px", "rotation_mrad")]
    su = [row[n] for n in ("shift_fast_su", "shift_slow_su", "rotation_su")]
    np.testing.assert_allclose(values, moves[[0, 1, 5]], atol=1e-9)
    assert (np.abs(np.subtract(values, MOVE[1])) < 4 * np.array(su)).all()
    before, after = rigid.table("rmsds").rows[0], found.table("rmsds").rows[0]
    assert max(after["rmsd_x_px"], after["rmsd_y_px"]) < 0.11
    # without modules those of one are outliers
    assert after["n"] > 1.3 * before["n"]
    crystal, wanted = found.experiments.crystals[0], header.crystals[0]
    np.testing.assert_allclose(crystal.unit_cell, wanted.unit_cell, rtol=1e-4)
    assert misorientation_deg(crystal.u, wanted.u) < 0.005
    assert found.reflections["panel"].max() == 1
    assert (found.reflections["hkl"] == table["hkl"]).all()
    panels = found.table("panels").rows
    assert [r["panel"] for r in panels] == [0, 1]


def test_runs_on_one_detector_are_cut_alike() -> None:
    table, header, _ = case(n_runs=2)
    found = refine_with_modules(table, header, STATIC, masks(header))
    detectors = found.experiments.detectors
    assert all([p.offset for p in d.panels] == [(0, 0), (500, 0)] for d in detectors)
    rows = found.table("modules").rows
    assert [(r["module"], r["run"]) for r in rows] == [(0, "run1, run2"), (1, "run1, run2")]
    values = [rows[1][n] for n in ("shift_fast_px", "shift_slow_px", "rotation_mrad")]
    np.testing.assert_allclose(values, MOVE[1], atol=0.05)


def test_nothing_changes_where_nothing_moved() -> None:
    table, header, _ = case(moved=False)
    plain = refine(table, header, STATIC)
    found = refine_with_modules(table, header, STATIC, masks(header))
    assert found.experiments == plain.experiments
    for name in plain.reflections:
        np.testing.assert_array_equal(found.reflections[name], plain.reflections[name])
    assert any("have not moved significantly" in m for m in found.messages)
    assert not any(r["moved"] for r in found.table("modules").rows)
    size = max(r["size_px"] for r in found.table("modules").rows)
    assert size < 0.1


def test_it_can_be_switched_off_or_only_proposed() -> None:
    table, header, _ = case()
    plain = refine(table, header, STATIC)
    none = refine_with_modules(
        table, header, STATIC, masks(header), ModuleParameters(modules="none")
    )
    assert none.experiments == plain.experiments
    assert [t.name for t in none.tables] == [t.name for t in plain.tables]
    only = refine_with_modules(
        table, header, STATIC, masks(header), ModuleParameters(modules="propose")
    )
    assert only.experiments == plain.experiments
    assert only.table("modules").rows[1]["moved"]
    assert "give detector.modules=auto" in only.messages[-1]


def test_one_module_is_not_compared() -> None:
    table, header, _ = case()
    found = refine_with_modules(table, header, STATIC)
    assert len(found.experiments.detectors[0]) == 1
    (row,) = found.table("modules").rows
    assert row["moved"] is None
    assert not [m for m in found.messages if "module" in m]


def test_a_module_with_few_reflections_stays() -> None:
    table, header, _ = case()
    left = table["x"] < 480
    keep = left | (np.cumsum(~left) < 30)
    found = refine_with_modules(select(table, keep), header, STATIC, masks(header))
    assert len(found.experiments.detectors[0]) == 1
    assert [r["moved"] for r in found.table("modules").rows] == [None, None]


def test_a_module_without_reflections_moves_with_the_others() -> None:
    table, header, _ = case()
    good = mask()
    good[:, 230:250] = False
    rest = select(table, table["x"] > 240)  # none on the first module
    found = refine_with_modules(rest, header, STATIC, {"run1": good})
    detector = found.experiments.detectors[0]
    assert [p.offset[0] for p in detector.panels] == [0, 250, 500]
    assert detector.root.all_panels() == (0, 1, 2)
    assert any("Too few reflections for the parameters of" in m for m in found.messages)
    assert [r["moved"] for r in found.table("modules").rows] == [None, True, True]
    start = recut(header.detectors[0], (((0, 0, 230, 1000), (250, 0, 480, 1000), CUT[0][1]),))
    moves = relative_moves(start, detector, np.array([0.0, 1.0, 1.0]))
    np.testing.assert_allclose(moves[2, [0, 1, 5]], MOVE[1], atol=0.1)


def test_stills_are_proposed_for() -> None:
    # of a still, shifts by a linear field are those of its crystal
    table, header, _ = case()
    refined = refine(table, header, STATIC).reflections
    rng = np.random.default_rng(5)
    still = replace(header, members=tuple(replace(m, scan=None) for m in header.members))
    event = rng.integers(0, 20, len(refined["z"])).astype(np.float64)
    found = propose_modules({**refined, "z": event + 0.5}, still, None, masks(header))
    assert found.is_significant
    moves = found.moves[0].found.moves[1]
    assert abs(moves[1] - MOVE[1, 1]) < 0.3
    away = {**refined, "flags": refined["flags"] & ~np.uint32(Flag.INDEXED)}
    assert not propose_modules(away, still, None, masks(header)).is_significant
