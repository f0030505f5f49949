"""The simulated XFEL run from its files to merged intensities, against the truth."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.spatial import cKDTree
from support.still_examples import LYSOZYME, TETRAGONAL, misorientation, true_crystals
from support.still_runs import stills

from dxdask.storage.store.calibration import read_calibration
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.shared

SPOTS: dict[str, Any] = {
    "spotfinder.threshold.dispersion.gain": 1.5,
    "spotfinder.threshold.dispersion.sigma_background": 6,
    "spotfinder.threshold.dispersion.sigma_strong": 4,
    "indexing.known_symmetry.unit_cell": LYSOZYME,
}
BLIND = dict.fromkeys(f"indexing.known_symmetry.{n}" for n in ("unit_cell", "space_group"))


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "stills"


@pytest.fixture(scope="module")
def corrected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return stills(folder / "corrected.h5", tmp_path_factory.mktemp("c") / "c.zarr", **SPOTS)


def check_crystals(store: Store, truth: dict[int, np.ndarray], n_events: int) -> None:
    table = store.arrays("index")
    assert len(table["hit"]) == n_events
    assert np.flatnonzero(table["hit"]).tolist() == sorted(truth)
    assert np.flatnonzero(table["indexed"]).tolist() == sorted(truth)
    angles = [misorientation(table["a_matrix"][i], truth[i], TETRAGONAL) for i in truth]
    assert max(angles) < 0.2
    # the nominal geometry alone rotates crystals by 0.06 degree
    assert np.median(angles) < 0.08


def test_all_hits_no_blank_and_the_right_crystals(corrected: Store, folder: Path) -> None:
    check_crystals(corrected, true_crystals(folder), 53)
    assert corrected.show()["problems"] == []


@pytest.mark.slow
def test_the_cell_need_not_be_known(folder: Path, tmp_path: Path) -> None:
    store = stills(folder / "corrected.h5", tmp_path / "b.zarr", **{**SPOTS, **BLIND})
    row = store.table("index", "consensus").iloc[0]
    assert row["lattice"] == "tP"
    assert row["n_crystals"] >= 39
    np.testing.assert_allclose([row["a"], row["b"], row["c"]], LYSOZYME[:3], rtol=0.005)
    check_crystals(store, true_crystals(folder), 53)


def test_raw_events_and_a_dark_run_alone(corrected: Store, folder: Path, tmp_path: Path) -> None:
    raw, dark = str(folder / "raw.h5"), str(folder / "dark.h5")
    given = {
        "calibration.dark_path": dark,
        "calibration.gain_map": f"{raw}:entry/calibration/gain_milliADU_per_photon",
        "calibration.gain_map_scale": 0.001,
        "calibration.unbonded": f"{raw}:entry/calibration/unbonded",
    }
    store = stills(Path(raw), tmp_path / "r.zarr", **SPOTS, **given)
    check_crystals(store, true_crystals(folder, "raw.h5"), 26)
    kept = read_calibration(store.path, "raw")
    assert kept is not None
    assert kept.n_dark == 12
    spots, others = places(store), places(corrected, store.arrays("hits")["event_id"])
    assert 3500 < len(others) < 3600
    assert n_far(spots, others) + n_far(others, spots) < 40


def places(store: Store, only: np.ndarray | None = None) -> np.ndarray:
    """Return x, y of spots, events and panels set far apart; of these events if any are given."""
    found, table = store.columns("find_spots"), store.arrays("hits")
    event = table["event_id"][np.searchsorted(table["image"], np.floor(found["z"]))]
    far = event * 1e6 + found["panel"] * 1e4
    keep = np.ones(len(event), np.bool_) if only is None else np.isin(event, only)
    return np.column_stack([found["x"] + far, found["y"]])[keep]


def n_far(spots: np.ndarray, others: np.ndarray) -> int:
    """Return the number of spots with none of the others within a pixel."""
    return int(np.count_nonzero(cKDTree(others).query(spots)[0] > 1.0))


def test_merged_intensities_follow_the_true_ones(corrected: Store, folder: Path) -> None:
    correlation, n = with_truth(corrected, folder)
    assert correlation > 0.9
    assert n / 5066 > 0.67


def test_a_hot_pixel_and_dead_ones_do_not_spoil_them(
    corrected: Store, folder: Path, tmp_path: Path
) -> None:
    detector = corrected.experiments("integrate")[0].detector
    good = corrected.read_step("find_spots").arrays["bad_pixel_mask"].reshape(detector.frame_shape)
    assert good.all()  # there are none, and reflections are not taken for them
    hot = most_covered(corrected)
    dead = [(hot[0] + 12, hot[1] + 30), (hot[0] + 13, hot[1] + 30), (400, 100)]
    path = tmp_path / "bad.h5"
    shutil.copy(folder / "corrected.h5", path)
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        frames = file["entry/data/data"]
        values = frames[:]
        values[:, hot[0], hot[1]] += np.random.default_rng(1).poisson(6000, len(values))
        for place in dead:
            values[:, place[0], place[1]] = 0
        frames[:] = values
    store = stills(path, tmp_path / "bad.zarr", **SPOTS)
    found = store.read_step("find_spots").arrays["bad_pixel_mask"].reshape(detector.frame_shape)
    assert sorted(map(tuple, np.argwhere(~found).tolist())) == sorted([hot, *dead])
    off = {**SPOTS, "spotfinder.mask_bad_pixels": False}
    spoilt = stills(path, tmp_path / "spoilt.zarr", **off)
    clean, masked, kept = (with_truth(s, folder)[0] for s in (corrected, store, spoilt))
    assert clean - masked < 0.1 * (clean - kept)


def most_covered(store: Store) -> tuple[int, int]:
    """Return the pixel (slow, fast) of the frame with most strong reflections on it."""
    rows, panels = store.columns("integrate"), store.experiments("integrate")[0].detector.panels
    origin = np.array([p.offset for p in panels])[rows["panel"]]
    places = np.column_stack([rows["x_cal"], rows["y_cal"]]) + origin
    bright = rows["intensity_sum"] > np.median(rows["intensity_sum"])
    tree = cKDTree(places[bright])
    n = [len(near) for near in tree.query_ball_point(places[bright], 1.5)]
    fast, slow = np.floor(places[bright][int(np.argmax(n))]).astype(int).tolist()
    return slow, fast


def with_truth(store: Store, folder: Path) -> tuple[float, int]:
    """Return the correlation of merged intensities with the true ones, and of how many."""
    with (folder / "true_intensities.csv").open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        truth = {(int(r["h"]), int(r["k"]), int(r["l"])): float(r["I"]) for r in rows}
    merged = store.columns("merge")
    known = np.array([_true(truth, tuple(hkl)) for hkl in merged["hkl"].tolist()])
    there = np.isfinite(known)
    assert there.mean() > 0.99
    inside = there & (merged["d"] > 2.4)
    correlation = np.corrcoef(known[inside], merged["intensity"][inside])[0, 1]
    return float(correlation), int(inside.sum())


def _true(truth: dict[tuple[int, int, int], float], hkl: tuple[int, int, int]) -> float:
    """Return I of a reflection in 422, by any of its equivalents."""
    h, k, l = (abs(x) for x in hkl)
    return truth.get((h, k, l), truth.get((k, h, l), np.nan))
