"""Maps of one value a pixel in the user's files: gains, masks, unbonded pixels."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError
from dxdask.storage.importers.nxmx.axes import refuse_raw_storage
from dxdask.storage.importers.nxmx.frames import opened

_PICKLED = (".pickle", ".pkl", ".p")


def read_pixel_map(text: str, name: str, frame: tuple[int, int]) -> NDArray[Any]:
    """Return the values (slow, fast) of a .npy file, or of FILE.h5:DATASET.

    Panels along an axis of their own, (panel, slow, fast), are stacked along slow.

    name : the parameter that gave it. frame : (slow, fast) of the frames it is for.

    Raises
    ------
    InputError
        The file does not exist, or does not fit the frames.
    FormatError
        It cannot be read, holds no numbers, or is a pickle, which may run code when it is read.
    """
    file, dataset = _file_and_dataset(text)
    if not file.is_file():
        raise InputError(f"{name}={text}: there is no file {file}")
    if dataset is not None:
        found = _of_hdf5(file, dataset, name, text, frame)
    else:
        found = _of_npy(file, name, text)
    if found.dtype.kind not in "biuf":
        raise FormatError(f"{name}={text} is of {found.dtype}; give numbers or booleans")
    if found.ndim not in (2, 3) or math.prod(found.shape) != frame[0] * frame[1]:
        raise InputError(f"{name}={text} is {found.shape}, the frames are {frame} (slow, fast)")
    if found.shape[-1] != frame[1]:
        raise InputError(
            f"{name}={text} is {found.shape}: its rows are not those of frames {frame} (slow, fast)"
        )
    return np.array(found).reshape(frame)


def map_file(text: str) -> Path:
    """Return the file of a map."""
    return _file_and_dataset(text)[0]


def _file_and_dataset(text: str) -> tuple[Path, str | None]:
    file, colon, dataset = text.rpartition(":")
    if colon and not Path(text).exists():
        return Path(file), dataset
    return Path(text), None


def _of_hdf5(
    file: Path, dataset: str, name: str, text: str, frame: tuple[int, int]
) -> NDArray[Any]:
    with opened(file) as source:
        item = source.get(dataset)
        if not isinstance(item, h5py.Dataset):
            raise FormatError(f"{name}={text}: {file} has no dataset {dataset}")
        refuse_raw_storage(item)
        if math.prod(item.shape) != frame[0] * frame[1]:
            raise InputError(f"{name}={text} is {item.shape}, the frames are {frame} (slow, fast)")
        return np.asarray(item[()])


def _of_npy(file: Path, name: str, text: str) -> NDArray[Any]:
    with file.open("rb") as stream:
        head = stream.read(2)
    if file.suffix in _PICKLED or head[:1] == b"\x80":
        raise FormatError(
            f"{name}={text} is a pickle, which can run code when it is read, and is not; write it "
            "with its own program as numbers: numpy.save('mask.npy', mask), panels below each other"
        )
    try:
        # mapped, so that a header that announces more than the file holds allocates nothing
        found = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, OverflowError) as error:
        raise FormatError(
            f"{name}={text} cannot be read ({error}); give a .npy file or FILE.h5:DATASET"
        ) from error
    if not isinstance(found, np.ndarray):
        raise FormatError(f"{name}={text} is an archive; give a .npy file of one array")
    return found
