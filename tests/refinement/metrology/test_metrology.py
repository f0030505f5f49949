"""Positions of panels from the spots of many stills, against panels moved by known amounts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.made_up_stills import (
    CELL,
    GROUP,
    Shots,
    centres,
    displaced,
    moved_panels,
    panels,
    shots,
)

from dxdask.errors import ConvergenceError, InputError
from dxdask.models import Detector, Group
from dxdask.models.rotations import rotation_matrices
from dxdask.refinement.metrology import MetrologyParameters
from dxdask.refinement.metrology.congruence import congruence
from dxdask.refinement.metrology.joint_refinement import Metrology, refine_detector
from dxdask.refinement.models.detector_parts import parts_of, smallest

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def made() -> Shots:
    """Return stills on panels that are not where their file says."""
    return shots(30, true_detector=displaced(), noise_px=0.1)


def _refined(made: Shots, **parameters: Any) -> Metrology:
    given = MetrologyParameters.model_validate(parameters)
    return refine_detector(made.reflections, made.stills, made.experiment, CELL, GROUP, given)


def _offsets_px(found: Detector, true: Detector) -> NDArray[np.float64]:
    """Return the errors (panels, 2) of centres, without a rotation about the beam and a scale."""
    a = centres(found)[:, :2]
    b = centres(true)[:, :2]
    design = np.concatenate([np.c_[b[:, 0], -b[:, 1]], np.c_[b[:, 1], b[:, 0]]])
    similar, *_ = np.linalg.lstsq(design, np.concatenate([a[:, 0], a[:, 1]]), rcond=None)
    rest = np.concatenate([a[:, 0], a[:, 1]]) - design @ similar
    return rest.reshape(2, -1).T / 0.1


def _rms(offsets: NDArray[np.float64]) -> float:
    return float(np.sqrt((offsets**2).mean()))


def test_panels_go_where_they_truly_are(made: Shots) -> None:
    before = _rms(_offsets_px(made.experiment.detector, made.true_detector))
    found = _refined(made).experiment.detector
    assert before > 0.5
    assert _rms(_offsets_px(found, made.true_detector)) < 0.015
    assert abs(found[0].distance - 110.25) < 0.02


def test_tilts_freed_first_do_no_harm(made: Shots) -> None:
    tilted = _refined(
        made, detector={"whole": ("shift", "distance", "tilt"), "hierarchy_level": 0},
        rmsd_filter={"enable": False},
    )  # fmt: skip
    trapped = replace(made, experiment=tilted.experiment)
    every = {"whole": ("shift", "distance", "tilt")}
    found = _refined(trapped, detector=every).experiment.detector
    assert _rms(_offsets_px(found, made.true_detector)) < 0.03


def test_halves_agree(made: Shots) -> None:
    found = _refined(made)
    assert found.odd is not None
    assert found.even is not None
    assert _rms(_offsets_px(found.odd.detector, found.even.detector)) < 0.05
    alone = _refined(made, split_dataset=False)
    assert alone.odd is None


def test_what_is_fixed_does_not_move(made: Shots) -> None:
    found = _refined(made, detector={"whole": ("shift",), "parts": ()})
    distances = [p.distance for p in found.experiment.detector.panels]
    np.testing.assert_allclose(distances, 110.0)
    start = made.experiment.detector
    moves = [
        np.subtract(p.origin, q.origin)
        for p, q in zip(found.experiment.detector.panels, start.panels, strict=True)
    ]
    np.testing.assert_allclose(moves, [moves[0]] * 4, atol=1e-9)


def test_a_subset_has_the_number_of_stills_given(made: Shots) -> None:
    found = _refined(made, n_subset=7, split_dataset=False, rmsd_filter={"enable": False})
    assert len(found.rows) == 7


def test_bad_stills_are_n_rejected(made: Shots) -> None:
    spots = {name: values.copy() for name, values in made.reflections.items()}
    bad = np.floor(spots["z"]) == 3
    spots["x"][bad] += np.random.default_rng(0).normal(0, 8, bad.sum())
    found = _refined(replace(made, reflections=spots), split_dataset=False)
    assert 3 not in found.rows
    assert found.n_rejected >= 1


def test_cells_determine_the_distance_only_where_they_are_restrained(made: Shots) -> None:
    held = _refined(made, split_dataset=False, cell={"restraint": 2e-4})
    free = _refined(made, split_dataset=False, cell={"restraint": None})
    fixed = _refined(made, split_dataset=False, cell={"fix": True})
    spread = [np.sqrt(f.whole.covariance[2, 2]) for f in (fixed, held, free)]
    assert spread[0] < spread[1] < spread[2]
    assert np.abs(fixed.whole.crystals.strain).max() < 1e-9


def test_order_of_reflections_does_not_matter(made: Shots) -> None:
    order = np.random.default_rng(1).permutation(len(made.reflections["x"]))
    shuffled = {name: values[order] for name, values in made.reflections.items()}
    one = _refined(made, split_dataset=False).experiment.detector
    two = _refined(replace(made, reflections=shuffled), split_dataset=False).experiment.detector
    np.testing.assert_allclose(
        [p.origin for p in one.panels], [p.origin for p in two.panels], atol=1e-9
    )


def test_parts_follow_the_hierarchy() -> None:
    assert [p.name for p in parts_of(panels(), None)] == ["detector", "p0", "p1", "p2", "p3"]
    assert [p.name for p in parts_of(panels(), 0)] == ["detector"]
    halves = Group(groups=(Group(name="a", panels=(0, 2)), Group(name="b", panels=(1, 3))))
    nested = replace(panels(), root=halves)
    assert [p.name for p in smallest(parts_of(nested, None))] == ["p0", "p2", "p1", "p3"]
    assert [p.name for p in smallest(parts_of(nested, 1))] == ["a", "b"]
    assert [p.name for p in smallest(parts_of(nested, 0))] == ["detector"]


def test_one_still_is_too_few(made: Shots) -> None:
    stills = dict(made.stills, indexed=np.arange(30) == 0)
    with pytest.raises(InputError, match="at least two"):
        _refined(replace(made, stills=stills))
    with pytest.raises(InputError, match="no indexed spots"):
        _refined(replace(made, stills=dict(made.stills, indexed=np.zeros(30, bool))))


def test_something_must_move(made: Shots) -> None:
    with pytest.raises(InputError, match="no move of the detector is free"):
        _refined(made, detector={"whole": (), "parts": ()})


def test_shifts_are_those_of_the_panels(made: Shots) -> None:
    found = _refined(made)
    _, shifts, statistics = found.tables
    rows = {row["part"]: row for row in shifts.rows}
    assert rows["detector"]["n_spots"] == sum(rows[f"p{i}"]["n_spots"] for i in range(4))
    moved = found.experiment.detector[1].centre - made.experiment.detector[1].centre
    assert rows["p1"]["delta_xy_um"] == pytest.approx(1e3 * np.hypot(*moved[:2]), abs=1e-6)
    assert rows["p1"]["z_um"] == pytest.approx(-1e3 * moved[2], abs=1e-6)
    fast = found.experiment.detector[1].fast_axis
    rotated = np.degrees(np.arctan2(fast[1], fast[0]))
    assert rows["p1"]["rotation_z_degree"] == pytest.approx(-rotated, abs=1e-3)
    assert "weighted sigma" in str(statistics)
    whole = next(row for row in statistics.rows if row["part"] == "weighted mean")
    assert abs(whole["radial_um"]) < 10


def test_what_did_not_move_has_no_shifts(made: Shots) -> None:
    found = _refined(made, split_dataset=False, detector={"whole": ("shift",), "parts": ()})
    _, shifts = found.tables
    first = next(row for row in shifts.rows if row["part"] == "p0")
    assert first["rotation_z_degree"] == pytest.approx(0, abs=1e-9)
    assert first["z_um"] == pytest.approx(0, abs=1e-6)


def test_congruence_removes_a_rotation_and_a_scale() -> None:
    rng = np.random.default_rng(3)
    start, rotation, scale = panels(), np.radians(0.2), 1.001
    whole = rotation_matrices(np.array([[0.0, 0.0, -rotation]]))[0]
    end = Detector(panels=tuple(p.moved(whole) for p in start.panels))
    middles = centres(end)
    shifts = (scale - 1) * middles * [1, 1, 0]
    shifts[:, 2] = -0.3
    end = moved_panels(end, shifts, np.zeros((4, 3)))
    beam = np.array([0.0, 0.0, -1.0])
    found = congruence(start, end, beam)
    assert found.rotation == pytest.approx(0.2, abs=1e-9)
    assert found.scale == pytest.approx(scale, abs=1e-9)
    assert found.distances == pytest.approx((110.0, 110.3))
    assert max(found.centres, found.worst, found.rotations) < 1e-9
    rotations = np.zeros((4, 3))
    shifts = rng.normal(0, 0.1, (4, 3)) * [1, 1, 0]
    rotations[:, 2] = np.radians(rng.normal(0, 0.1, 4))
    found = congruence(start, moved_panels(end, shifts, rotations), beam)
    assert found.worst >= np.sqrt(2) * found.centres > 0.03
    assert found.rotations == pytest.approx(
        np.sqrt(np.mean((np.degrees(-rotations[:, 2]) + 0.2 - found.rotation) ** 2)), abs=1e-6
    )


def test_blocks_of_stills_give_the_same(made: Shots, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _refined(made)
    monkeypatch.setattr("dxdask.refinement.problem.CRYSTALS", 7)
    parts = _refined(made)
    np.testing.assert_array_equal(whole.whole.used, parts.whole.used)
    np.testing.assert_array_equal(whole.rows, parts.rows)
    np.testing.assert_allclose(whole.whole.residuals, parts.whole.residuals, atol=1e-9)
    for one, other in zip(
        whole.experiment.detector.panels, parts.experiment.detector.panels, strict=True
    ):
        np.testing.assert_allclose(one.d_matrix, other.d_matrix, atol=1e-9)


def test_rounds_are_limited(made: Shots) -> None:
    with pytest.raises(ConvergenceError, match="did not converge in 1 cycles"):
        _refined(made, max_iterations=1)


@pytest.mark.parametrize(
    ("sigma", "what"),
    [("shift_sigma", "shift"), ("distance_sigma", "distance"), ("rotation_sigma", "rotation")],
)
def test_what_is_expected_not_to_move_hardly_does(made: Shots, sigma: str, what: str) -> None:
    def moved(**expected: float) -> float:
        freedom = {"whole": ("shift", "distance"), **expected}
        found = _refined(made, split_dataset=False, detector=freedom)
        start, end = made.experiment.detector, found.experiment.detector
        by = centres(end) - centres(start)
        rotations = np.array([p.fast_axis[1] for p in end.panels])
        sizes = {"shift": by[:, :2], "distance": by[:, 2], "rotation": rotations}
        return float(np.abs(sizes[what]).max())

    assert moved(**{sigma: 1e-6}) < 1e-3 * moved()


def test_panels_may_move_along_the_beam() -> None:
    shifts = np.zeros((4, 3))
    shifts[2, 2] = -0.3
    true = moved_panels(panels(), shifts, np.zeros((4, 3)))
    stepped = shots(30, true_detector=true, noise_px=0.05)

    def heights(parts: tuple[str, ...]) -> NDArray[np.float64]:
        found = _refined(stepped, split_dataset=False, detector={"parts": parts})
        return centres(found.experiment.detector)[:, 2]

    flat, free = heights(("shift", "rotation")), heights(("shift", "rotation", "distance"))
    assert abs(free[2] - free[[0, 1, 3]].mean() + 0.3) < 0.05
    # a plane cannot follow one panel: weights of spots would not settle, and are held
    assert abs(flat[2] - flat[[0, 1, 3]].mean() + 0.3) > 0.1


def test_a_tilted_panel_is_found() -> None:
    rotations = np.zeros((4, 3))
    rotations[1, 1] = np.radians(1.0)
    true = moved_panels(panels(), np.zeros((4, 3)), rotations)
    tilted = shots(30, true_detector=true, noise_px=0.05)
    parts = {"parts": ("shift", "rotation", "tilt")}
    found = _refined(tilted, split_dataset=False, detector=parts).experiment.detector
    assert np.degrees(np.arcsin(-found[1].fast_axis[2])) == pytest.approx(1.0, abs=0.15)


def test_the_rotation_of_the_whole_is_kept(made: Shots) -> None:
    whole = ("shift", "distance", "tilt", "rotation")
    found = _refined(made, split_dataset=False, detector={"whole": whole})
    other = _refined(made, split_dataset=False)
    beam = np.array([0.0, 0.0, -1.0])
    apart = congruence(found.experiment.detector, other.experiment.detector, beam)
    assert abs(apart.rotation) < 1e-3
    assert apart.worst < 1e-3


def test_the_limit_of_rmsds(made: Shots) -> None:
    strict = _refined(made, split_dataset=False, rmsd_filter={"iqr_multiplier": 0.0})
    loose = _refined(made, split_dataset=False, rmsd_filter={"iqr_multiplier": 20.0})
    assert loose.n_rejected == 0
    assert 5 <= strict.n_rejected <= 8  # a quarter of 30 lies beyond the third quartile
    assert strict.rmsds[np.isin(strict.selected, strict.rows)].max() < strict.rmsds.max()


def test_fixed_cells_are_the_target_cell_wherever_they_start(made: Shots) -> None:
    a = (
        made.stills["a_matrix"]
        * np.linspace(0.997, 1.003, len(made.stills["a_matrix"]))[:, None, None]
    )
    off = replace(made, stills={**made.stills, "a_matrix": a})
    same = _refined(made, split_dataset=False, cell={"fix": True}).whole
    found = _refined(off, split_dataset=False, cell={"fix": True}).whole
    np.testing.assert_allclose(centres(found.detector), centres(same.detector), atol=2e-5)
    assert np.abs(found.crystals.strain).max() == 0.0


def test_restrained_cells_do_not_depend_on_where_they_start(made: Shots) -> None:
    a = (
        made.stills["a_matrix"]
        * np.linspace(0.997, 1.003, len(made.stills["a_matrix"]))[:, None, None]
    )
    off = replace(made, stills={**made.stills, "a_matrix": a})
    same, found = (
        _refined(m, split_dataset=False, cell={"restraint": 2e-4}).whole for m in (made, off)
    )
    np.testing.assert_allclose(centres(found.detector), centres(same.detector), atol=2e-5)
