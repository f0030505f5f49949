"""An MTZ file, read by gemmi after its header was compared with its size."""

from __future__ import annotations

import struct
from pathlib import Path

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError

_RECORD = 80
_FIRST = 20  # words before the reflections
_LARGEST_HEADER = 1 << 26


def read(path: Path) -> gemmi.Mtz:
    """Return an unmerged MTZ file.

    Raises
    ------
    FormatError
        Truncated, damaged, merged, or without cell or space group.
    """
    _check_size(path)
    try:
        mtz = gemmi.read_mtz_file(str(path))
    except (RuntimeError, ValueError, MemoryError, OSError) as error:
        raise FormatError(f"{path} is damaged ({error}); fetch it again") from error
    labels = {c.label for c in mtz.columns}
    if not {"M/ISYM", "BATCH"} <= labels:
        raise FormatError(
            f"{path} is merged: it has no columns M/ISYM and BATCH; give the unmerged file that "
            "integration or scaling wrote"
        )
    if mtz.spacegroup is None or not mtz.cell.is_crystal():
        raise FormatError(f"{path} has no space group or cell; set them, by pointless for instance")
    if mtz.nreflections == 0:
        raise FormatError(f"{path} has no reflections; give the unmerged file")
    return mtz


def _check_size(path: Path) -> None:
    """Check that the reflections of the header are in the file."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(4 * _FIRST)
        if len(start) < 4 * _FIRST or start[:4] != b"MTZ ":
            raise FormatError(f"{path} is truncated; fetch it again")
        order = "<" if start[8] >> 4 == 4 else ">"
        (place,) = struct.unpack(order + "i", start[4:8])
        if place == -1:
            (place,) = struct.unpack(order + "q", start[12:20])
        end = 4 * (place - 1)
        if not 4 * _FIRST <= end < size:
            raise FormatError(
                f"{path} is truncated: its header is at byte {end} of {size}; fetch it again"
            )
        stream.seek(end)
        header = stream.read(min(size - end, _LARGEST_HEADER))
    records = [header[i : i + _RECORD] for i in range(0, min(len(header), 40 * _RECORD), _RECORD)]
    counts = next((r[4:].split() for r in records if r[:4] == b"NCOL"), None)
    try:
        n_columns, n_rows, n_batches = (int(n) for n in (counts or ())[:3])
    except ValueError as error:
        raise FormatError(f"{path} has no numbers of columns and reflections") from error
    if min(n_columns, n_rows, n_batches) < 0 or 4 * (_FIRST + n_columns * n_rows) > end:
        raise FormatError(
            f"{path}: {n_rows} reflections of {n_columns} columns do not fit into {end} bytes; "
            "fetch it again"
        )
    if n_batches * _RECORD > len(header):
        raise FormatError(f"{path}: {n_batches} batch headers do not fit into it; fetch it again")


def columns(path: Path, mtz: gemmi.Mtz) -> dict[str, Floats]:
    """Return the columns by label, with the Miller indices as they were measured.

    Raises
    ------
    FormatError
        Indices or batches are not numbers, or there are no intensities.
    """
    symmetry = mtz.column_with_label("M/ISYM")
    values = np.array(mtz, copy=True)
    isym = values[:, symmetry.idx]
    if not np.isfinite(values[:, [0, 1, 2, symmetry.idx]]).all():
        raise FormatError(f"{path}: Miller indices or M/ISYM are missing in some reflections")
    n_operators = 2 * len(mtz.spacegroup.operations().sym_ops)
    number = isym.astype(np.int64) % 256
    if (number < 1).any() or (number > n_operators).any():
        raise FormatError(
            f"{path}: M/ISYM has operators that {mtz.spacegroup.hm} does not have; its space group "
            "was changed after the indices were reduced: reindex with pointless"
        )
    partial = isym >= 256
    values[:, symmetry.idx] = number
    mtz.set_data(values)
    mtz.switch_to_original_hkl()
    original = np.array(mtz, copy=True)
    found = {c.label: original[:, c.idx].astype(np.float64) for c in mtz.columns}
    found["partial"] = partial.astype(np.float64)
    if not {"I", "SIGI"} <= found.keys():
        raise FormatError(f"{path} lacks I and SIGI; it has {', '.join(found)}")
    if not np.isfinite(found["BATCH"]).all():
        raise FormatError(f"{path}: batches are missing in some reflections")
    return found
