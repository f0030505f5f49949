"""Thresholds beside an installed DIALS: gain maps, and the automatic global threshold."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.spot_examples import read_bz2
from support.thresholded import dispersion, dispersion_extended

from dxdask.spotfinding.thresholds.global_threshold import estimate_global_threshold

PYTHON = "/usr/bin/python3"
GAIN_MAP = """
import sys
import numpy as np
from dials.algorithms.image import threshold
from dials.array_family import flex
with np.load(sys.argv[1]) as given:
    image, mask, gain = given["image"], given["mask"], given["gain"]
shape = image.shape
arrays = [flex.double(image.astype(float)), flex.bool(mask), flex.double(gain)]
found = {}
for name in ("DispersionThreshold", "DispersionExtendedThreshold"):
    for kernel in ((3, 3), (2, 4)):
        out = flex.bool(flex.grid(shape))
        getattr(threshold, name)(shape, kernel, 6.0, 3.0, 0.0, 2)(*arrays, out)
        found[f"{name}{kernel[0]}"] = out.as_numpy_array()
np.savez(sys.argv[2], **found)
"""
GLOBAL = """
import sys
import numpy as np
from dials.array_family import flex
from dials.extensions.dispersion_spotfinder_threshold_ext import estimate_global_threshold
with np.load(sys.argv[1]) as given:
    for name in sorted(given):
        print(int(estimate_global_threshold(flex.double(given[name].astype(float)))))
"""


def run(script: str, *paths: Path) -> str:
    """Run a script on files with the Python that imports DIALS, or skip the test."""
    try:
        there = subprocess.run([PYTHON, "-c", "import dials"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"no {PYTHON}")
    if there.returncode:
        pytest.skip("needs DIALS")
    command = [PYTHON, "-c", script, *map(str, paths)]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.dials
@pytest.mark.parametrize("seed", [0, 1])
def test_gain_maps_as_in_dials(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.poisson(3.0, (300, 400)).astype(np.int32)
    for j, i in rng.integers(0, 295, (60, 2)):
        image[j : j + 5, i : i + 4] += rng.poisson(12.0, (5, 4))
    image[rng.integers(0, 300, 3), rng.integers(0, 400, 3)] = 20000
    mask = rng.random(image.shape) > 0.01
    gain = rng.uniform(0.4, 2.5, image.shape)
    np.savez(tmp_path / "given.npz", image=image, mask=mask, gain=gain)
    run(GAIN_MAP, tmp_path / "given.npz", tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as found:
        for kernel in ((3, 3), (2, 4)):
            for name, threshold in (("", dispersion), ("Extended", dispersion_extended)):
                expected = found[f"Dispersion{name}Threshold{kernel[0]}"]
                ours = threshold(image, mask, kernel_size=kernel, gain=gain)
                assert expected.sum() > 100
                np.testing.assert_array_equal(ours, expected)


@pytest.mark.dials
@pytest.mark.shared
def test_automatic_global_threshold_as_in_dials(shared: Path, tmp_path: Path) -> None:
    images: dict[str, NDArray[Any]] = {}
    for folder, pattern in (
        ("thaumatin_grid", "*000[2-5].cbf.bz2"),
        ("lysozyme_ed", "*00[1-3].img.bz2"),
    ):
        for path in sorted((shared / "data/real" / folder).glob(pattern)):
            images[path.name] = read_bz2(path)
    assert len(images) > 4
    np.savez(tmp_path / "given.npz", **images)
    expected = [int(line) for line in run(GLOBAL, tmp_path / "given.npz").split()]
    assert [estimate_global_threshold(images[k]) for k in sorted(images)] == expected
