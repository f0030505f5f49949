"""The simulated XFEL run from its files to merged intensities, against the truth."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

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
    with (folder / "true_intensities.csv").open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        truth = {(int(r["h"]), int(r["k"]), int(r["l"])): float(r["I"]) for r in rows}
    merged = corrected.columns("merge")
    known = [_true(truth, tuple(hkl)) for hkl in merged["hkl"].tolist()]
    there = np.isfinite(known)
    assert there.mean() > 0.99
    inside = there & (merged["d"] > 2.4)
    correlation = np.corrcoef(np.array(known)[inside], merged["intensity"][inside])[0, 1]
    assert correlation > 0.9
    assert inside.sum() / 5066 > 0.67


def _true(truth: dict[tuple[int, int, int], float], hkl: tuple[int, int, int]) -> float:
    """Return I of a reflection in 422, by any of its equivalents."""
    h, k, l = (abs(x) for x in hkl)
    return truth.get((h, k, l), truth.get((k, h, l), np.nan))
