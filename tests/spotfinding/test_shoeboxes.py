"""Shoeboxes hold the frames' own pixels and what could be used of them; DIALS's strong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.committed import committed
from support.shoebox_examples import (
    DIALS_PYTHON,
    check_shoeboxes,
    insulin_start,
    needs_dials,
    run_dials,
)
from support.spot_examples import experiment_for, spotty_frames

from dxdask.errors import InputError
from dxdask.models import Panel
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.spotfinding.boxes import boxes_around
from dxdask.spotfinding.parts import close_part
from dxdask.spotfinding.result import result_of_part
from dxdask.spotfinding.shoeboxes import combine_cuts, cut_boxes

FRAMES = spotty_frames()
EXPERIMENT = experiment_for(FRAMES, first_image=101)


def asked(**others: Any) -> SpotfinderParameters:
    return SpotfinderParameters.model_validate({"output": {"shoeboxes": True}, **others})


def beside() -> tuple[NDArray[Any], ...]:
    """Return z, y, x of some pixels that are in the boxes of spots but not strong."""
    found = find_spots(FRAMES, EXPERIMENT, None, asked())
    places = [np.empty((0, 3), int)]
    for i, (x0, x1, y0, y1, z0, z1) in enumerate(found.reflections["bbox"].tolist()):
        own = slice(*found.arrays["shoebox_offsets"][i : i + 2])
        mask = found.arrays["shoebox_mask"][own].reshape(z1 - z0, y1 - y0, x1 - x0)
        places.append(np.argwhere(mask == 3)[:1] + [z0 - 100, y0, x0])
    return tuple(np.concatenate(places).T)


def test_boxes_hold_the_frames() -> None:
    result = find_spots(FRAMES, EXPERIMENT, None, asked())
    plain = find_spots(FRAMES, EXPERIMENT)
    assert "shoebox_value" not in plain.arrays
    for name, values in plain.reflections.items():
        np.testing.assert_array_equal(result.reflections[name], values)
    assert len(plain.reflections["x"]) > 20
    assert result.arrays["shoebox_value"].dtype == np.int32
    check_shoeboxes(result, FRAMES, EXPERIMENT, np.ones(FRAMES.shape, bool))


@pytest.mark.jit
def test_masks_and_trusted_range_show() -> None:
    good = np.ones(FRAMES.shape[1:], bool)
    good[beside()[1:]] = False
    panel = replace(EXPERIMENT.detector[0], trusted_range=(0, 180))
    experiment = replace(EXPERIMENT, detector=replace(EXPERIMENT.detector, panels=(panel,)))
    result = find_spots(FRAMES, experiment, good, asked())
    usable = good & (FRAMES > 0) & (FRAMES < 180)
    check_shoeboxes(result, FRAMES, experiment, usable)
    assert (result.arrays["shoebox_mask"] == 0).sum() > 10
    result = find_spots(FRAMES, experiment, good, asked(filter={"use_trusted_range": False}))
    check_shoeboxes(result, FRAMES, experiment, np.broadcast_to(good, FRAMES.shape))
    result = find_spots(FRAMES, experiment, good, asked(maximum_trusted_value=90))
    check_shoeboxes(result, FRAMES, experiment, good & (FRAMES > 0) & (FRAMES < 90))


def test_real_numbers_stay_real_and_nan_cannot_be_used() -> None:
    frames = FRAMES + np.float32(0.25)
    frames[beside()] = np.nan
    result = find_spots(frames, EXPERIMENT, None, asked())
    assert result.arrays["shoebox_value"].dtype == np.float32
    assert np.isnan(result.arrays["shoebox_value"]).any()
    check_shoeboxes(result, frames, EXPERIMENT, np.isfinite(frames))


def test_a_pedestal_is_taken_off() -> None:
    frames = (FRAMES + 100).astype(np.uint16)
    panel = replace(EXPERIMENT.detector[0], pedestal=100.0)
    experiment = replace(EXPERIMENT, detector=replace(EXPERIMENT.detector, panels=(panel,)))
    result = find_spots(frames, experiment, None, asked())
    check_shoeboxes(result, FRAMES, experiment, np.ones(FRAMES.shape, bool))


def test_counts_beyond_int32_become_its_largest() -> None:
    frames = FRAMES.astype(np.uint32)
    frames[beside()] = 2**32 - 1
    result = find_spots(frames, EXPERIMENT, None, asked())
    clipped = np.minimum(frames, 2**31 - 1)
    check_shoeboxes(result, clipped, EXPERIMENT, frames < 65535)
    assert result.arrays["shoebox_value"].max() == 2**31 - 1


def test_panels_and_their_edges() -> None:
    panels = (
        Panel(name="a", image_size=(30, 48), trusted_range=(-1, 65535)),
        Panel(name="b", image_size=(22, 40), offset=(34, 5), trusted_range=(-1, 65535)),
    )
    frames = FRAMES.copy()
    frames[0, 3:6, 0:2] = 200  # at the edge of the first panel and the begin of the run
    frames[-1, 43:45, 54:56] = 300  # in the last corner of the second, and of the run
    experiment = experiment_for(frames, panels=panels)
    result = find_spots(frames, experiment, None, asked())
    assert set(result.reflections["panel"].tolist()) == {0, 1}
    bbox = result.reflections["bbox"]
    assert (bbox[:, 0] == 0).any()
    assert (bbox[:, [1, 5]] == [22, 23]).all(axis=1).any()
    check_shoeboxes(result, frames, experiment, np.ones(frames.shape, bool))


def test_boxes_widen_to_the_edge_of_the_panel_only() -> None:
    bbox = np.array([[0, 3, 40, 48, 2, 5], [10, 12, 20, 21, 0, 1]], np.int32)
    boxes = boxes_around(np.zeros(2, np.int32), bbox, EXPERIMENT.detector, margin=3)
    assert boxes.bbox.tolist() == [[0, 6, 37, 48, 2, 5], [7, 15, 17, 24, 0, 1]]
    assert boxes.offsets.tolist() == [0, 6 * 11 * 3, 6 * 11 * 3 + 8 * 7]


def test_a_run_without_spots_and_an_ensemble_with_it(tmp_path: Path) -> None:
    blank = np.zeros_like(FRAMES)
    parameters = asked(filter={"background_gradient": {"filter": True}})
    none = find_spots(blank, replace(EXPERIMENT, run="blank"), None, parameters)
    assert none.arrays["shoebox_offsets"].tolist() == [0]
    assert none.arrays["shoebox_value"].size == none.arrays["shoebox_mask"].size == 0
    some = find_spots(FRAMES, EXPERIMENT, None, parameters)
    both = committed(tmp_path, [some, none, some])
    n, m = len(some.reflections["x"]), some.arrays["shoebox_value"].size
    assert both.arrays["shoebox_offsets"].size == 2 * n + 1
    np.testing.assert_array_equal(
        both.arrays["shoebox_offsets"][n:], some.arrays["shoebox_offsets"] + m
    )
    np.testing.assert_array_equal(both.arrays["shoebox_value"][m:], some.arrays["shoebox_value"])


def test_frames_that_cannot_be_read_again() -> None:
    panel, box = np.zeros(1, np.int32), np.array([[2, 5, 2, 4, 100, 103]])
    boxes = boxes_around(panel, box, EXPERIMENT.detector)
    good = [np.ones(FRAMES.shape[1:], bool)]
    cuts = [
        cut_boxes(
            FRAMES[first:stop], boxes, EXPERIMENT.detector, good, asked(),
            first_z=100 + first, unread=unread,
        )
        for first, stop, unread in ((0, 2, {1: "gone"}), (2, 6, {3: "elsewhere"}))
    ]  # fmt: skip
    cut = combine_cuts(cuts)
    assert cut.unread == {101: "gone"}
    assert cut.mask.reshape(3, 6).tolist() == [[3] * 6, [0] * 6, [3] * 6]
    np.testing.assert_array_equal(cut.value.reshape(3, 2, 3)[2], FRAMES[2, 2:4, 2:5])
    assert not cut.value.reshape(3, 6)[1].any()


def test_asking_without_the_frames_says_what_to_give() -> None:
    from dxdask.spotfinding.extract import FramePiece
    from dxdask.spotfinding.parts import spots_of_block

    part = close_part(
        spots_of_block(
            (FramePiece(100, FRAMES),), EXPERIMENT, [np.ones(FRAMES.shape[1:], bool)], asked(),
            first_z=100, n_frames=len(FRAMES),
        )
    )  # fmt: skip
    with pytest.raises(InputError, match="give them as `around`"):
        result_of_part(part, EXPERIMENT, asked())


DUMP = """
import sys, numpy as np
from dials.array_family import flex
table = flex.reflection_table.from_file("strong.refl")
boxes = table["shoebox"]
np.savez(
    "strong.npz", bbox=np.array(list(table["bbox"])),
    value=np.concatenate([s.data.as_numpy_array().ravel() for s in boxes]),
    mask=np.concatenate([s.mask.as_numpy_array().ravel() for s in boxes]),
)
"""


@pytest.mark.dials
@pytest.mark.shared
@pytest.mark.slow
@needs_dials
@pytest.mark.parametrize("run", [3, 5])
def test_strong_pixels_are_those_of_dials(shared: Path, tmp_path: Path, run: int) -> None:
    frames, experiment, mask, file = insulin_start(shared, run)
    run_dials("dials.import", str(file), folder=tmp_path)
    words = ("dials.find_spots", "imported.expt", "scan_range=1,20", "nproc=1")
    run_dials(*words, folder=tmp_path)
    run_dials(str(DIALS_PYTHON), "-c", DUMP, folder=tmp_path)
    theirs = np.load(tmp_path / "strong.npz")
    mine: StepResult = find_spots(
        frames, experiment, mask, asked(scan_range=((1, 20),), mask_bad_pixels=False)
    )
    np.testing.assert_array_equal(mine.reflections["bbox"], theirs["bbox"])
    strong = mine.arrays["shoebox_mask"] == 5
    # of the others DIALS keeps nothing
    np.testing.assert_array_equal(np.where(strong, 5, 0), theirs["mask"])
    np.testing.assert_array_equal(
        np.where(strong, mine.arrays["shoebox_value"], 0), theirs["value"]
    )
    low, high = experiment.detector[0].trusted_range
    good = mask & (frames > low) & (frames < high)
    check_shoeboxes(mine, frames, experiment, good)
    assert len(mine.reflections["x"]) > 5000
