"""The frames of a run in HDF5: their reader, and which images of the acquisition they are."""

from __future__ import annotations

import math

from dxdask.errors import FormatError
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES
from dxdask.storage.importers.nxmx.choice import Candidate
from dxdask.storage.importers.nxmx.fields import MOST_VALUES, refuse_raw_storage, where
from dxdask.storage.importers.nxmx.frames import Hdf5Reader, is_count
from dxdask.storage.importers.nxmx.pieces import Pieces, pieces_of


def reader_of(found: Candidate) -> tuple[Hdf5Reader, Pieces]:
    """Return the reader of chosen frames, and what they consist of.

    Raises
    ------
    FormatError
        None is there, or datasets do not fit together.
    """
    there = [d.dataset for d in found.datasets if d.dataset is not None]
    if not there:
        raise FormatError(f"{found.datasets[0].reason}; put the data files beside the master file")
    first = there[0]
    shapes = {(d.shape[1:] if d.ndim > 2 else d.shape, d.dtype.str) for d in there}
    if len(shapes) > 1:
        raise FormatError(
            f"{where(first)}: the datasets of frames differ in shape or type: {shapes}"
        )
    if first.ndim not in (2, 3, 4) or 0 in first.shape or not is_count(first.dtype):
        raise FormatError(
            f"{where(first)} is {first.dtype} {first.shape}; frames are numbers (image, slow, "
            "fast): integers, float32 or float64"
        )
    if len(there) == 1 and not first.is_virtual and first.id.get_storage_size() == 0:
        refuse_raw_storage(first)
        raise FormatError(f"{where(first)} announces {first.shape[0]} frames, and none was written")
    n_announced = sum(1 if d.ndim == 2 else d.shape[0] for d in there)
    image = first.shape if first.ndim == 2 else first.shape[1:]
    if first.dtype.itemsize * math.prod(image) > MAX_IMAGE_BYTES or n_announced > MOST_VALUES:
        raise FormatError(
            f"{where(first)} announces {n_announced} frames of {image} {first.dtype}: no detector "
            "records that"
        )
    pieces = pieces_of(found.datasets)
    reader = Hdf5Reader(
        format="nxmx",
        parts=pieces.parts,
        frame_shape=(math.prod(image[:-1]), int(image[-1])),
        dtype=first.dtype.newbyteorder("=").str,
    )
    return reader, pieces
