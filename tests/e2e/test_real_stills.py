"""Real stills through the steps of `dxdask stills_process`, beside what DIALS makes of them."""

from __future__ import annotations

import bz2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.still_runs import stills

from dxdask.columns import Flag, has_flag
from dxdask.errors import InputError
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.shared

DEFAULTS: dict[str, Any] = dict.fromkeys(
    (
        "spotfinder.threshold.algorithm",
        "spotfinder.threshold.dispersion.global_threshold",
        "spotfinder.filter.min_spot_size",
    )
)
THAUMATIN: dict[str, Any] = {
    **DEFAULTS,
    "indexing.known_symmetry.unit_cell": (57.8, 57.8, 150.0, 90.0, 90.0, 90.0),
    "indexing.known_symmetry.space_group": "P41212",
}
BLIND = dict.fromkeys(name for name in THAUMATIN if "known_symmetry" in name)
THERMOLYSIN: dict[str, Any] = {
    "spotfinder.threshold.dispersion.gain": 25,
    "spotfinder.threshold.dispersion.global_threshold": 100,
    "indexing.known_symmetry.unit_cell": (92.9, 92.9, 130.4, 90.0, 90.0, 120.0),
    "indexing.known_symmetry.space_group": "P6122",
}
# spots that dials.ssx_index indexes on each frame of the grid that has more than ten
BY_DIALS = {2: 495, 5: 828, 8: 709, 10: 610, 12: 562, 14: 309, 15: 42}
# reflections that dials.ssx_integrate (3.12, ellipsoid) integrates on these, and stills_process
ELLIPSOID = 22_825
CSPAD_BY_DIALS = [824, 146]


def files(shared: Path, folder: str, pattern: str) -> list[Path]:
    return sorted((shared / "data" / "real" / folder).glob(pattern))


def usable(store: Store) -> dict[str, np.ndarray]:
    """Return the observations that are to be merged."""
    table = store.read_step("integrate").reflections
    good = has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, Flag.OVERLAPPED_FG)
    return {name: values[good] for name, values in table.items()}


def significance(table: dict[str, np.ndarray], low: float, high: float) -> float:
    """Return the mean I/sigma of resolutions between two, A."""
    own = (table["d"] < low) & (table["d"] >= high)
    return float((table["intensity_sum"] / table["intensity_sum_variance"] ** 0.5)[own].mean())


@pytest.fixture(scope="module")
def grid(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The eight frames of a grid scan, files of their own, packed; not to be written to."""
    output = tmp_path_factory.mktemp("grid") / "grid.zarr"
    return stills(files(shared, "thaumatin_grid", "*.bz2"), output, **THAUMATIN)


def test_files_of_single_stills_are_the_events_of_one_run(grid: Store) -> None:
    assert list(grid.runs) == ["thau_3_2"]
    table = grid.arrays("index")
    # events are identified by the numbers of their files
    assert table["event_id"].tolist() == [2, 5, 8, 10, 12, 14, 15, 17]
    assert grid.show()["problems"] == []


def test_every_frame_of_the_grid_with_spots_is_indexed(grid: Store) -> None:
    rows = grid.table("index", "stills").set_index("event_id")
    assert rows["indexed"].to_dict() == {**dict.fromkeys(BY_DIALS, True), 17: False}
    assert rows["hit"][17] == False  # noqa: E712 (a numpy bool)
    for event, n in BY_DIALS.items():
        row = rows.loc[event]
        assert row["n_indexed"] >= n
        assert max(row["rmsd_x_px"], row["rmsd_y_px"]) < 1.3
        # the distance in the header is a little long: DIALS finds 58.48 and 152.31
        np.testing.assert_allclose(row["cell"][:3], [58.48, 58.48, 152.31], rtol=0.006)


def test_reflections_of_the_grid_stay_apart_and_fall_off(grid: Store) -> None:
    table = usable(grid)
    assert len(table["d"]) >= ELLIPSOID
    ranges = ((50.0, 4.0), (4.0, 3.0), (3.0, 2.5), (2.5, 2.0), (2.0, 1.5))
    means = [significance(table, low, high) for low, high in ranges]
    assert means == sorted(means, reverse=True)
    assert means[0] > 7.0
    assert means[-1] < 1.5
    # what the crystals do not diffract to is noise about zero: background is neither missed
    # nor taken for more
    beyond = (table["d"] < 1.5) & (table["z"] == 6.5)
    sigmas = table["intensity_sum"][beyond] / table["intensity_sum_variance"][beyond] ** 0.5
    assert abs(sigmas.mean()) < 0.2
    assert 0.7 < sigmas.std() < 1.3


def test_stills_of_the_grid_agree_and_are_merged(grid: Store) -> None:
    arrays = grid.arrays("merge")
    scaled = arrays["event_id"][np.isfinite(arrays["scale"])]
    assert scaled.tolist() == [2, 5, 8, 10, 12, 14]
    # the weakest still, of 51 indexed spots, is mostly noise: it is left out by its correlation
    # with the others, 0.27, where theirs are 0.55 and more
    correlation = dict(zip(arrays["event_id"].tolist(), arrays["cc_to_others"], strict=True))
    assert 0.1 < correlation[15] < 0.4
    assert min(correlation[event] for event in scaled.tolist()) > 0.5
    row = grid.table("merge", "overall").iloc[0]
    assert row["n_obs"] > 18_000
    assert row["multiplicity"] > 3.0
    assert row["cc_half"] > 0.97


@pytest.mark.slow
def test_the_cell_of_the_grid_is_found(shared: Path, tmp_path: Path) -> None:
    paths = files(shared, "thaumatin_grid", "*.bz2")
    given = {**THAUMATIN, **BLIND, "dispatch.integrate": False}
    store = stills(paths, tmp_path / "blind.zarr", **given)
    row = store.table("index", "consensus").iloc[0]
    assert (row["lattice"], row["n_crystals"]) == ("tP", 7)
    np.testing.assert_allclose([row["a"], row["c"]], [58.5, 152.3], rtol=0.01)
    assert store.arrays("index")["indexed"].sum() == 7


def test_packed_or_not_and_apart_or_together(grid: Store, shared: Path, tmp_path: Path) -> None:
    packed = files(shared, "thaumatin_grid", "*.bz2")[5:]
    plain = []
    for path in packed:
        plain.append(tmp_path / path.stem)
        plain[-1].write_bytes(bz2.decompress(path.read_bytes()))
    plain[1] = plain[1].rename(tmp_path / "other_0015.cbf")
    given = {**THAUMATIN, "dispatch.integrate": False}
    store = stills(plain, tmp_path / "a.zarr", **given)
    assert sorted(store.runs) == ["other", "thau_3_2"]
    table, expected = store.arrays("index"), grid.arrays("index")
    order = np.argsort(table["event_id"])
    for name in ("event_id", "n_spots", "n_indexed", "a_matrix", "hit"):
        np.testing.assert_array_equal(table[name][order], expected[name][5:], err_msg=name)


def test_a_still_alone(shared: Path, tmp_path: Path) -> None:
    store = stills(files(shared, "thaumatin_still", "*.gz"), tmp_path / "a.zarr", **THAUMATIN)
    row = store.table("index", "stills").iloc[0]
    assert row["n_spots"] == 649
    assert row["n_indexed"] >= 637
    table = usable(store)
    assert len(table["d"]) > 1086  # dials.ssx_integrate, stills
    assert significance(table, 50.0, 4.0) > 15.0
    # nothing to agree with: merged as it is
    assert store.table("merge", "overall").iloc[0]["n_obs"] > 1000


@pytest.fixture(scope="module")
def cspad(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    output = tmp_path_factory.mktemp("cspad") / "cspad.zarr"
    return stills(files(shared, "thermolysin_cspad", "*.cbf"), output, **THERMOLYSIN)


def test_both_shots_on_sixty_four_panels(cspad: Store) -> None:
    rows = cspad.table("index", "stills")
    assert rows["indexed"].all()
    assert rows["event_id"].tolist() == [20130301060858401, 20130301060858801]
    for (_, row), by_dials in zip(rows.iterrows(), (121, 40), strict=True):
        assert row["n_indexed"] >= by_dials
        assert max(row["rmsd_x_px"], row["rmsd_y_px"]) < 0.7
        np.testing.assert_allclose(row["cell"][:3], [93.4, 93.4, 131.15], rtol=0.003)
    # each shot has its own wavelength
    assert cspad.arrays("index")["wavelength"].tolist() == [1.272607, 1.270917]


def test_their_reflections(cspad: Store) -> None:
    table = usable(cspad)
    for image, by_dials in enumerate(CSPAD_BY_DIALS):
        assert (np.floor(table["z"]) == image).sum() >= by_dials
    assert significance(table, 50.0, 4.0) > 10.0
    assert significance(table, 2.5, 2.0) < 2.0
    assert cspad.table("merge", "overall").iloc[0]["n_obs"] > 500


def test_a_geometry_of_another_detector(shared: Path, cspad: Store, tmp_path: Path) -> None:
    paths = files(shared, "thaumatin_grid", "*.bz2")[6:7]
    given = {**THAUMATIN, "input.reference_geometry": str(cspad.path)}
    with pytest.raises(InputError, match="reference_geometry"):
        stills(paths, tmp_path / "a.zarr", **given)


def test_runs_of_two_detectors(shared: Path, tmp_path: Path) -> None:
    paths = [
        *files(shared, "thaumatin_grid", "*.bz2")[6:7],
        *files(shared, "thermolysin_cspad", "*.cbf"),
    ]
    with pytest.raises(InputError, match="recorded on different detectors"):
        stills(paths, tmp_path / "a.zarr", **THAUMATIN)
