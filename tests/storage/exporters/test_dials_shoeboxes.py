"""Shoeboxes in a reflection table of DIALS: bytes of its format, opened by DIALS."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import msgpack
import numpy as np
import pytest
from support.shoebox_examples import DIALS_PYTHON, needs_dials, run_dials
from support.spot_examples import experiment_for, spotty_frames

import dxdask
from dxdask.errors import InputError
from dxdask.models import ExperimentList, Goniometer
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters, find_spots
from dxdask.storage.exporters.dials import write_reflections
from dxdask.storage.exporters.shoeboxes import SHOEBOX_ARRAYS, encode_shoeboxes
from dxdask.storage.importers.dials.reflections import read_reflections


def found() -> StepResult:
    frames = spotty_frames()
    parameters = SpotfinderParameters.model_validate({"output": {"shoeboxes": True}})
    sweep = replace(experiment_for(frames), goniometer=Goniometer())
    return find_spots(frames, sweep, None, parameters)


def write(result: StepResult, path: Path) -> None:
    experiments: ExperimentList = result.experiments
    write_reflections(path, result.reflections, experiments, result.arrays)


def test_bytes_are_those_of_the_format() -> None:
    bbox = np.array([[3, 5, 7, 8, 0, 2], [0, 1, 0, 1, -1, 0]], np.int32)
    arrays = {
        "shoebox_offsets": np.array([0, 4, 5]),
        "shoebox_value": np.array([1, 2, 3, 4, -5], np.int32),
        "shoebox_mask": np.array([3, 5, 5, 0, 3], np.uint8),
    }
    packed = encode_shoeboxes(np.array([6, 0]), bbox, arrays)
    first = struct.pack("<I6iB4f4i4f", 6, *bbox[0], 1, 1, 2, 3, 4, 3, 5, 5, 0, 0, 0, 0, 0)
    second = struct.pack("<I6iBfif", 0, *bbox[1], 1, -5, 3, 0)
    assert packed == first + second
    empty = {name: values[:0] for name, values in arrays.items()}
    empty["shoebox_offsets"] = np.zeros(1, np.int64)
    assert encode_shoeboxes(np.empty(0), np.empty((0, 6)), empty) == b""


def test_boxes_of_another_table_are_refused() -> None:
    result = found()
    columns = result.reflections
    with pytest.raises(InputError, match="give the arrays of the step"):
        encode_shoeboxes(columns["panel"][1:], columns["bbox"][1:], result.arrays)


def test_our_reader_takes_the_other_columns(tmp_path: Path) -> None:
    result = found()
    write(result, tmp_path / "a.refl")
    content = msgpack.unpackb((tmp_path / "a.refl").read_bytes(), strict_map_key=False)[2]
    kind, (n, packed) = content["data"]["shoebox"]
    assert (kind, n) == ("Shoebox<>", len(result.reflections["x"]))
    assert len(packed) == 29 * n + 12 * result.arrays["shoebox_value"].size
    again = read_reflections(tmp_path / "a.refl")
    np.testing.assert_array_equal(again["bbox"], result.reflections["bbox"])
    plain = {k: v for k, v in result.arrays.items() if k not in SHOEBOX_ARRAYS}
    write_reflections(tmp_path / "b.refl", result.reflections, result.experiments, plain)
    content = msgpack.unpackb((tmp_path / "b.refl").read_bytes(), strict_map_key=False)[2]
    assert "shoebox" not in content["data"]


DUMP = """
import numpy as np
from dials.array_family import flex
boxes = flex.reflection_table.from_file("a.refl")["shoebox"]
assert boxes.is_consistent().count(False) == 0
np.savez(
    "a.npz", bbox=np.array(list(boxes.bounding_boxes())), panel=np.array(list(boxes.panels())),
    value=np.concatenate([s.data.as_numpy_array().ravel() for s in boxes]),
    mask=np.concatenate([s.mask.as_numpy_array().ravel() for s in boxes]),
    strong=np.array(list(boxes.count_mask_values(5))),
)
"""


@pytest.mark.dials
@needs_dials
def test_dials_opens_them(tmp_path: Path) -> None:
    result = found()
    write(result, tmp_path / "a.refl")
    run_dials(str(DIALS_PYTHON), "-c", DUMP, folder=tmp_path)
    theirs = np.load(tmp_path / "a.npz")
    for name in ("bbox", "panel"):
        np.testing.assert_array_equal(theirs[name], result.reflections[name])
    np.testing.assert_array_equal(theirs["value"], result.arrays["shoebox_value"])
    np.testing.assert_array_equal(theirs["mask"], result.arrays["shoebox_mask"])
    np.testing.assert_array_equal(theirs["strong"], result.reflections["n_pixels"])
    assert "shoebox" in run_dials("dials.show", "a.refl", folder=tmp_path)


def test_runs_imported_and_found_export_them(raw: list[Path], tmp_path: Path) -> None:
    """From files to a store, twice, and to DIALS."""
    asked = {
        "output": {"shoeboxes": True},
        "per_image_statistics": True,
        "filter": {"background_gradient": {"filter": True, "gradient_cutoff": 50.0}},
    }
    store = dxdask.import_(raw[:2], tmp_path / "a.zarr")
    store = dxdask.find_spots(store, show=dxdask.quiet, spotfinder=asked)
    arrays = store.arrays("find_spots")
    expected = [
        find_spots(
            store.frames(run).compute(), store.imported()[i], store.mask(run),
            SpotfinderParameters.model_validate(asked),
        )
        for i, run in enumerate(store.runs)
    ]  # fmt: skip
    for name in ("shoebox_value", "shoebox_mask"):
        together = np.concatenate([r.arrays[name] for r in expected])
        np.testing.assert_array_equal(arrays[name], together)
    assert len(store.table("find_spots", "image_statistics")) == sum(
        len(r.table("image_statistics").rows) for r in expected
    )
    dxdask.export(store, format="dials", step="find_spots", output=str(tmp_path / "a.expt"))
    content = msgpack.unpackb((tmp_path / "a.refl").read_bytes(), strict_map_key=False)[2]
    assert len(content["data"]["shoebox"][1][1]) == 29 * content["nrows"] + 12 * len(
        arrays["shoebox_value"]
    )


@pytest.mark.slow
def test_a_run_imported_on_the_way_is_read_from_the_store(raw: list[Path], tmp_path: Path) -> None:
    from support.ensemble_example import QUICK

    asked = {"output": {"shoeboxes": True}}
    store = dxdask.process(raw, tmp_path / "a.zarr", show=dxdask.quiet, spotfinder=asked, **QUICK)
    arrays = store.arrays("find_spots", list(SHOEBOX_ARRAYS))
    again = dxdask.find_spots(store, show=dxdask.quiet, spotfinder=asked, force=True)
    for name, values in again.arrays("find_spots", list(SHOEBOX_ARRAYS)).items():
        np.testing.assert_array_equal(values, arrays[name])
    strong = (arrays["shoebox_mask"] == 5).sum()
    assert strong == store.columns("find_spots")["n_pixels"].sum() > 1000
