"""Frames of the image files that an experiment list names, and strong pixels of its table."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.spot_examples import experiment_for, spotty_frames
from support.tiny import tiny

import dxdask
from dxdask.errors import FormatError
from dxdask.models import ExperimentList, Goniometer
from dxdask.pipeline.simulate import simulate
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.importers.dials.shoeboxes import strong_pixels


def test_pixels_of_shoeboxes_are_those_of_the_spots(tmp_path: Path) -> None:
    frames = spotty_frames()
    parameters = SpotfinderParameters.model_validate({"output": {"shoeboxes": True}})
    sweep = replace(experiment_for(frames), goniometer=Goniometer())
    if sweep.scan is None or sweep.scan.is_still:
        pytest.skip("the example is of stills")
    found = find_spots(frames, sweep, None, parameters)
    models = ExperimentList.of([sweep])
    write_experiments(tmp_path / "s.expt", models)
    write_reflections(tmp_path / "s.refl", found.reflections, models, found.arrays)
    store = dxdask.import_([tmp_path / "s.expt", tmp_path / "s.refl"], tmp_path / "s.zarr")
    arrays = store.arrays("find_spots", run=store.runs[0])
    names = ("pixel_x", "pixel_y", "pixel_z", "pixel_value")
    np.testing.assert_array_equal(arrays["pixel_offsets"], found.arrays["pixel_offsets"])
    offsets = found.arrays["pixel_offsets"].tolist()
    for first, last in itertools.pairwise(offsets):
        ours, theirs = (
            sorted(zip(*(a[name][first:last].tolist() for name in names), strict=True))
            for a in (arrays, found.arrays)
        )
        assert ours == theirs


def box(*sides: int) -> bytes:
    head = np.array([0], "<u4").tobytes() + np.array(sides, "<i4").tobytes() + b"\x01"
    n = int(np.prod(np.diff(np.reshape(sides, (3, 2)), axis=1)))
    return (
        head + np.arange(n, dtype="<f4").tobytes() + np.full(n, 5, "<i4").tobytes() + bytes(4 * n)
    )


def test_boxes_that_do_not_fit_are_refused() -> None:
    good = box(0, 2, 0, 3, 1, 2) + box(5, 6, 5, 6, 0, 1)
    found = strong_pixels(None, good, 2, np.array([1, 0]))
    assert found["pixel_offsets"].tolist() == [0, 1, 7]
    assert found["pixel_x"].tolist() == [5, 0, 1, 0, 1, 0, 1]
    assert found["pixel_value"].tolist() == [0, 0, 1, 2, 3, 4, 5]
    for raw, rows in ((good[:-1], 2), (good, 3), (good, 1), (good[:20], 1)):
        with pytest.raises(FormatError, match="shoebox"):
            strong_pixels(None, raw, rows, np.arange(1))
    with pytest.raises(FormatError, match="has the box"):
        strong_pixels(
            None, good[:4] + np.array([5, 0], "<i4").tobytes() + good[12:], 2, np.arange(1)
        )


@pytest.mark.jit
def test_frames_come_from_the_image_files(tmp_path: Path) -> None:
    files = simulate(tmp_path / "frames", tiny(transmissions=(1.0,)))
    source = dxdask.import_(files, tmp_path / "tiny.zarr")
    dxdask.find_spots(source)
    out = tmp_path / "models.expt"
    dxdask.export(source, format="dials", step="find_spots", output=str(out))
    store = dxdask.import_([out, out.with_suffix(".refl")], tmp_path / "again.zarr")
    (run,) = source.runs
    ours, theirs = store.frame_reader(store.runs[0]), source.frame_reader(run)
    assert ours.shape == theirs.shape
    np.testing.assert_array_equal(ours.read(0, 3), theirs.read(0, 3))
    files[0].unlink()
    store = dxdask.import_([out, out.with_suffix(".refl")], tmp_path / "absent.zarr")
    assert "absent" in repr(store)
