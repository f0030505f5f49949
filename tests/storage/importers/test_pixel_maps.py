"""Maps of one value a pixel: .npy and HDF5; pickles are not read."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from dxdask.errors import FormatError, InputError
from dxdask.storage.importers.pixel_maps import read_pixel_map

FRAME = (6, 4)
VALUES = np.arange(24, dtype=np.float32).reshape(FRAME)


class Planted:
    """Code that runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_arrays_of_both_kinds_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    np.save(tmp_path / "b.npy", VALUES.reshape(3, 2, 4) > 5)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["maps/gain"] = VALUES.reshape(3, 2, 4)
    assert np.array_equal(read_pixel_map(str(tmp_path / "a.npy"), "x", FRAME), VALUES)
    assert np.array_equal(read_pixel_map(str(tmp_path / "b.npy"), "x", FRAME), VALUES > 5)
    text = f"{tmp_path / 'c.h5'}:/maps/gain"
    assert np.array_equal(read_pixel_map(text, "x", FRAME), VALUES)


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    for name in ("mask.pickle", "mask.npy"):
        path, trap = tmp_path / name, tmp_path / "ran"
        path.write_bytes(pickle.dumps(Planted(trap), protocol=4))
        with pytest.raises(FormatError, match=r"is a pickle, .* numpy\.save"):
            read_pixel_map(str(path), "calibration.mask", FRAME)
        assert not trap.exists()
    np.save(tmp_path / "o.npy", np.array([[Planted(tmp_path / "ran")]]), allow_pickle=True)
    with pytest.raises(FormatError, match="cannot be read"):
        read_pixel_map(str(tmp_path / "o.npy"), "x", FRAME)
    assert not (tmp_path / "ran").exists()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", VALUES)
    np.save(tmp_path / "t.npy", VALUES.T)
    np.save(tmp_path / "s.npy", np.full(FRAME, "a"))
    np.savez(tmp_path / "z.npz", a=VALUES)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["small"] = VALUES[:2]
    with pytest.raises(InputError, match="there is no file"):
        read_pixel_map(str(tmp_path / "none.npy"), "x", FRAME)
    with pytest.raises(InputError, match=r"\(6, 4\), the frames are \(5, 4\)"):
        read_pixel_map(str(tmp_path / "a.npy"), "x", (5, 4))
    with pytest.raises(InputError, match="rows are not those"):
        read_pixel_map(str(tmp_path / "t.npy"), "x", FRAME)
    with pytest.raises(FormatError, match="give numbers or booleans"):
        read_pixel_map(str(tmp_path / "s.npy"), "x", FRAME)
    with pytest.raises(FormatError, match="archive"):
        read_pixel_map(str(tmp_path / "z.npz"), "x", FRAME)
    with pytest.raises(FormatError, match="has no dataset nothing"):
        read_pixel_map(f"{tmp_path / 'c.h5'}:nothing", "x", FRAME)
    with pytest.raises(InputError, match="the frames are"):
        read_pixel_map(f"{tmp_path / 'c.h5'}:small", "x", FRAME)
