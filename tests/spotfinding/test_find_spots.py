"""Spots of whole runs: made-up truth, DIALS's lists on real and simulated frames, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.committed import committed
from support.spot_examples import (
    assert_same_spots,
    experiment_for,
    experiment_of,
    read_bz2,
    spotty_frames,
)

from dxdask.columns import Flag, check
from dxdask.errors import InputError
from dxdask.models import Panel
from dxdask.spotfinding import SpotfinderParameters, find_spots


def test_spots_are_where_they_were_put() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (6, 40, 50)).astype(np.uint16)
    shape = np.array([[20, 60, 20], [60, 200, 60], [20, 60, 20]])
    for z, y, x, scale in ((1, 10, 12, 1), (2, 10, 12, 2), (4, 30, 40, 1)):
        frames[z, y - 1 : y + 2, x - 1 : x + 2] += (scale * shape).astype(np.uint16)
    result = find_spots(frames, experiment_for(frames, first_image=11))
    spots = check(result.reflections, ["experiment", "panel", "flags"])
    centre = np.stack([spots[k] for k in "xyz"], axis=1)
    np.testing.assert_allclose(centre, [[12.5, 10.5, 12.17], [40.5, 30.5, 14.5]], atol=0.1)
    assert spots["bbox"][:, 4:].tolist() == [[11, 13], [14, 15]]
    assert (spots["flags"] == Flag.STRONG).all()
    assert spots["peak"][1] == frames[4, 30, 40]
    pixels = result.arrays
    z, y, x = pixels["pixel_z"], pixels["pixel_y"], pixels["pixel_x"]
    np.testing.assert_array_equal(pixels["pixel_value"], frames[z - 10, y, x])
    rows = result.table("images").rows
    assert [r["image"] for r in rows] == list(range(11, 17))
    assert [r["n_spots"] for r in rows] == [0, 0, 1, 0, 1, 0]
    assert sum(r["n_strong_pixels"] for r in rows) >= pixels["pixel_x"].size


@pytest.mark.shared
def test_electron_frames_give_the_spots_of_dials(shared: Path) -> None:
    paths = sorted((shared / "data/real/lysozyme_ed").glob("*.img.bz2"))
    frames = np.stack([read_bz2(p) for p in paths])
    experiment = experiment_of(shared / "reference/lysozyme_ed/imported.expt")
    parameters = SpotfinderParameters.model_validate({"filter": {"d_min": 2.0}})
    result = find_spots(frames, experiment, None, parameters)
    assert_same_spots(result, np.load(shared / "reference/lysozyme_ed/strong.npz"), 0)
    assert result.messages[:-1] == (
        "Extracted 2547 spots",
        "Removed 1156 spots with size < 3 pixels",
        "Removed 1 spots with size > 1000 pixels",
        "Calculated 1390 spot centroids",
        "Calculated 1390 spot intensities",
        "Filtered 1385 of 1390 spots by peak-centroid distance",
    )
    strong = [row["n_strong_pixels"] for row in result.tables[0].rows]
    assert strong[:3] == [3546, 3539, 3625]
    assert strong[-1] == 4172


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["dispersion", "dispersion_extended"])
def test_grid_frames_give_the_spots_of_dials(shared: Path, algorithm: str) -> None:
    reference = np.load(shared / f"reference/thaumatin_grid_strong_{algorithm}.npz")
    parameters = SpotfinderParameters.model_validate({"threshold": {"algorithm": algorithm}})
    paths = sorted((shared / "data/real/thaumatin_grid").glob("*.cbf.bz2"))
    assert len(paths) == 8
    for i, path in enumerate(paths):
        frames = read_bz2(path)[None]
        panel = Panel(image_size=(2463, 2527), trusted_range=(-1, 1048575))
        number = int(path.name[9:13])
        experiment = experiment_for(frames, first_image=number, width=0.0, panels=(panel,))
        assert_same_spots(find_spots(frames, experiment, None, parameters), reference, i)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 4])
def test_insulin_gives_the_spots_of_dials(shared: Path, index: int) -> None:
    h5py = pytest.importorskip("h5py")
    pytest.importorskip("hdf5plugin")
    path = sorted((shared / "data/insulin").glob("run*/*.nxs"))[index]
    with h5py.File(path) as file:
        frames = file["entry/data/data"][()]
        mask = file["entry/instrument/detector/pixel_mask"][()] == 0
    experiment = experiment_of(shared / "reference/insulin/imported.expt", index)
    parameters = SpotfinderParameters(mask_bad_pixels=False)  # DIALS masks none
    result = find_spots(frames, experiment, mask, parameters, experiment_index=index)
    assert_same_spots(result, np.load(shared / "reference/insulin/strong.npz"), index)
    assert (result.reflections["experiment"] == index).all()


def test_spots_do_not_join_across_panels() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (1, 40, 60)).astype(np.uint16)
    frames[0, 18:23, 28:32] += 100
    whole = find_spots(frames, experiment_for(frames))
    assert len(whole.reflections["x"]) == 1
    panels = tuple(
        Panel(image_size=(30, 40), offset=(x, 0), trusted_range=(-1, 65535)) for x in (0, 30)
    )
    halves = find_spots(frames, experiment_for(frames, panels=panels)).reflections
    assert halves["panel"].tolist() == [0, 1]
    np.testing.assert_allclose(halves["x"], [29.0, 1.0], atol=0.15)
    assert halves["bbox"][:, :2].tolist() == [[28, 30], [0, 2]]


@pytest.mark.parametrize("still", [False, True])
def test_stills_and_force_2d_end_spots_with_their_image(still: bool) -> None:
    frames = np.random.default_rng(1).poisson(1.0, (3, 30, 30)).astype(np.uint16)
    frames[:, 10:13, 10:13] += 100
    parameters = SpotfinderParameters(force_2d=not still)
    spots = find_spots(
        frames, experiment_for(frames, width=0.0 if still else 0.1), None, parameters
    )
    assert spots.reflections["z"].tolist() == [0.5, 1.5, 2.5]
    assert spots.reflections["z_variance"].tolist() == [1 / 12] * 3
    assert len(find_spots(frames, experiment_for(frames)).reflections["z"]) == 1


def test_gain_and_pedestal_of_a_panel() -> None:
    """Counts at another gain and offset give the spots of the photons."""
    photons = spotty_frames((4, 40, 50), 12)
    plain_spots = find_spots(photons, experiment_for(photons)).reflections
    counts = photons.astype(np.int32) * 4 + 50
    panel = Panel(image_size=(50, 40), trusted_range=(49, 10**6), gain=4.0, pedestal=50.0)
    spots = find_spots(counts, experiment_for(counts, panels=(panel,))).reflections
    assert len(plain_spots["x"]) > 5
    np.testing.assert_array_equal(spots["bbox"], plain_spots["bbox"])
    np.testing.assert_allclose(spots["x"], plain_spots["x"], rtol=1e-12)
    np.testing.assert_allclose(spots["intensity_sum"], plain_spots["intensity_sum"])


@pytest.mark.jit
def test_filters() -> None:
    frames = spotty_frames()
    experiment = experiment_for(frames)

    def found(**filters: Any) -> Any:
        parameters = SpotfinderParameters.model_validate({"filter": filters})
        return find_spots(frames, experiment, None, parameters).reflections

    sizes = found(min_spot_size=1, max_separation=None)["n_pixels"]
    assert sizes.min() < 3
    assert found(min_spot_size=12)["n_pixels"].min() >= 12
    assert found(max_spot_size=9)["n_pixels"].max() <= 9
    assert len(found(min_spot_size=1, max_separation=0.3)["x"]) < len(sizes)
    ccd = Panel(type="SENSOR_CCD", image_size=(56, 48), trusted_range=(-1, 65535))
    spots = find_spots(frames, experiment_for(frames, panels=(ccd,))).reflections
    assert spots["n_pixels"].min() >= 6


def test_trusted_range_can_be_left_aside() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (1, 30, 30)).astype(np.uint16)
    frames[0, 10:13, 10:13] = 500
    panel = Panel(image_size=(30, 30), trusted_range=(-1, 500))
    experiment = experiment_for(frames, panels=(panel,))
    assert len(find_spots(frames, experiment).reflections["x"]) == 0
    parameters = SpotfinderParameters.model_validate({"filter": {"use_trusted_range": False}})
    assert len(find_spots(frames, experiment, None, parameters).reflections["x"]) == 1


def test_counts_beyond_int32_become_its_largest() -> None:
    frames = np.random.default_rng(1).poisson(1.0, (1, 40, 50)).astype(np.uint32)
    frames[0, 10:13, 10:13] = 2**32 - 1
    parameters = SpotfinderParameters.model_validate(
        {"threshold": {"algorithm": "radial_profile"}, "filter": {"use_trusted_range": False}}
    )
    result = find_spots(frames, experiment_for(frames), None, parameters)
    assert result.reflections["peak"].tolist() == [2**31 - 1]
    assert result.reflections["intensity_sum"].tolist() == [9 * (2.0**32 - 1)]
    assert set(result.arrays["pixel_value"].tolist()) == {2**31 - 1}


def test_frames_that_cannot_be_used_are_problems() -> None:
    frames = spotty_frames()
    frames[3] = 65535
    frames[7] = 0
    frames[7, ::2, ::3] = 900
    result = find_spots(frames, experiment_for(frames, first_image=5), None, None)
    loose = SpotfinderParameters.model_validate(
        {
            "threshold": {"algorithm": "dispersion", "dispersion": {"sigma_background": 0.0}},
            "filter": {"max_strong_pixel_fraction": 0.1},
        }
    )
    strict = find_spots(frames, experiment_for(frames, first_image=5), None, loose)
    assert [(p["run"], p["image"], p["step"]) for p in result.problems] == [
        ("run", 8, "find_spots")
    ]
    assert "trusted range" in result.problems[0]["reason"]
    assert [p["image"] for p in strict.problems] == [8, 12]
    assert "max_strong_pixel_fraction=0.1" in strict.problems[1]["reason"]
    row = strict.table("images").rows[7]
    assert row["n_strong_pixels"] > 0.1 * 48 * 56
    assert row["n_spots"] == 0


def test_scan_range_looks_at_these_images_only() -> None:
    frames = spotty_frames()
    experiment = experiment_for(frames, first_image=11)
    parameters = SpotfinderParameters(scan_range=((12, 16), (20, 33)))
    result = find_spots(frames, experiment, None, parameters)
    images = [row["image"] for row in result.table("images").rows]
    assert images == [*range(12, 17), *range(20, 34)]
    apart = [
        find_spots(
            frames[a - 11 : b - 10], experiment_for(frames[a - 11 : b - 10], first_image=a)
        ).reflections
        for a, b in ((12, 16), (20, 33))
    ]
    together = np.concatenate([t["bbox"] for t in apart])
    np.testing.assert_array_equal(result.reflections["bbox"], together)


@pytest.mark.jit
def test_an_ensemble_keeps_experiments_and_pixels(tmp_path: Path) -> None:
    runs = [spotty_frames(seed=s) for s in (1, 2)]
    parts = [find_spots(f, experiment_for(f), experiment_index=i) for i, f in enumerate(runs)]
    both = committed(tmp_path, parts)
    counts = [len(p.reflections["x"]) for p in parts]
    assert both.reflections["experiment"].tolist() == [0] * counts[0] + [1] * counts[1]
    assert len(both.experiments) == 2
    sums = np.add.reduceat(both.arrays["pixel_value"], both.arrays["pixel_offsets"][:-1])
    np.testing.assert_array_equal(sums, both.reflections["intensity_sum"])
    assert len(both.table("images").rows) == 46
    assert len(both.messages) == 14
    assert [m[:3] for m in both.messages] == ["a: "] * 7 + ["b: "] * 7


@pytest.mark.jit
def test_blank_frames_give_an_empty_table() -> None:
    frames = np.zeros((2, 20, 20), np.uint16)
    result = find_spots(frames, experiment_for(frames))
    assert len(check(result.reflections)["x"]) == 0
    assert result.arrays["pixel_offsets"].tolist() == [0]
    assert not result.problems


@pytest.mark.jit
@pytest.mark.parametrize("shape", [(20, 20), (2, 20, 19)])
def test_frames_that_do_not_fit_are_refused(shape: tuple[int, ...]) -> None:
    experiment = experiment_for(np.zeros((2, 20, 20)))
    with pytest.raises(InputError, match=r"frames of run are .*give"):
        find_spots(np.zeros(shape, np.uint16), experiment)


@pytest.mark.jit
def test_a_wrong_number_of_frames_is_refused() -> None:
    frames = np.zeros((2, 20, 20), np.uint16)
    with pytest.raises(InputError, match="all frames of the scan"):
        find_spots(np.zeros((3, 20, 20), np.uint16), experiment_for(frames))


@pytest.mark.jit
@pytest.mark.parametrize("limits", [(0, 2), (2, 1), (1, 9)])
def test_a_wrong_scan_range_is_refused(limits: tuple[int, int]) -> None:
    frames = np.zeros((4, 20, 20), np.uint16)
    parameters = SpotfinderParameters(scan_range=(limits,))
    with pytest.raises(InputError, match="first and the last image number"):
        find_spots(frames, experiment_for(frames), None, parameters)
