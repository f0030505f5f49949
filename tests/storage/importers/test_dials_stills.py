"""Indexed stills in lists of DIALS: the same crystals and reflections come back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import dxdask
from dxdask.errors import InputError
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
