"""Damaged files open, or give an error of dxdask; nothing else happens."""

import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.raw_examples import write_cbf, write_nxmx, write_smv

from dxdask.errors import DxdaskError
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.dials.reflections import read_reflections

IMAGE = np.arange(40, dtype=np.int32).reshape(5, 8)


def example(kind: str, folder: Path) -> Path:
    if kind == "cbf":
        return write_cbf(folder / "a_1.cbf", IMAGE)
    if kind == "smv":
        return write_smv(folder / "a_1.img", IMAGE.astype(np.uint16))
    return write_nxmx(folder / "a.nxs", np.stack([IMAGE] * 3).astype(np.uint16))


def read(kind: str, path: Path) -> None:
    if kind == "refl":
        read_reflections(path)
        return
    for run in read_runs([path]):
        run.read(0, run.shape[0])


@pytest.mark.parametrize("kind", ["cbf", "smv", "hdf5"])
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_images(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        path = example(kind, Path(folder))
        raw = bytearray(path.read_bytes())
        # libhdf5 itself may crash on damaged bytes: its files are only truncated here.
        for _ in range(0 if kind == "hdf5" else data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(raw)) | st.just(0))
        path.write_bytes(bytes(raw[: len(raw) - cut]))
        with suppress(DxdaskError):
            read(kind, path)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_table(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.refl"
        path.write_bytes(raw)
        with pytest.raises(DxdaskError):
            read_reflections(path)
