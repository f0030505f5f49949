"""Linked frames, masks applied, shoeboxes and processes of their own, all at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.ensemble_example import QUICK

import dxdask
from dxdask.errors import InputError, LinkedFileError
from dxdask.storage.store.store import Store

PROCESSES = {"kind": "local", "processes": 2, "cores": 2, "memory": "3GB", "dashboard": None}


def masked_spots(raw: list[Path], path: Path, lookup: Path, *, link: bool, **given: Any) -> Store:
    """Import, apply a mask, and find spots with another and with what is around them."""
    store = dxdask.import_(raw, path, link=link)
    dxdask.generate_mask(store, show=dxdask.quiet, border=6)
    dxdask.apply_mask(store, show=dxdask.quiet, mask="generate_mask")
    parameters = {
        "lookup": {"mask": lookup},
        "filter": {"background_gradient": {"filter": True}},
        "output": {"shoeboxes": True},
        "write_hot_mask": True,
    }
    dxdask.find_spots(store, show=dxdask.quiet, spotfinder=parameters, **given)
    return store


@pytest.mark.slow
def test_all_of_it_gives_the_same_linked_and_copied(raw: list[Path], tmp_path: Path) -> None:
    right = np.ones((264, 256), np.bool_)
    right[:, :100] = False
    np.save(tmp_path / "right.npy", right)
    files = tmp_path / "right.npy"
    copied = masked_spots(raw[:2], tmp_path / "a.zarr", files, link=False, cluster="threads")
    linked = masked_spots(raw[:2], tmp_path / "b.zarr", files, link=True, cluster=PROCESSES)
    found, again = copied.columns("find_spots"), linked.columns("find_spots")
    assert len(found["x"]) > 100
    assert found["x"].min() > 100
    assert found["y"].min() > 6
    for name, values in found.items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)
    arrays, others = copied.arrays("find_spots"), linked.arrays("find_spots")
    assert {"shoebox_value", "shoebox_mask", "hot_mask"} <= set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(others[name], values, err_msg=name)


@pytest.mark.slow
def test_process_goes_on_with_linked_frames_and_the_mask_applied(
    raw: list[Path], tmp_path: Path
) -> None:
    store = dxdask.import_(raw[:2], tmp_path / "a.zarr", link=True)
    dxdask.generate_mask(store, show=dxdask.quiet, border=6)
    dxdask.apply_mask(store, show=dxdask.quiet, mask="generate_mask")
    dxdask.find_spots(store, show=dxdask.quiet)
    before = store.step_attributes("find_spots")["id"]
    dxdask.process(raw[:2], store.path, show=dxdask.quiet, link=True, **QUICK)
    assert store.step_attributes("find_spots")["id"] == before
    assert store.has_step("merge")
    assert store.columns("find_spots")["y"].min() > 6
    dxdask.apply_mask(store, show=dxdask.quiet, mask=None)
    dxdask.process(raw[:2], store.path, show=dxdask.quiet, link=True, **QUICK)
    assert store.columns("find_spots")["y"].min() < 6


def test_steps_that_read_no_frames_do_without_the_files(raw: list[Path], tmp_path: Path) -> None:
    files = [Path(shutil.copy(file, tmp_path)) for file in raw[:2]]
    store = dxdask.import_(files, tmp_path / "a.zarr", link=True)
    dxdask.find_spots(store, show=dxdask.quiet)
    before = store.step_attributes("find_spots")["id"]
    os.utime(files[1], ns=(1, 1))
    dxdask.index(store, show=dxdask.quiet, **QUICK)
    assert store.has_step("index")
    dxdask.refine(store, show=dxdask.quiet)
    with pytest.raises(LinkedFileError, match=rf"{files[1].name} has changed"):
        dxdask.find_spots(store, show=dxdask.quiet, min_spot_size=4)
    with pytest.raises(LinkedFileError, match=rf"{files[1].name} has changed"):
        dxdask.integrate(store, show=dxdask.quiet)
    assert store.step_attributes("find_spots")["id"] == before
    dxdask.find_spots(store, show=dxdask.quiet)  # the same again reads nothing
    assert store.step_attributes("find_spots")["id"] == before


def test_indexing_no_spots_gives_advice(raw: list[Path], tmp_path: Path) -> None:
    store = dxdask.import_(raw[:1], tmp_path / "a.zarr", link=True)
    dxdask.find_spots(store, show=dxdask.quiet, min_spot_size=900)
    assert len(store.columns("find_spots")["x"]) == 0
    with pytest.raises(InputError, match=r"no spots to index: .*threshold of find_spots"):
        dxdask.index(store, show=dxdask.quiet)
