"""Statistics of images: spots and resolutions put in, plain twins, DIALS's own numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.dxtbx_parallax import as_in_dxtbx
from support.shoebox_examples import DIALS_PYTHON, insulin_start, needs_dials, run_dials
from support.spot_examples import experiment_for, spotty_frames

from dxdask.columns import Reflections
from dxdask.models import Beam, Detector, Experiment, Panel, Scan
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.reports.estimated_resolution import by_count, by_growth, by_signal
from dxdask.spotfinding.reports.image_statistics import image_statistics, on_ice
from dxdask.storage.importers import read_runs

ASKED = SpotfinderParameters.model_validate({"per_image_statistics": True})
PANEL = Panel(
    origin=(-100.0, 100.0, -100.0), fast_axis=(1, 0, 0), slow_axis=(0, -1, 0),
    pixel_size=(0.1, 0.1), image_size=(2000, 2000),
)  # fmt: skip
KEYS = (
    "n_spots", "n_spots_no_ice", "n_spots_4a", "total_intensity", "d_min", "d_min_distl_1",
    "noisiness_1", "d_min_distl_2", "noisiness_2",
)  # fmt: skip


def experiment(n_images: int) -> Experiment:
    return Experiment(
        identifier="made-up", run="run", beam=Beam(wavelength=1.0),
        detector=Detector(panels=(PANEL,)),
        scan=Scan(image_range=(11, 10 + n_images), oscillation=(0.0, 0.1)),
    )  # fmt: skip


def spots_at(d: NDArray[np.float64], z: NDArray[Any], seed: int = 0) -> Reflections:
    """Return spots at these d (n,), A, all around the beam; as intense as each other, nearly."""
    rng = np.random.default_rng(seed)
    radius = 100.0 * np.tan(2 * np.arcsin(0.5 / d)) / 0.1  # px from the beam, 100 mm away
    turn = rng.uniform(0, 2 * np.pi, len(d))
    intensity = rng.exponential(100.0 * d) + 20.0
    return {
        "panel": np.zeros(len(d), np.int32),
        "x": 1000 + radius * np.cos(turn), "y": 1000 + radius * np.sin(turn), "z": z + 0.5,
        "intensity_sum": intensity, "intensity_sum_variance": intensity,
    }  # fmt: skip


def fading(seed: int, n: int, d_min: float) -> NDArray[np.float64]:
    """Return d of spots spread evenly in reciprocal space up to d_min, few of them near it."""
    rng = np.random.default_rng(seed)
    d_star = rng.uniform(0, 1 / d_min**3, 12 * n) ** (1 / 3)
    return 1 / d_star[rng.random(12 * n) < 1 - (d_star * d_min) ** 3][:n]


def test_numbers_are_of_the_spots_put_in() -> None:
    d = np.array([20.0, 10.0, 5.0, 3.9, 3.67, 2.0, 8.0])
    spots = spots_at(d, np.array([10, 10, 10, 10, 10, 12, 13]))
    table = image_statistics(spots, experiment(5), np.arange(10, 15))
    assert [r["image"] for r in table.rows] == [11, 12, 13, 14, 15]
    assert [r["n_spots"] for r in table.rows] == [5, 0, 1, 1, 0]
    # ice has rings at 3.90, 3.67 and 3.44 A
    assert [r["n_spots_no_ice"] for r in table.rows] == [3, 0, 1, 1, 0]
    assert [r["n_spots_4a"] for r in table.rows] == [3, 0, 0, 1, 0]
    assert table.rows[0]["total_intensity"] == spots["intensity_sum"][:3].sum()
    assert all(r["d_min"] is r["noisiness_2"] is None for r in table.rows)
    json.dumps(table.to_dict())
    assert "#spots_no_ice" in str(table)


def test_a_finer_image_has_a_finer_estimate() -> None:
    limits = (3.2, 2.4, 1.7)
    d = [fading(i, 600, limit) for i, limit in enumerate(limits)]
    z = np.repeat(np.arange(10, 13), [len(k) for k in d])
    rows = image_statistics(spots_at(np.concatenate(d), z), experiment(3), np.arange(10, 13)).rows
    for key in ("d_min", "d_min_distl_1", "d_min_distl_2"):
        found = np.array([r[key] for r in rows])
        assert (np.diff(found) < 0).all(), key
        assert (found > 0.95 * np.array(limits)).all()
        assert (found < 1.6 * np.array(limits)).all()
    assert all(0 <= r[k] < 0.3 for r in rows for k in ("noisiness_1", "noisiness_2"))


@given(seed=st.integers(0, 999), n=st.integers(11, 90), n_images=st.integers(1, 4))
def test_images_do_not_mix_and_order_does_not_matter(seed: int, n: int, n_images: int) -> None:
    rng = np.random.default_rng(seed)
    spots = spots_at(fading(seed, n, 2.0), rng.integers(10, 10 + n_images, n), seed)
    z = np.arange(10, 10 + n_images)
    together = image_statistics(spots, experiment(n_images), z).rows
    shuffled = rng.permutation(n)
    again = image_statistics({k: v[shuffled] for k, v in spots.items()}, experiment(n_images), z)
    for i in range(n_images):
        own = {k: v[np.floor(spots["z"]) == 10 + i] for k, v in spots.items()}
        (alone,) = image_statistics(own, experiment(n_images), z[i : i + 1]).rows
        assert alone == together[i]
        total = again.rows[i]["total_intensity"]
        assert math.isclose(total, together[i]["total_intensity"], rel_tol=1e-12, abs_tol=1e-9)
        assert {**again.rows[i], "total_intensity": 0} == {**together[i], "total_intensity": 0}


@given(n=st.integers(11, 60), n_places=st.integers(1, 5), seed=st.integers(0, 99))
def test_spots_at_the_same_few_places_break_nothing(n: int, n_places: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    d_star = rng.choice(rng.uniform(0.05, 0.5, n_places), n)
    intensity = rng.integers(1, 5, n).astype(float)
    ice = rng.random(n) < 0.5
    by_signal(d_star**2, intensity, intensity, ice)
    by_growth(d_star)
    by_count(d_star)


def plain_by_growth(d_star: NDArray[np.float64]) -> float:
    """Return Method 1 of Zhang et al. (2006), as described there, without noisiness."""
    step = max(2, math.ceil(len(d_star) / 40))
    radius = np.sort(d_star)[::step][: len(d_star) // step]
    x, y = np.arange(len(radius)), radius**3
    last = 4 + np.argmax(((y - y[0])[1:] / x[1:])[3:])
    direction = np.array([x[last], y[last] - y[0]]) / np.hypot(x[last], y[last] - y[0])
    points = np.stack([x, y - y[0]], axis=1)[:last]
    gaps = np.abs(points[:, 0] * direction[1] - points[:, 1] * direction[0])
    near = np.flatnonzero(gaps > gaps.max() - 0.5 * gaps.std(ddof=1))
    k = int(np.argmax(gaps))
    return float(1 / radius[max([k, *near[near > k]])])


@given(seed=st.integers(0, 999), n=st.integers(11, 900))
def test_method_1_is_that_of_the_paper(seed: int, n: int) -> None:
    d_star = 1 / fading(seed, n, 2.0)
    assert math.isclose(by_growth(d_star)[0], plain_by_growth(d_star), rel_tol=1e-9)


def test_rings_of_ice() -> None:
    d = np.array([3.897, 3.669, 3.441, 2.671, 2.249, 3.1, 5.0, 30.0])
    assert on_ice(1 / d**2).tolist() == [True] * 5 + [False] * 3
    assert on_ice(np.empty(0)).size == 0
    assert not on_ice(np.array([1e-4])).any()


def test_images_not_looked_at_have_no_row_and_a_blank_run_no_spots() -> None:
    frames = spotty_frames()
    made_up = experiment_for(frames)
    parameters = ASKED.model_copy(update={"scan_range": ((3, 5), (9, 9))})
    rows = find_spots(frames, made_up, None, parameters).table("image_statistics").rows
    assert [r["image"] for r in rows] == [3, 4, 5, 9]
    blank = find_spots(np.zeros_like(frames), made_up, None, ASKED).table("image_statistics").rows
    assert len(blank) == 23
    assert not any(r["n_spots"] or r["total_intensity"] for r in blank)
    assert all(t.name != "image_statistics" for t in find_spots(frames, made_up).tables)


# insulin run 3, images 1, 12 and 20, as DIALS 3.12.1 has them; found by `STATISTICS` below
STORED = [
    [524, 460, 75, 204434.0, 1.5669757674, 1.9739980823, 0.0142857143, 1.7246567780, 0.1282051282],
    [401, 356, 50, 329545.0, 1.5986286429, 1.9348526159, 0.0470588235, 1.6410599485, 0.1231231231],
    [501, 435, 64, 162213.0, 1.5361152994, 1.9447394970, 0.0360360360, 1.6615357823, 0.1051282051],
]


@pytest.mark.shared
def test_images_of_a_sweep(shared: Path) -> None:
    frames, sweep, mask, _ = insulin_start(shared, 3)
    sweep = as_in_dxtbx(sweep)
    parameters = ASKED.model_copy(update={"scan_range": ((1, 20),), "mask_bad_pixels": False})
    rows = find_spots(frames, sweep, mask, parameters).table("image_statistics").rows
    chosen = numbers([rows[i] for i in (0, 11, 19)])
    np.testing.assert_allclose(chosen, STORED, rtol=0, atol=1e-9)


STATISTICS = """
import json
from dials.algorithms.spot_finding import per_image_analysis
from dials.array_family import flex
from dxtbx.model import ExperimentList
table = flex.reflection_table.from_file("strong.refl")
out = []
for i, experiment in enumerate(ExperimentList.from_file("imported.expt")):
    own = table.select(table["id"] == i)
    # else those of the second experiment on are not mapped, and the program prints zeros
    own["id"] = flex.int(len(own), 0)
    own.centroid_px_to_mm([experiment])
    own.map_centroids_to_reciprocal_space([experiment])
    z = flex.floor(own["xyzobs.px.value"].parts()[2])
    for k in range(*experiment.scan.get_array_range()):
        if not (z == k).count(True):
            continue
        s = per_image_analysis.stats_for_reflection_table(own.select(z == k))
        out.append([
            s.n_spots_total, s.n_spots_no_ice, s.n_spots_4A, s.total_intensity,
            s.estimated_d_min, s.d_min_distl_method_1, s.noisiness_method_1,
            s.d_min_distl_method_2, s.noisiness_method_2,
        ])
json.dump(out, open("statistics.json", "w"))
"""


def numbers(rows: Any) -> NDArray[np.float64]:
    return np.array([[-1.0 if r[k] is None else r[k] for k in KEYS] for r in rows])


def of_dials(files: list[Path], folder: Path, *words: str) -> NDArray[np.float64]:
    run_dials("dials.import", *map(str, files), folder=folder)
    run_dials("dials.find_spots", "imported.expt", "nproc=1", *words, folder=folder)
    run_dials(str(DIALS_PYTHON), "-c", STATISTICS, folder=folder)
    return np.array(json.loads((folder / "statistics.json").read_text()))


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@needs_dials
def test_a_sweep_has_the_numbers_of_dials(shared: Path, tmp_path: Path) -> None:
    frames, sweep, mask, file = insulin_start(shared, 3)
    sweep = as_in_dxtbx(sweep)
    parameters = ASKED.model_copy(update={"scan_range": ((1, 20),), "mask_bad_pixels": False})
    rows = find_spots(frames, sweep, mask, parameters).table("image_statistics").rows
    theirs = of_dials([file], tmp_path, "scan_range=1,20")
    assert len(rows) == 20
    np.testing.assert_array_equal(numbers(rows)[:, :4], theirs[:, :4])
    np.testing.assert_allclose(numbers(rows), theirs, rtol=0, atol=1e-9)


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@needs_dials
def test_stills_have_the_numbers_of_dials(shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data/real/thaumatin_grid").glob("*.cbf.bz2"))
    rows = []
    for file in files:
        (source,) = read_runs([file])
        result = find_spots(source.read(0, 1), as_in_dxtbx(source.experiment), source.mask, ASKED)
        rows += result.table("image_statistics").rows
    theirs = of_dials(files, tmp_path)
    np.testing.assert_array_equal(numbers(rows)[:, :4], theirs[:, :4])
    np.testing.assert_allclose(numbers(rows), theirs, rtol=0, atol=1e-9)
