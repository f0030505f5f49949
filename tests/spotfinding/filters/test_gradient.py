"""The filter of steep backgrounds: planes of known slope, masks, edges, DIALS's own verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.shoebox_examples import DIALS_PYTHON, insulin_start, needs_dials, run_dials
from support.spot_examples import experiment_for

from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.boxes import Boxes, boxes_around
from dxdask.spotfinding.filters.gradient import background_slopes, is_flat, margin
from dxdask.spotfinding.shoeboxes import Surroundings

SPOT = np.array([[60, 200, 60], [200, 600, 200], [60, 200, 60]])


def asked(cutoff: float, size: int = 2) -> SpotfinderParameters:
    gradient = {"filter": True, "gradient_cutoff": cutoff, "background_size": size}
    return SpotfinderParameters.model_validate({"filter": {"background_gradient": gradient}})


def slopes(x: float, y: float) -> NDArray[np.uint16]:
    """Return a frame of one spot on a plane of these slopes, and one on none."""
    rows, columns = np.mgrid[0:40, 0:60]
    plane = np.where(columns < 30, 50 + x * (columns - 15) + y * (rows - 20), 50)
    for column in (15, 45):
        plane[19:22, column - 1 : column + 2] += SPOT
    return plane.astype(np.uint16)[None]


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-3, 0), (0, 3), (1, -3)])
def test_a_spot_on_a_slope_is_left_out(x: float, y: float) -> None:
    frames = slopes(x, y)
    experiment = experiment_for(frames)
    assert len(find_spots(frames, experiment).reflections["x"]) == 2
    below, above = (find_spots(frames, experiment, None, asked(c)) for c in (2.9, 3.1))
    assert below.reflections["x"].tolist() == [45.5]
    assert "Filtered 1 of 2 spots by background gradient" in below.messages
    assert len(above.reflections["x"]) == 2


def test_images_of_a_spot_add_up() -> None:
    frames = np.repeat(slopes(2, 0), 3, axis=0)
    experiment = experiment_for(frames)
    assert len(find_spots(frames, experiment, None, asked(5.9)).reflections["x"]) == 1
    assert len(find_spots(frames, experiment, None, asked(6.1)).reflections["x"]) == 2


def test_the_background_has_the_size_given() -> None:
    frames = slopes(0, 0)
    frames[0, :, 10] += 40  # a bright line five pixels from the middle of the first spot
    experiment = experiment_for(frames)
    kept = {
        size: len(find_spots(frames, experiment, None, asked(1.0, size)).reflections["x"])
        for size in (1, 2, 3, 4)
    }
    # boxes are two or three pixels wide to each side of the middle, then size, then one
    assert set(kept.values()) == {1, 2}


def around(
    values: NDArray[Any], bbox: list[int], size: int = 2, mask: NDArray[Any] | None = None
) -> tuple[Surroundings, NDArray[np.int32]]:
    """Return the surroundings of one spot on frames (frame, slow, fast)."""
    own = np.array([bbox], np.int32)
    detector = experiment_for(values).detector
    boxes: Boxes = boxes_around(np.zeros(1, np.int32), own, detector, margin=margin(size))
    x0, x1, y0, y1, z0, z1 = boxes.bbox[0]
    where = np.s_[z0:z1, y0:y1, x0:x1]
    good = np.ones(values.shape, np.uint8) if mask is None else mask
    return Surroundings(boxes, values[where].ravel(), 3 * good[where].ravel(), {}), own


@given(
    plane=st.tuples(*(st.floats(-20, 20) for _ in range(3))),
    corner=st.tuples(st.integers(0, 26), st.integers(0, 16)),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_planes_are_found_wherever_the_spot_is(
    plane: tuple[float, float, float], corner: tuple[int, int], size: int, seed: int
) -> None:
    """The truth, at any edge and with pixels that cannot be used, NaN or bright, anywhere."""
    rng = np.random.default_rng(seed)
    _, y, x = np.mgrid[0:2, 0:20, 0:30]
    values = plane[0] + plane[1] * x + plane[2] * y
    bad = rng.random(values.shape) < 0.1
    spot = [corner[0], corner[0] + 4, corner[1], corner[1] + 4, 0, 2]
    values[:, spot[2] : spot[3], spot[0] : spot[1]] += 1e4
    values[bad] = rng.choice([np.nan, 1e6], int(bad.sum()))
    slope_x, slope_y = background_slopes(*around(values, spot, size, (~bad).astype(np.uint8)))
    np.testing.assert_allclose([slope_x[0], slope_y[0]], 2 * np.array(plane[1:]), atol=1e-8)


def test_a_spot_without_an_estimated_background_is_kept() -> None:
    values = np.random.default_rng(0).normal(0, 50, (1, 20, 30))
    good = np.zeros(values.shape, np.uint8)
    spot = [10, 13, 10, 13, 0, 1]
    pixels, own = around(values, spot, mask=good)
    assert np.isnan(background_slopes(pixels, own)).all()
    good[0, 7, 8:16] = 1  # all on one line
    pixels, own = around(values, spot, mask=good)
    assert np.isnan(background_slopes(pixels, own)).all()
    assert is_flat(pixels, own, 0.0).all()
    good[0, 8, 7] = 1
    assert np.isfinite(background_slopes(*around(values, spot, mask=good))).all()


def test_a_mask_keeps_a_bright_pixel_out() -> None:
    frames = slopes(0, 0)
    frames[0, 15:18, 8:12] += 300
    good = np.ones(frames.shape[1:], bool)
    good[15:18, 8:12] = False
    experiment = experiment_for(frames)
    without, masked = (
        find_spots(frames, experiment, m, asked(3.0)).reflections["x"] for m in (None, good)
    )
    assert 15.5 not in without.round(3)
    assert masked.round(3).tolist() == [15.5, 45.5]


VERDICTS = """
import sys, json, numpy as np
from dials.algorithms.spot_finding.factory import BackgroundGradientFilter
from dials.array_family import flex
from dxtbx.model import ExperimentList
images = ExperimentList.from_file("imported.expt")[0].imageset[0:20]
table = flex.reflection_table.from_file("strong.refl")
all_ = flex.bool(len(table), True)
out = {"bbox": np.array(list(table["bbox"]))}
for cutoff, size in ((0.5, 1), (0.5, 2), (4.0, 2), (1.0, 4)):
    # the filter as the program calls it fails: it is given `sweep`, and takes `sequence`
    run = BackgroundGradientFilter(size, cutoff).run
    flags = run(all_.deep_copy(), sequence=images, shoeboxes=table["shoebox"].select(all_))
    out[f"{cutoff}_{size}"] = flags.as_numpy_array()
np.savez("gradient.npz", **out)
"""


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@needs_dials
def test_verdicts_are_those_of_dials(shared: Path, tmp_path: Path) -> None:
    frames, experiment, mask, file = insulin_start(shared, 3)
    run_dials("dials.import", str(file), folder=tmp_path)
    words = ("dials.find_spots", "imported.expt", "scan_range=1,20", "nproc=1")
    run_dials(*words, folder=tmp_path)
    run_dials(str(DIALS_PYTHON), "-c", VERDICTS, folder=tmp_path)
    theirs = np.load(tmp_path / "gradient.npz")
    bbox = theirs["bbox"]
    (panel,) = experiment.detector.panels
    for name in theirs.files[1:]:
        cutoff, size = name.split("_")
        parameters = asked(float(cutoff), int(size))
        parameters = parameters.model_copy(
            update={"scan_range": ((1, 20),), "mask_bad_pixels": False}
        )
        mine = find_spots(frames, experiment, mask, parameters).reflections["bbox"]
        kept = {tuple(b) for b in mine.tolist()}
        flags = np.array([tuple(b) in kept for b in bbox.tolist()])
        differ = np.flatnonzero(flags != theirs[name])
        assert 0 < (~flags).sum() < 100
        assert len(differ) < 20
        # as in `background_slopes`: an edge cuts the widened box, or pixels of it are bad on
        # some image, or only their sum is above the trusted range
        for x0, x1, y0, y1, z0, z1 in bbox[differ].tolist():
            wide = margin(int(size))
            inside = np.s_[max(y0 - wide, 0) : y1 + wide, max(x0 - wide, 0) : x1 + wide]
            at_edge = min(x0, y0) < wide or x1 + wide > 1024 or y1 + wide > 1060
            total = frames[z0:z1].sum(axis=0)[inside]
            bad = (~mask[inside]).any() or (total > panel.trusted_range[1]).any()
            assert at_edge or bad


def test_it_reads_the_run_given(tmp_path: Path) -> None:
    """A spot that extends to the last image, of a run that does not begin at image 1."""
    frames = np.repeat(slopes(3, 0), 4, axis=0)
    frames[:2] = 50
    experiment = replace(experiment_for(frames, first_image=41))
    result = find_spots(frames, experiment, None, asked(5.9))
    assert result.reflections["bbox"][:, 4:].tolist() == [[42, 44]]
