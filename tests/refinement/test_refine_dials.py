"""Refinement of real and simulated centroids beside what DIALS 3.12 made of the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dxdask.columns import Flag
from dxdask.models import Detector, Group
from dxdask.models.parallax_law import panel_with_law
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix, vector
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.geometry import goniometer_frames, observed_s1
from dxdask.refinement.predict import predict
from dxdask.storage.importers.dials.files import read_experiments

pytestmark = pytest.mark.shared

MM = ("x_mm", "y_mm", "phi_rad")


def table_of(experiment, panel, mm, variances):
    n = len(mm)
    out = {
        "experiment": experiment.astype(np.int32),
        "panel": panel.astype(np.int32),
        "hkl": np.zeros((n, 3), dtype=np.int32),
        "flags": np.full(n, Flag.STRONG, dtype=np.uint32),
    }
    for k, name in enumerate(MM):
        out[name] = mm[:, k].copy()
        out[f"{name}_variance"] = variances[:, k].astype(np.float64)
    return out


@pytest.fixture(scope="module")
def lysozyme(shared):
    folder = shared / "reference/lysozyme_ed"
    file = np.load(folder / "indexed.npz")
    table = table_of(file["id"], file["panel"], file["xyzobs.mm.value"], file["xyzobs.mm.variance"])
    table["hkl"] = file["miller_index"].astype(np.int32)
    table["flags"] = file["flags"].astype(np.uint32)
    return table, read_experiments(folder / "indexed.expt"), file


def test_predictions_are_those_of_dials(lysozyme):
    table, experiments, file = lysozyme
    out = predict({**table, "entering": file["entering"]}, experiments)
    theirs = file["xyzcal.px"]
    ok = (table["flags"] & Flag.INDEXED) != 0
    difference = np.column_stack([out["x_cal"], out["y_cal"], out["z_cal"]])[ok] - theirs[ok]
    assert ok.sum() > 1000
    np.testing.assert_allclose(difference, 0.0, atol=1e-9)


def test_electron_diffraction_of_lysozyme(lysozyme):
    table, experiments, _ = lysozyme
    wanted = {
        "parameterisation": {"detector": {"fix": "distance"}, "scan_varying": False},
        "reflections": {"min_zeta": 0.0},
    }
    result = refine(table, experiments, RefinementParameters.model_validate(wanted))
    row = result.table("rmsds").rows[0]
    # logs/refine.log: 0.97234 0.95076 px, 0.78782 images of 1069; which centroids MCD rejects
    # depends on its random subsets, hence 2 %.
    assert "1185 observations matched" in result.messages[0]
    assert row["n"] == pytest.approx(1069, rel=0.02)
    assert row["rmsd_x_px"] == pytest.approx(0.97234, rel=0.02)
    assert row["rmsd_y_px"] == pytest.approx(0.95076, rel=0.02)
    assert row["rmsd_z_images"] == pytest.approx(0.78782, rel=0.02)
    a, _, c, *_ = result.experiments.crystals[0].unit_cell
    assert a == pytest.approx(77.746, abs=0.05)
    assert c == pytest.approx(41.00, abs=0.1)


@pytest.mark.parametrize(("width", "fix_gauge"), [("auto", True), (36.0, False)])
def test_electron_diffraction_of_lysozyme_along_the_scan(lysozyme, width, fix_gauge):
    table, experiments, _ = lysozyme
    wanted = {"detector": {"fix": "distance"}, "interval_width_degrees": width}
    wanted["fix_gauge"] = fix_gauge
    result = refine(table, experiments, RefinementParameters(parameterisation=wanted))
    row = result.table("rmsds").rows[0]
    # DIALS's scan-varying refinement: 0.76, 0.69 px, 0.38 images
    assert row["n"] > 1040
    assert row["rmsd_x_px"] < 0.765
    assert row["rmsd_y_px"] < 0.695
    assert row["rmsd_z_images"] < 0.385
    points = result.experiments.crystals[0].scan_points
    assert len(points) == experiments.scans[0].n_images + 1


def insulin_table(shared, experiments):
    """The strong spots, indexed by the model itself: hkl is the integer nearest to A^-1 r."""
    file = np.load(shared / "reference/insulin/strong.npz")
    px, variances, of = file["xyzobs.px.value"], file["xyzobs.px.variance"], file["id"]
    mm, scales = np.empty_like(px), np.empty_like(px)
    for i, e in enumerate(experiments):
        mine = of == i
        mm[mine, :2] = e.detector[0].pixel_to_mm(px[mine, :2])
        mm[mine, 2] = e.scan.phi_from_z(px[mine, 2])
        scales[mine] = (*e.detector[0].pixel_size, e.scan.image_width_rad)
    table = table_of(of, np.zeros(len(of)), mm, variances * scales**2)
    frames, axes = goniometer_frames(experiments)
    s1 = observed_s1(table, experiments)
    for i, e in enumerate(experiments):
        mine = of == i
        back = rotation_matrices(np.outer(-table["phi_rad"][mine], axes[i]))
        r = np.einsum("nij,nj->ni", back, s1[mine] - e.beam.s0)
        h = r @ np.linalg.inv(frames[i] @ e.crystal.a).T
        ok = (np.abs(h - np.round(h)) < 0.3).all(axis=1)
        table["hkl"][mine] = np.where(ok[:, None], np.round(h), 0)
        table["flags"][mine] |= np.where(ok, Flag.INDEXED, 0).astype(np.uint32)
    return table


def test_five_runs_of_insulin(shared):
    experiments = read_experiments(shared / "reference/insulin/indexed.expt")
    table = insulin_table(shared, experiments)
    static = {"parameterisation": {"scan_varying": False}}
    result = refine(table, experiments, RefinementParameters.model_validate(static))
    assert "There are 39 parameters" in " ".join(result.messages)
    # logs/dials.refine_static.log
    theirs = [
        (27541, 0.35026, 0.36232, 0.21978),
        (34887, 0.34044, 0.34680, 0.22337),
        (42370, 0.33304, 0.33296, 0.22533),
        (49466, 0.31996, 0.31290, 0.23080),
        (56193, 0.31584, 0.30388, 0.22633),
    ]
    ours = [
        (r["n"], r["rmsd_x_px"], r["rmsd_y_px"], r["rmsd_z_images"])
        for r in result.table("rmsds").rows
    ]
    np.testing.assert_allclose(ours, theirs, rtol=0.03)
    crystal = result.experiments.crystals[0]
    assert crystal.unit_cell[0] == pytest.approx(77.5306, abs=0.02)
    assert crystal.cell_su is not None
    assert crystal.cell_su[0] == pytest.approx(0.0017, rel=0.1)
    expected = read_experiments(shared / "reference/insulin/refined_static.expt")
    for mine, other in zip(result.experiments.detectors, expected.detectors, strict=True):
        assert mine[0].distance == pytest.approx(other[0].distance, abs=0.02)


MODULES = ((0, 512), (548, 1060))


def at_distance(panel, distance):
    return replace(
        panel, origin=vector(np.asarray(panel.origin) * (1.0, 1.0, distance / panel.distance))
    )


def modules_of(panel):
    """The panel cut into the two modules of insulin, each in a group of its own."""
    places = [np.asarray(panel.origin) + y * panel.pixel_size[1] * np.asarray(panel.slow_axis)
              for y, _ in MODULES]  # fmt: skip
    panels = tuple(
        replace(panel, origin=tuple(place), image_size=(1024, y1 - y0), offset=(0, y0))
        for place, (y0, y1) in zip(places, MODULES, strict=True)
    )
    axes = {"fast_axis": panel.fast_axis, "slow_axis": panel.slow_axis}
    groups = tuple(Group(origin=p.origin, panels=(k,), **axes) for k, p in enumerate(panels))
    return Detector(panels=panels, root=Group(origin=panel.origin, groups=groups))


def on_modules(table, panel, detector):
    """The reflections on the modules of the panel."""
    xy = panel.mm_to_pixel(np.column_stack([table["x_mm"], table["y_mm"]]))
    parts = []
    for k, (module, (y0, y1)) in enumerate(zip(detector.panels, MODULES, strict=True)):
        rows = np.flatnonzero((xy[:, 1] >= y0) & (xy[:, 1] < y1))
        part = {name: values[rows] for name, values in table.items()}
        part["panel"] = np.full(len(rows), k, dtype=np.int32)
        part["x_mm"], part["y_mm"] = module.pixel_to_mm(xy[rows] - (0, y0)).T
        parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in table}


@pytest.mark.parametrize(
    ("law", "distance", "cell", "within", "rmsd"),
    [("absorbed", 100.0, 78.0, 0.005, 0.1), ("dxtbx", 100.128, 78.0174, 0.004, 0.13)],
)
def test_modules_of_insulin_are_at_the_true_distance(shared, law, distance, cell, within, rmsd):
    """The face is at 100.00 mm, the cell 78.000 A; DIALS finds 100.11, 78.0066(16) (NOTES.md).

    dxtbx's shift depends otherwise on the angle than the true one, so that neither distance nor
    cell can be true: they are those of the best fit, with larger RMSDs. Standard uncertainties of
    the cell are 0.001 A.

    The start is the cell and distance that are true: those of one panel are 0.7 % too small.
    """
    given = read_experiments(shared / "reference/insulin/indexed.expt")
    panels = [at_distance(panel_with_law(d[0], law), 100.0) for d in given.detectors]
    (crystal,) = set(given.crystals)
    crystal = replace(crystal, a_matrix=matrix(crystal.a * crystal.unit_cell[0] / 78.0))
    experiments = replace(
        given, detectors=tuple(Detector(panels=(p,)) for p in panels),
        crystals=(crystal,) * len(given.crystals),
    )  # fmt: skip
    table = insulin_table(shared, experiments)
    cut = modules_of(panels[0])
    members = tuple(replace(m, beam=0, detector=0, crystal=0) for m in experiments.members)
    shared_models = replace(
        experiments, beams=experiments.beams[:1], detectors=(cut,), members=members,
        crystals=experiments.crystals[:1],
    )  # fmt: skip
    wanted = {"parameterisation": {"scan_varying": False, "detector": {"hierarchy_level": 1}}}
    parameters = RefinementParameters.model_validate(wanted)
    result = refine(on_modules(table, panels[0], cut), shared_models, parameters)
    found = result.experiments
    assert [p.distance for p in found.detectors[0].panels] == pytest.approx(
        [distance] * 2, abs=0.006
    )
    assert found.crystals[0].unit_cell[0] == pytest.approx(cell, abs=within)
    assert result.table("rmsds").rows[-1]["rmsd_x_px"] < rmsd
