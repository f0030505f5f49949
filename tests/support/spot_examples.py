"""Frames of ../shared/data with the models DIALS gave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Beam, Detector, Experiment, Panel, Scan
from dxdask.results import StepResult
from dxdask.storage.importers import read_runs


def read_bz2(path: Path) -> NDArray[Any]:
    """Return a bzip2-compressed CBF or SMV frame (slow, fast)."""
    (run,) = read_runs([path])
    return run.read(0, 1)[0]


def experiment_of(path: Path, index: int = 0) -> Experiment:
    """Return an experiment of a one-panel `.expt` of DIALS 3.12."""
    document = json.loads(path.read_text())
    which = document["experiment"][index]
    p = document["detector"][which["detector"]]["panels"][0]
    beam = document["beam"][which["beam"]]
    scan = document["scan"][which["scan"]]
    panel = Panel(
        name=p["name"],
        type=p["type"],
        origin=tuple(p["origin"]),
        fast_axis=tuple(p["fast_axis"]),
        slow_axis=tuple(p["slow_axis"]),
        pixel_size=tuple(p["pixel_size"]),
        image_size=tuple(p["image_size"]),
        trusted_range=tuple(p["trusted_range"]),
        thickness=p["thickness"],
        mu=p["mu"],
        use_parallax=p["px_mm_strategy"]["type"] == "ParallaxCorrectedPxMmStrategy",
        parallax_law="dxtbx",
    )
    return Experiment(
        identifier=f"{path.parent.name}-{index}",
        run=f"run{index + 1}",
        beam=Beam(direction=tuple(beam["direction"]), wavelength=beam["wavelength"]),
        detector=Detector(panels=(panel,)),
        scan=Scan(image_range=tuple(scan["image_range"]), oscillation=tuple(scan["oscillation"])),
    )


def experiment_for(
    frames: NDArray[Any],
    *,
    first_image: int = 1,
    width: float = 0.1,
    panels: tuple[Panel, ...] = (),
) -> Experiment:
    """Return an experiment that fits made-up frames (frame, slow, fast); one panel unless given."""
    n, slow, fast = frames.shape
    panels = panels or (Panel(image_size=(fast, slow), trusted_range=(-1, 65535)),)
    return Experiment(
        identifier="made-up",
        run="run",
        beam=Beam(),
        detector=Detector(panels=panels),
        scan=Scan(image_range=(first_image, first_image + n - 1), oscillation=(0.0, width)),
    )


def spotty_frames(
    shape: tuple[int, int, int] = (23, 48, 56), n_spots: int = 60, seed: int = 3
) -> NDArray[np.uint16]:
    """Return a flat background with bright blobs that extend over some frames."""
    rng = np.random.default_rng(seed)
    frames = rng.poisson(2.0, shape)
    grid = np.indices(shape)
    for _ in range(n_spots):
        centre = rng.uniform(0, shape)
        sigma = np.array([rng.choice([0.3, 0.8, 2.5]), 0.9, 0.9])
        r2 = sum(((grid[i] - centre[i]) / sigma[i]) ** 2 for i in range(3))
        frames += rng.poisson(rng.uniform(20, 300) * np.exp(-0.5 * r2))
    return frames.astype(np.uint16)


def assert_same_spots(result: StepResult, reference: Any, number: int) -> None:
    """Check that spots are those with this `id` in a list that DIALS wrote, in its order."""
    rows = reference["id"] == number
    spots = result.reflections
    np.testing.assert_array_equal(spots["bbox"], reference["bbox"][rows])
    np.testing.assert_array_equal(spots["n_pixels"], reference["n_signal"][rows])
    intensity = reference["intensity.sum.value"][rows]
    np.testing.assert_array_equal(spots["intensity_sum"], intensity)
    np.testing.assert_array_equal(spots["intensity_sum_variance"], intensity)
    xyz = np.stack([spots[k] for k in "xyz"], axis=1)
    variance = np.stack([spots[f"{k}_variance"] for k in "xyz"], axis=1)
    np.testing.assert_allclose(xyz, reference["xyzobs.px.value"][rows], rtol=0, atol=1e-9)
    # some of the reference's variances are stored as float32
    np.testing.assert_allclose(variance, reference["xyzobs.px.variance"][rows], rtol=1e-6)
    counts = np.add.reduceat(result.arrays["pixel_value"], result.arrays["pixel_offsets"][:-1])
    np.testing.assert_array_equal(counts, intensity)
