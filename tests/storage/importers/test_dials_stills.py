"""Indexed stills in lists of DIALS: the same crystals and reflections come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.errors import FormatError, InputError
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


@pytest.fixture
def files(stills_store: Store, tmp_path: Path) -> list[Path]:
    path = tmp_path / "indexed.expt"
    dxdask.export(stills_store, format="dials", step="index", output=str(path))
    return [path, path.with_suffix(".refl")]


def test_stills_come_back_and_go_on(stills_store: Store, files: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(files, tmp_path / "s.zarr", link=True)
    (run,) = store.runs
    np.testing.assert_array_equal(
        store.frames(run).compute(), stills_store.frames(stills_store.runs[0]).compute()
    )
    old, new = stills_store.arrays("index"), store.arrays("index")
    for name in ("image", "event_id", "indexed"):
        np.testing.assert_array_equal(new[name], old[name], err_msg=name)
    shown = old["indexed"]
    np.testing.assert_allclose(new["a_matrix"][shown], old["a_matrix"][shown], atol=1e-12)
    np.testing.assert_allclose(new["wavelength"][shown], old["wavelength"][shown], rtol=1e-12)
    np.testing.assert_array_equal(new["n_indexed"], old["n_indexed"])
    before = stills_store.read_step("index").reflections
    rows = before["hkl"].any(axis=1)
    after = store.read_step("index").reflections
    for name in ("hkl", "x", "y", "z", "panel", "bbox"):
        np.testing.assert_allclose(after[name], before[name][rows], atol=1e-9, err_msg=name)
    assert stale_steps(store) == {}
    dxdask.integrate(store)
    n = len(store.columns("integrate", ["hkl"])["hkl"])
    assert n == pytest.approx(len(stills_store.columns("integrate", ["hkl"])["hkl"]), rel=0.3)


def test_without_image_files_stills_are_refused(files: list[Path], tmp_path: Path) -> None:
    content = json.loads(files[0].read_text())
    for imageset in content["imageset"]:
        imageset["images"] = ["/nowhere/events.nxs"]
    files[0].write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"image file /nowhere/events\.nxs is not there"):
        dxdask.import_(files, tmp_path / "s.zarr")


@pytest.fixture
def integrated(stills_store: Store, tmp_path: Path) -> list[Path]:
    path = tmp_path / "integrated.expt"
    dxdask.export(stills_store, format="dials", step="integrate", output=str(path))
    return [path, path.with_suffix(".refl")]


def without_images(path: Path) -> None:
    content = json.loads(path.read_text())
    for imageset in content["imageset"]:
        imageset["images"] = ["/nowhere/events.nxs"]
    path.write_text(json.dumps(content))


def merged_of(store: Store) -> dict[tuple[int, ...], float]:
    table = store.read_step("merge").reflections
    return dict(zip(map(tuple, table["hkl"].tolist()), table["intensity"].tolist(), strict=True))


@pytest.mark.parametrize("frames", [True, False])
def test_integrated_stills_are_merged(
    stills_store: Store, integrated: list[Path], tmp_path: Path, frames: bool
) -> None:
    if not frames:
        without_images(integrated[0])
    store = dxdask.import_(integrated, tmp_path / "s.zarr", link=frames)
    (run,) = store.runs
    if frames:
        assert len(store.frames(run)) == len(stills_store.frames(stills_store.runs[0]))
    else:
        with pytest.raises(InputError, match="has no frames"):
            dxdask.find_spots(store)
    before = stills_store.read_step("integrate").reflections
    after = store.read_step("integrate").reflections
    for name in ("hkl", "intensity_sum", "intensity_sum_variance", "lp", "x_cal"):
        np.testing.assert_allclose(after[name], before[name], rtol=1e-12, err_msg=name)
    stills = store.arrays("integrate")
    assert stills["indexed"].sum() == stills_store.arrays("index")["indexed"].sum()
    dxdask.merge(store, branch="again")
    again = Store.open(tmp_path / "s.zarr", branch="again")
    found = merged_of(again)
    dxdask.merge(store)
    wanted = merged_of(stills_store)
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(
        list(found.values()), [wanted[hkl] for hkl in found], rtol=1e-6, atol=1e-6
    )


def test_each_lattice_of_an_image_is_an_event(integrated: list[Path], tmp_path: Path) -> None:
    content = json.loads(integrated[0].read_text())
    members = content["experiment"]
    members[1]["imageset"] = members[0]["imageset"]
    integrated[0].write_text(json.dumps(content))
    store = dxdask.import_(integrated, tmp_path / "s.zarr")
    stills = store.arrays("integrate")
    assert len(stills["image"]) == len(members)
    assert stills["indexed"].all()
    with pytest.raises(InputError, match="has no frames"):
        store.frames(store.runs[0])


def test_spots_as_integrated_stills_are_refused(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no integrated reflections .*input\.step=index"):
        dxdask.import_(files, tmp_path / "s.zarr", step="integrate")
    with pytest.raises(InputError, match="can be index or integrate"):
        dxdask.import_(files, tmp_path / "s.zarr", step="scale")
    # what the message advises
    assert dxdask.import_(files, tmp_path / "s.zarr", step="index").has_step("index")


def test_a_list_of_one_image_has_a_run_of_that_image(
    stills_store: Store, files: list[Path], tmp_path: Path
) -> None:
    """As dials.stills_process writes it without composite output: a file for each image."""
    content = json.loads(files[0].read_text())
    number = 2
    [member] = content["experiment"][number : number + 1]
    content["experiment"] = [member]
    content["imageset"] = [content["imageset"][member["imageset"]]]
    place = content["imageset"][0]["single_file_indices"][0]
    member["imageset"] = 0
    one = tmp_path / "idx-2_indexed.expt"
    one.write_text(json.dumps(content))
    store = dxdask.import_([one], tmp_path / "one.zarr")
    (run,) = store.runs
    every = stills_store.frames(stills_store.runs[0])
    assert store.frames(run).shape == (1, *every.shape[1:])
    np.testing.assert_array_equal(store.frames(run)[0].compute(), every[place].compute())
    stills, old = store.arrays("index"), stills_store.arrays("index")
    assert stills["indexed"].tolist() == [True]
    np.testing.assert_allclose(stills["a_matrix"][0], old["a_matrix"][place], atol=1e-12)
    linked = dxdask.import_([one], tmp_path / "linked.zarr", link=True)
    np.testing.assert_array_equal(
        linked.frames(linked.runs[0]).compute(), store.frames(run).compute()
    )
