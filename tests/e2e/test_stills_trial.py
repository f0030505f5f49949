"""Second trials on a store of raw events: the calibration is kept, the gain is changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.still_runs import events, ids, stills, write_raw

import dxdask
from dxdask.storage.store.store import Store

EVENTS = events(".x.x")


@pytest.fixture
def raw(tmp_path: Path) -> Store:
    frames, dark = write_raw(tmp_path, EVENTS.photons)
    given = {"calibration.dark_path": str(dark), "calibration.gain": 8.0}
    store = stills(frames, tmp_path / "raw.zarr", **given)
    assert np.array_equal(store.arrays("index")["indexed"], EVENTS.is_hit)
    return store


def test_the_calibration_of_a_store_need_not_be_given_again(raw: Store, tmp_path: Path) -> None:
    before = ids(raw)
    (tmp_path / "dark.h5").rename(tmp_path / "elsewhere.h5")
    stills(raw.path, None)
    assert ids(raw) == before
    stills(raw.path, None, **{"calibration.common_mode.algorithm": "none"})
    assert ids(raw)["find_spots"] != before["find_spots"]


def test_gain_is_that_of_photons_by_the_same_store(raw: Store) -> None:
    dxdask.estimate_gain(raw, show=dxdask.quiet)
    # as recorded, 8 ADU a photon on a pedestal of a thousand, it would be near 0
    assert raw.table("estimate_gain", "runs")["gain"].iloc[0] == pytest.approx(1.0, abs=0.25)
