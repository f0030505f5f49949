"""The values behind plots of residuals, on data with a known displacement and drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.residual_examples import observed, run, tiled

from dxdask.columns import Flag, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.report.values import (
    residual_histograms,
    residuals,
    residuals_by_image,
    residuals_over_detector,
)
from dxdask.report.values.detector_maps import mean_vectors


def test_residuals_are_observed_less_predicted() -> None:
    table, e = observed(run()), ExperimentList.of([run()])
    table["x"] += 0.3
    table["y"] -= 0.2
    table["z"] += 0.1
    table["x_variance"][:] = 0.01
    found = residuals((table, e))
    np.testing.assert_allclose(found["dx"], 0.3, atol=1e-9)
    np.testing.assert_allclose(found["dy"], -0.2, atol=1e-9)
    np.testing.assert_allclose(found["dz"], 0.1, atol=1e-9)
    np.testing.assert_allclose(found["x_z_score"], 3.0, atol=1e-6)
    assert found["y_z_score"].isna().all()  # no variance
    np.testing.assert_array_equal(found["image"], np.floor(table["z"]) + 1)


def test_only_reflections_used_in_refinement_count_unless_asked() -> None:
    table, e = observed(run()), ExperimentList.of([run()])
    table["flags"][::2] &= ~np.uint32(Flag.USED_IN_REFINEMENT)
    table["x"][::2] += 5.0
    table["x_cal"][3] = np.nan
    n = len(table["x"])
    assert np.abs(residuals((table, e))["dx"]).max() < 1e-9
    assert len(residuals((table, e))) == n // 2 - 1
    assert len(residuals((table, e), used=False)) == n - 1
    none = dict(table, flags=np.zeros(n, np.uint32))
    with pytest.raises(InputError, match=r"none of .* has an observed and a predicted"):
        residuals((none, e))


def test_a_displaced_module_is_seen_in_its_bins_and_only_there() -> None:
    table, e = observed(run(), noise=0.05), ExperimentList.of([run()])
    second = table["y_cal"] > 150
    table["x"][second] += 1.5
    table["y"][second] -= 0.4
    found = residuals_over_detector((table, e), bin_size=30)
    assert found.box[:, 1].max() == 300
    assert found.box[:, 3].max() == 280
    assert found.n.sum() == len(table["x"])
    rows = found.n >= 5
    lower, upper = found.box[:, 2] >= 151, found.box[:, 3] <= 150
    for part, dx, dy in ((lower, 1.5, -0.4), (upper, 0.0, 0.0)):
        np.testing.assert_allclose(found.mean["x"][rows & part], dx, atol=0.1)
        np.testing.assert_allclose(found.mean["y"][rows & part], dy, atol=0.1)
        np.testing.assert_allclose(found.mean["z"][rows & part], 0.0, atol=0.1)
        np.testing.assert_allclose(found.rmsd["x"][rows & part], np.hypot(dx, 0.05), atol=0.1)
    assert np.isnan(found.mean["x"][found.n < 3]).all()
    centre, vector, known = mean_vectors(found)
    assert known.sum() == (found.n >= 3).sum()
    far = known & (centre[:, 1] > 160) & rows
    np.testing.assert_allclose(vector[far].mean(axis=0), (1.5, -0.4), atol=0.03)


def test_240_panels_have_bins_of_their_own_in_the_layout_of_the_frame() -> None:
    one = run(n_images=360)
    many = replace(one, detector=tiled(one.detector, 240))
    table, e = observed(many), ExperimentList.of([many])
    moved = table["panel"] == 101
    assert moved.sum() >= 3
    table["x"][moved] += 2.0
    found = residuals_over_detector((table, e))
    assert len(found.panels) == 240
    for i, panel in enumerate(many.detector.panels):
        own = found.box[found.panel == i]
        x, y = panel.offset
        assert own[:, 0].min() == x
        assert own[:, 2].min() == y
        assert own[:, 1].max() == x + panel.image_size[0]
    shown = found.n >= 3
    np.testing.assert_allclose(found.mean["x"][shown & (found.panel == 101)], 2.0, atol=1e-6)
    np.testing.assert_allclose(found.mean["x"][shown & (found.panel != 101)], 0.0, atol=1e-6)


def test_several_runs_on_one_detector_are_one_map_and_other_layouts_are_refused() -> None:
    runs = run("one"), run("two")
    table = observed(*runs)
    table["x"] += np.where(table["experiment"] == 0, 1.0, -1.0)
    found = residuals_over_detector((table, ExperimentList.of(runs)))
    assert found.n.sum() == len(table["x"])
    np.testing.assert_allclose(np.average(found.mean["x"][found.n > 2]), 0.0, atol=0.2)
    differ = ExperimentList.of([run("one"), run("two", panels=4)])
    with pytest.raises(InputError, match="2 layouts of panels"):
        residuals_over_detector((observed(*differ), differ))
    with pytest.raises(InputError, match="larger than 0"):
        residuals_over_detector((table, ExperimentList.of(runs)), bin_size=-3)


def test_a_drift_along_the_scan_is_seen_image_by_image() -> None:
    runs = run("one"), run("two", n_images=20)
    table = observed(*runs)
    image = np.floor(table["z"])
    table["x"] += 0.01 * (image - 4)
    sign = np.where(np.arange(len(image)) % 2 == 0, 1.0, -1.0)
    table["y"] += 0.3 * sign
    found = residuals_by_image((table, ExperimentList.of(runs)))
    assert found.groupby("run").size().to_dict() == {"one": 40, "two": 20}
    first = found[found["run"] == "one"]
    np.testing.assert_array_equal(first["image"], np.arange(5, 45))
    np.testing.assert_allclose(first["mean_x_px"], 0.01 * np.arange(40), atol=1e-9)
    np.testing.assert_allclose(found["rmsd_y_px"], 0.3, atol=1e-9)
    assert found["n"].sum() == len(image)
    row, own = first.iloc[3], (table["experiment"] == 0) & (image == 7)
    assert row["n"] == own.sum()
    assert row["mean_y_px"] == pytest.approx(0.3 * sign[own].mean())
    np.testing.assert_allclose(found["mean_z_images"], 0.0, atol=1e-9)


def test_histograms_and_z_scores_are_those_of_the_noise() -> None:
    table, e = observed(run(n_images=200), noise=0.2), ExperimentList.of([run(n_images=200)])
    table["y"] += 0.1
    found = residual_histograms((table, e), n_bins=40)
    n = len(table["x"])
    assert list(found) == ["x", "y", "z"]
    assert all(h.counts.sum() == h.n == n for h in found.values())
    assert found["x"].rmsd == pytest.approx(0.2, rel=0.05)
    assert found["y"].mean == pytest.approx(0.1, abs=0.02)
    middle = 0.5 * (found["x"].edges[1:] + found["x"].edges[:-1])
    spread = np.sqrt(np.average(middle**2, weights=found["x"].counts))
    assert spread == pytest.approx(0.2, rel=0.05)
    scores = residual_histograms((table, e), z_scores=True)
    assert scores["x"].rmsd == pytest.approx(1.0, rel=0.05)
    assert scores["y"].mean == pytest.approx(0.5, abs=0.1)


def test_stills_have_no_residuals_along_the_scan_and_no_z_scores_without_variances() -> None:
    table, e = observed(run()), ExperimentList.of([run()])
    del table["z_cal"]
    found = residuals((table, e))
    assert found["dz"].isna().all()
    assert list(residual_histograms((table, e))) == ["x", "y"]
    with pytest.raises(InputError, match="no variances"):
        residual_histograms((table, e), z_scores=True)


def test_empty_input_says_what_to_do() -> None:
    table, e = observed(run()), ExperimentList.of([run()])
    with pytest.raises(InputError, match="no reflections to plot"):
        residuals((select(table, np.arange(0)), e))
    with pytest.raises(InputError, match="lack x_cal, y_cal; give those of a step"):
        residuals(({k: v for k, v in table.items() if k not in ("x_cal", "y_cal")}, e))


def test_weak_integrated_reflections_have_no_place() -> None:
    table, e = observed(run()), ExperimentList.of([run()])
    n = len(table["x"])
    strong = np.arange(n) % 2 == 0
    table["partiality"] = np.ones(n)
    table["intensity_sum"] = np.where(strong, 100.0, 10.0)
    table["intensity_sum_variance"] = np.full(n, 100.0)
    table["x"] += np.where(strong, 0.2, 30.0)
    found = residuals((table, e))
    assert len(found) == strong.sum()
    np.testing.assert_allclose(found["dx"], 0.2, atol=1e-9)
