"""Beams that drift along their scans are found as they are, and static ones stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.drifting_sweeps import (
    beam_errors,
    drifting,
    errors,
    spots,
    static,
    sweep,
    with_drifting_beam,
    with_static_beams,
)

from dxdask.columns import select
from dxdask.models import Experiment, ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.predict import predict
from dxdask.results import StepResult

pytestmark = pytest.mark.jit

VARYING = {"beam": {"force_static": False}}


def refined(true: list[Experiment], **parameterisation: Any) -> StepResult:
    """Return the refinement from static models, without rejection of outliers."""
    given = {"parameterisation": parameterisation, "reflections": {"outlier": {"algorithm": None}}}
    start = with_static_beams(static(true))
    return refine(spots(true), start, RefinementParameters.model_validate(given))


def test_a_drift_of_the_beam_is_recovered() -> None:
    true = with_drifting_beam(sweep())
    result = refined([true], **VARYING)
    found = result.experiments[0]
    assert np.sqrt((beam_errors(found, true) ** 2).sum(axis=1).mean()) < 0.003
    # the crystal does not take up what the beam did
    assert found.crystal.scan_points is None
    assert errors(found.crystal, true.crystal, 120)[0].mean() < 0.003
    row = result.table("rmsds").rows[0]
    for name in ("rmsd_x_px", "rmsd_y_px", "rmsd_z_images"):
        assert row[name] == pytest.approx(0.2, abs=0.006)
    assert "Beams vary along the scan" in result.messages[-1]


def test_a_static_beam_does_not_fit_a_drift() -> None:
    result = refined([with_drifting_beam(sweep())])
    assert result.experiments.beams[0].s0_at_scan_points is None
    assert result.table("rmsds").rows[0]["rmsd_x_px"] > 0.4


def test_a_beam_that_does_not_drift_stays_where_it_is() -> None:
    true = [sweep()]
    plain, result = refined(true), refined(true, **VARYING)
    assert plain.experiments.beams[0].s0_at_scan_points is None
    along = result.experiments[0].beam.s0_at(np.arange(121.0))
    off = np.degrees(np.cross(plain.experiments[0].beam.s0, along) * true[0].beam.wavelength ** 2)
    # 5200 spots of 0.0095 degree determine three points each of two angles
    assert np.abs(off).max() < 0.002
    one, other = (
        errors(r.experiments[0].crystal, true[0].crystal, 120)[0] for r in (plain, result)
    )
    assert abs(other.mean() - one.mean()) < 0.001


def test_beam_and_crystal_drift_together() -> None:
    true = with_drifting_beam(drifting(sweep()))
    result = refined([true], scan_varying=True, interval_width_degrees=36.0, **VARYING)
    found = result.experiments[0]
    off = beam_errors(found, true)
    # their means belong to the gauge; what changes along the scan is determined
    assert np.abs(off - off.mean(axis=0)).max() < 0.005
    assert result.table("rmsds").rows[0]["rmsd_x_px"] == pytest.approx(0.2, abs=0.006)
    assert found.crystal.scan_points is not None


def test_each_run_has_a_beam_of_its_own() -> None:
    runs = [sweep(run=k) for k in range(2)]
    true = [runs[0], with_drifting_beam(runs[1])]
    result = refined(true, **VARYING)
    assert len(result.experiments.beams) == 2
    for found, wanted in zip(result.experiments, true, strict=True):
        assert np.abs(beam_errors(found, wanted)).max() < 0.006
    ranges = [np.ptp(e.beam.s0_at(np.arange(121.0)), axis=0).max() for e in result.experiments]
    assert ranges[0] < 0.15 * ranges[1]


def test_fixed_directions_keep_their_mean() -> None:
    true = with_drifting_beam(sweep(), waves=1.0)
    parts = []
    directions = ["in_spindle_plane", "out_spindle_plane"]
    for fix in (["in_spindle_plane", "wavelength"], [*directions, "wavelength"]):
        beam = {"force_static": False, "fix": fix}
        result = refined([true], beam=beam, scan_varying=True, interval_width_degrees=36.0)
        parts.append(result.experiments[0].beam)
    for beam in parts:
        before = with_static_beams(static([true])).beams[0].s0
        assert np.degrees(np.linalg.norm(np.cross(before, beam.s0))) < 0.02
        # the drift itself is there
        along = beam.s0_at(np.arange(121.0))
        assert np.degrees(np.ptp(along, axis=0)[:2]).min() > 0.05


def test_all_of_the_beam_fixed_does_not_vary() -> None:
    true = with_drifting_beam(sweep())
    for given in (
        {"beam": {"force_static": False, "fix": ["all"]}},
        {"beam": {"force_static": False}, "scan_varying": False},
    ):
        result = refined([true], **given)
        assert result.experiments.beams[0].s0_at_scan_points is None


def test_a_scan_of_a_few_images_keeps_its_beam() -> None:
    result = refined([sweep(9, 5.0)], **VARYING)
    assert result.experiments.beams[0].s0_at_scan_points is None


def test_points_without_spots_follow_their_neighbours() -> None:
    true = with_drifting_beam(sweep())
    table = spots([true])
    z = true.scan.z_from_phi(table["phi_rad"])
    given = {
        "parameterisation": {
            "beam": {"force_static": False, "interval_width_degrees": 12.0},
            "trim_scan_to_observations": False,
        },
        "reflections": {"outlier": {"algorithm": None}},
    }
    start = with_static_beams(static([true]))
    few = select(table, (z > 10) & ((z < 50) | (z > 65)))
    result = refine(few, start, RefinementParameters.model_validate(given))
    off = np.linalg.norm(beam_errors(result.experiments[0], true), axis=1)
    assert np.isfinite(off).all()
    assert off[12:].max() < 0.03


def test_refining_again_with_a_static_beam_gives_the_static_fit() -> None:
    true = with_drifting_beam(sweep())
    first = refined([true], **VARYING)
    given = {"parameterisation": {"scan_varying": False}}
    wanted = RefinementParameters.model_validate(given)
    start: ExperimentList = first.experiments
    again = refine(spots([true]), start, wanted)
    assert again.experiments.beams[0].s0_at_scan_points is None


def test_predictions_follow_the_beam() -> None:
    true = with_drifting_beam(sweep())
    table = spots([true], sigma=0.0)
    out = predict(table, ExperimentList.of([true]))
    # centroids are evaluated at the observed angle, as those of varying crystals
    np.testing.assert_allclose(out["x_cal_mm"], table["x_mm"], atol=1e-5)
    np.testing.assert_allclose(out["y_cal_mm"], table["y_mm"], atol=1e-5)
    np.testing.assert_allclose(out["phi_cal_rad"], table["phi_rad"], atol=1e-6)
    still = replace(true.beam, s0_at_scan_points=None)
    off = predict(table, ExperimentList.of([replace(true, beam=still)]))["x_cal_mm"]
    assert np.abs(off - table["x_mm"]).max() > 0.05
