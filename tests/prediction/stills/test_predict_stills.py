"""Tables of predicted stills: the same as still by still, whatever describes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up_stills import CELL, panels

from dxdask.columns import check
from dxdask.errors import InputError
from dxdask.models import Beam, Crystal, Experiment, ExperimentList, Scan
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.models.vectors import matrix
from dxdask.prediction import predict_all
from dxdask.prediction.stills import predict_still
from dxdask.prediction.stills.models import run_of_stills
from dxdask.prediction.stills.spread import spread_of

GROUP = "P 43 21 2"
BEAM = Beam(wavelength=1.3)


def a_matrix(seed: int) -> np.ndarray:
    turns = np.random.default_rng(seed).normal(0, 2, (1, 3))
    return rotation_matrices(turns)[0] @ b_matrix(CELL)


def run_of(seed: int = 0) -> Experiment:
    crystal = Crystal(a_matrix=matrix(a_matrix(seed)), space_group=GROUP)
    return Experiment(
        identifier=f"s{seed}", run=f"s{seed}", beam=BEAM, detector=panels(), crystal=crystal
    )


def stills(n: int, **more: object) -> dict[str, np.ndarray]:
    out = {
        "experiment": np.zeros(n, np.int32),
        "image": 3 + np.arange(n, dtype=np.int32),
        "wavelength": 1.3 + 0.01 * np.arange(n),
        "a_matrix": np.array([a_matrix(i) for i in range(n)]),
    }
    return out | more  # type: ignore[operator]


def test_rows_of_a_table_are_predicted_each_with_its_crystal_wavelength_and_widths() -> None:
    n = 3
    table = stills(
        n, domain_size=np.array([400.0, np.nan, 900.0]), half_mosaicity=np.array([0.1, 0.0, np.nan])
    )
    p = check(predict_all(run_of(), d_min=3.0, stills=table, n_sigma=2.0))
    shared = run_of_stills(panels(), BEAM, GROUP, d_min=3.0)
    sizes, mosaicities = (400.0, 1000.0, 900.0), (0.1, 0.0, 0.0)
    for i in range(n):
        spread = spread_of(sizes[i], mosaicities[i], 0.002)
        alone = predict_still(a_matrix(i), 1.3 + 0.01 * i, shared, spread, n_sigma=2.0)
        own = np.floor(p["z_cal"]) == 3 + i
        assert own.sum() > 20
        np.testing.assert_array_equal(p["hkl"][own], alone.hkl)
        np.testing.assert_array_equal(p["x_cal"][own], alone.x)
        np.testing.assert_array_equal(p["excitation_sigma"][own], alone.sigma)
    xy = [panels()[int(k)].ray_intersection(s) for k, s in zip(p["panel"], p["s1"], strict=True)]
    np.testing.assert_allclose(np.stack([p["x_cal_mm"], p["y_cal_mm"]], axis=1), xy, atol=1e-9)


def test_stills_without_a_crystal_are_passed_over() -> None:
    table = stills(4, indexed=np.array([True, False, True, True]))
    table["a_matrix"][2] = np.nan
    p = predict_all(run_of(), stills=table)
    assert set(np.floor(p["z_cal"]).tolist()) == {3.0, 6.0}
    none = predict_all(run_of(), stills=stills(2, indexed=np.zeros(2, np.bool_)))
    assert len(check(none)["d"]) == 0


def test_experiments_that_are_stills_are_predicted_with_their_own_crystals() -> None:
    one, two = run_of(0), replace(run_of(1), scan=Scan(image_range=(7, 7)))
    p = check(predict_all(ExperimentList.of([one, two]), d_min=3.0))
    table = stills(2)
    table["wavelength"][:] = 1.3
    rows = predict_all(one, d_min=3.0, stills=table)
    np.testing.assert_array_equal(p["hkl"], rows["hkl"])
    np.testing.assert_array_equal(np.unique(p["z_cal"]), [0.5, 6.5])


def test_absences_and_what_does_not_match_are_refused() -> None:
    wide = {"stills": stills(1), "domain_size": 60.0, "bandwidth": 0.05}
    every, some = (
        predict_all(run_of(), **wide),
        predict_all(run_of(), **wide, exclude_absences=True),
    )
    h, k, l = every["hkl"].T
    axes = ((h == 0) & (k == 0) & (l % 4 != 0)) | ((l == 0) & (k == 0) & (h % 2 != 0))
    axes |= (l == 0) & (h == 0) & (k % 2 != 0)
    assert axes.any()
    np.testing.assert_array_equal(every["hkl"][~axes], some["hkl"])
    other = stills(1, experiment=np.full(1, 4, np.int32))
    with pytest.raises(InputError, match="a still is of experiment 4, there are 1"):
        predict_all(run_of(), stills=other)
    with pytest.raises(InputError, match="no crystal"):
        predict_all(replace(run_of(), crystal=None))
