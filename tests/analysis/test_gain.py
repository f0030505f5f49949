"""The gain of a detector: against the truth, DIALS, and plain window statistics."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import hdf5plugin
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference import plain_dispersion as plain
from support.spot_examples import experiment_for

from dxdask.analysis import GainParameters, estimate_gain
from dxdask.analysis.dispersion import index_of_dispersion
from dxdask.analysis.gain import gain_map, robust_median
from dxdask.errors import InputError
from dxdask.models import Experiment, Panel
from dxdask.results import StepResult, joined
from dxdask.storage.importers import read_runs

SHAPE = (380, 420)
DIALS = """
import sys
from dxtbx.model.experiment_list import ExperimentListFactory
from dials.command_line.estimate_gain import estimate_gain
images = ExperimentListFactory.from_filenames([sys.argv[1]]).imagesets()[0]
size = tuple(int(n) for n in sys.argv[2].split(","))
print("gain", repr(estimate_gain(images, kernel_size=size)))
"""


def scene(gain: float, *, n: int = 3, photons: float = 200.0, seed: int = 5) -> NDArray[np.int32]:
    """Return photons times a gain on a sloping background, with spots, hot and dead pixels."""
    rng = np.random.default_rng(seed)
    slow, fast = np.indices(SHAPE)
    expected = photons * (1 + 0.3 * slow / SHAPE[0])
    frames = []
    for _ in range(n):
        light = expected.copy()
        for y, x in rng.uniform(0, SHAPE, (15, 2)):
            light += 5000 * np.exp(-0.5 * ((slow - y) ** 2 + (fast - x) ** 2))
        counts = gain * rng.poisson(light)
        counts[[20, 110, 150], [40, 90, 200]] = 0
        counts[[60, 130], [150, 30]] = 60000
        frames.append(np.rint(counts))
    return np.array(frames).astype(np.int32)


def gain_of(result: StepResult) -> float:
    return float(result.table("runs").rows[0]["gain"])


def made(frames: NDArray[Any], **panel: Any) -> Experiment:
    values = {"trusted_range": (-1, 1e6), **panel}
    only = Panel(image_size=frames.shape[:0:-1], **values)
    return experiment_for(frames, panels=(only,))


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.5, 7.0])
@pytest.mark.parametrize("full_windows_only", [False, True])
def test_gain_is_found(gain: float, full_windows_only: bool) -> None:
    frames = scene(gain)
    result = estimate_gain(
        frames, made(frames), None, GainParameters(full_windows_only=full_windows_only)
    )
    assert gain_of(result) == pytest.approx(gain, rel=0.02)
    (row,) = result.table("runs").rows
    images = result.table("images").rows
    assert row["n_images"] == 3
    assert [r["image"] for r in images] == [1, 2, 3]
    values = [r["gain"] for r in images]
    assert row["gain"] == np.median(values)
    assert (row["gain_min"], row["gain_max"]) == (min(values), max(values))
    assert row["gain_sd"] == pytest.approx(np.std(values, ddof=1))
    assert result.messages[0] == f"run: Estimated gain: {row['gain']:.2f}"


def test_a_pedestal_is_taken_off() -> None:
    frames = scene(2.0)
    result = estimate_gain(frames + 1000, made(frames, pedestal=1000.0))
    expected = gain_of(estimate_gain(frames, made(frames)))
    assert gain_of(result) == pytest.approx(expected, rel=1e-9)


@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.tuples(st.integers(3, 14), st.integers(3, 14)),
    st.integers(0, 2**32 - 1),
)
def test_dispersion_is_that_of_plain_windows(
    slow: int, fast: int, shape: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.poisson(rng.choice([0.1, 3.0, 1000.0]), shape).astype(np.int32)
    image[rng.random(shape) < 0.03] = 1 << 20
    good = rng.random(shape) > 0.02
    found = index_of_dispersion(image, good, (0, 1 << 19), kernel_size=(slow, fast))
    expected = plain.index_of_dispersion(image, good & (image <= 1 << 19), (slow, fast))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_robust_median_leaves_out_what_is_far() -> None:
    values = np.concatenate([np.arange(101.0), [1e6] * 10])
    gain, quartiles = robust_median(values)
    # places 28, 56 and 83 of 111, and 51 of the 101 that are left
    assert quartiles == (28.0, 56.0, 83.0)
    assert gain == 51.0
    assert robust_median(np.array([]))[0] is None
    assert robust_median(np.array([2.0]))[0] is None


@pytest.mark.jit
def test_kernel_size_max_images_and_full_windows_have_their_effect() -> None:
    frames = scene(1.15, n=9)
    experiment = made(frames)
    mask = np.ones(SHAPE, bool)
    mask[::40, ::40] = False
    truth = estimate_gain(frames, experiment, mask, GainParameters(full_windows_only=True))
    whole = estimate_gain(frames, experiment, mask)
    # the pixels near masked ones, half of all, count as 1
    assert gain_of(whole) < 1.1
    assert gain_of(truth) == pytest.approx(1.15, rel=0.02)
    small = estimate_gain(frames, experiment, mask, GainParameters(kernel_size=(2, 4)))
    dispersion = plain.index_of_dispersion(frames[0], mask, (2, 4))
    assert small.table("images").rows[0]["gain"] == pytest.approx(
        robust_median(np.where(np.isnan(dispersion), 1.0, dispersion).ravel())[0]
    )
    few = estimate_gain(frames, experiment, mask, GainParameters(max_images=3))
    assert [r["image"] for r in few.table("images").rows] == [1, 5, 9]
    one = estimate_gain(frames, experiment, mask, GainParameters(max_images=1))
    assert [r["image"] for r in one.table("images").rows] == [1]
    assert one.table("runs").rows[0]["gain_sd"] == 0.0


def test_each_panel_has_its_gain_and_its_part_of_the_map() -> None:
    left, right = scene(1.0), scene(3.0, seed=6)
    frames = np.concatenate([left, np.zeros((3, SHAPE[0], 5), np.int32), right], axis=2)
    panels = tuple(
        Panel(image_size=SHAPE[::-1], offset=(x, 0), trusted_range=(-1, 1e6))
        for x in (0, SHAPE[1] + 5)
    )
    experiment = experiment_for(frames, panels=panels)
    result = estimate_gain(frames, experiment)
    rows = result.table("panels").rows
    assert [r["panel"] for r in rows] == [0, 1]
    assert [r["gain"] for r in rows] == pytest.approx([1.0, 3.0], rel=0.02)
    made_map = gain_map(experiment.detector, [1.0, 3.0], frames.shape[1:])
    assert (made_map[:, : SHAPE[1] + 5] == 1.0).all()
    assert (made_map[:, SHAPE[1] + 5 :] == 3.0).all()


def test_runs_are_put_together_and_empty_images_are_problems() -> None:
    frames = scene(2.0)
    frames[1] = 0
    runs = [replace(made(frames), run=name) for name in "ab"]
    both = joined([estimate_gain(frames, e) for e in runs])
    assert [r["run"] for r in both.table("runs").rows] == ["a", "b"]
    assert [r["n_images"] for r in both.table("runs").rows] == [2, 2]
    assert both.experiments.runs == ("a", "b")
    assert [(p["run"], p["image"], p["step"]) for p in both.problems] == [
        ("a", 2, "estimate_gain"),
        ("b", 2, "estimate_gain"),
    ]
    assert both.table("images").rows[1]["gain"] is None


def test_bad_input_is_reported() -> None:
    frames = scene(1.0)
    with pytest.raises(InputError, match="no gain can be estimated from 3 images"):
        estimate_gain(np.zeros_like(frames), made(frames))
    with pytest.raises(InputError, match="no gain can be estimated from 3 images"):
        estimate_gain(frames, made(frames), np.zeros(SHAPE, bool))
    with pytest.raises(InputError, match=r"complex128.*integers or floating"):
        estimate_gain(frames.astype(complex), made(frames))
    with pytest.raises(InputError, match="size of the frames"):
        estimate_gain(frames, made(frames), np.ones((5, 5), bool))
    with pytest.raises(InputError, match="take up"):
        estimate_gain(frames[:, :50], made(frames))


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("insulin/run1_0.064/insulin_1.nxs", (10, 10)),
        ("insulin/run5_1.000/insulin_5.nxs", (10, 10)),
        ("insulin/run5_1.000/insulin_5.nxs", (4, 7)),
        ("real/nuclease_xray/snc_reindex_001.img.bz2", (10, 10)),
        pytest.param("real/thaumatin_grid/thau_3_2_0005.cbf.bz2", (5, 5), marks=pytest.mark.slow),
    ],
)
def test_gain_is_that_of_dials(shared: Path, name: str, size: tuple[int, int]) -> None:
    path = shared / "data" / name
    python = os.environ.get("DIALS_PYTHON", "/usr/bin/python3")
    done = subprocess.run(
        [python, "-c", DIALS, str(path), ",".join(map(str, size))],
        env={"HDF5_PLUGIN_PATH": hdf5plugin.PLUGINS_PATH, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"dials cannot be run here: {done.stderr[-200:]}")
    theirs = float(done.stdout.split("gain ")[-1])
    (run,) = read_runs([path])
    parameters = GainParameters(max_images=1, kernel_size=size)
    result = estimate_gain(run.read(0, 1), one_image(run.experiment), run.mask, parameters)
    assert gain_of(result) == pytest.approx(theirs, rel=1e-6)


def one_image(experiment: Experiment) -> Experiment:
    """Return the experiment with the first image of its scan only."""
    scan = experiment.scan
    if scan is None:
        return experiment
    first = scan.image_range[0]
    return replace(experiment, scan=replace(scan, image_range=(first, first)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_frames_have_the_gain_of_the_counts(dtype: type) -> None:
    frames = scene(3.0)
    whole = gain_of(estimate_gain(frames, made(frames)))
    assert gain_of(estimate_gain(frames.astype(dtype), made(frames))) == pytest.approx(whole)
    # photons times a factor that makes no integers; pixels that are no number are left out
    scaled = (frames / 3.0 * 0.7321).astype(dtype)
    scaled[:, 200:210, 200:210] = np.nan
    found = gain_of(estimate_gain(scaled, made(frames)))
    assert found == pytest.approx(whole * 0.7321 / 3.0, rel=0.01)


def test_the_ratios_of_floating_counts_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(3)
    image = rng.uniform(0.0, 1.0, (9, 11)) * rng.choice([1.0, 1e5], (9, 11))
    good = np.ones(image.shape, bool)
    good[4, 7] = False
    found = index_of_dispersion(image, good, (-1, 99_000), kernel_size=(1, 1), pedestal=0.25)
    for j, i in np.argwhere(np.isfinite(found)).tolist():
        window = image[j - 1 : j + 2, i - 1 : i + 2]
        assert window.max() < 99_001
        assert found[j, i] == pytest.approx(window.var(ddof=1) / (window.mean() - 0.25), rel=1e-3)
    assert np.isfinite(found).sum() > 5
    assert not np.isfinite(found[3:6, 6:9]).any()
