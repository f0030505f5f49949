"""The calibration of a run in its store: whole or not at all, and of that very import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from dxdask.errors import SchemaError
from dxdask.models import Beam, Detector, Experiment, Panel
from dxdask.storage.store.calibration import (
    StoredCalibration,
    calibration_fingerprint,
    read_calibration,
    write_calibration,
)
from dxdask.storage.store.store import Store

SIZE = (6, 8)


def stored(folder: Path) -> Store:
    store = Store.create(folder / "a.zarr")
    add_run(store)
    return store


def add_run(store: Store, *, overwrite: bool = False) -> None:
    detector = Detector(panels=(Panel(image_size=(8, 6)),))
    experiment = Experiment(identifier="", run="r", beam=Beam(), detector=detector)
    with store.writing():
        writer = store.create_run(
            "r", experiment, n_images=2, shape=SIZE, dtype=np.uint16, overwrite=overwrite
        )
        for i in range(2):
            writer.write(i, np.zeros((1, *SIZE), np.uint16))
        writer.finish()


def made(seed: int = 0, **changes: Any) -> StoredCalibration:
    rng = np.random.default_rng(seed)
    given = {
        **{n: rng.normal(9, 1, SIZE).astype(np.float32) for n in ("pedestal", "noise", "gain")},
        "use": rng.integers(0, 3, SIZE).astype(np.uint8),
        "n_dark": 12,
        "fingerprint": f"f{seed}",
    }
    return StoredCalibration(**{**given, **changes})


def same(one: StoredCalibration | None, other: StoredCalibration) -> bool:
    return one is not None and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_it_comes_back_and_is_replaced(tmp_path: Path) -> None:
    store = stored(tmp_path)
    assert read_calibration(store.path, "r") is None
    assert calibration_fingerprint(store.path, "r") is None
    for seed in (0, 1):
        with store.writing():
            write_calibration(store.path, "r", made(seed), parameters={"gain": 7.0})
        assert same(read_calibration(store.path, "r"), made(seed))
        assert calibration_fingerprint(store.path, "r") == f"f{seed}"
    group = zarr.open_group(store.path / "runs/r/raw", mode="r")
    assert group["pedestal"].attrs["units"] == "ADU"
    assert group.attrs["parameters"] == {"gain": 7.0}


def test_one_of_another_import_or_not_complete_is_none(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with store.writing():
        write_calibration(store.path, "r", made())
    file = store.path / "runs/r/raw/zarr.json"
    content = json.loads(file.read_text())
    content["attributes"].pop("complete")
    file.write_text(json.dumps(content))
    assert read_calibration(store.path, "r") is None
    content["attributes"].update(complete=True, run="another")
    file.write_text(json.dumps(content))
    assert read_calibration(store.path, "r") is None
    add_run(store, overwrite=True)
    assert read_calibration(store.path, "r") is None


def test_arrays_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with store.writing():
        with pytest.raises(SchemaError, match=r"pedestal of run 'r' is float32 \(2, 2\)"):
            write_calibration(store.path, "r", made(pedestal=np.zeros((2, 2), np.float32)))
        with pytest.raises(SchemaError, match="use of run 'r' is int64"):
            write_calibration(store.path, "r", made(use=np.zeros(SIZE, np.int64)))
    assert not list((store.path / ".dxdask/staging").glob("raw-*"))


def test_a_damaged_calibration_is_refused(tmp_path: Path) -> None:
    store = stored(tmp_path)
    with store.writing():
        write_calibration(store.path, "r", made())
    path = store.path / "runs/r/raw"
    chunk = path / "gain/c/0/0"
    data = bytearray(chunk.read_bytes())
    data[-8] ^= 0xFF
    chunk.write_bytes(bytes(data))
    with pytest.raises(SchemaError, match="gain of run 'r'"):
        read_calibration(store.path, "r")
