"""Free-R flags of an MTZ file."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from dxdask.errors import InputError
from dxdask.models.free_flags import FreeFlags

LABELS = ("FreeR_flag", "FREER", "FREE", "R-free-flags", "RFREE", "FREER_FLAG")


def read_free_flags(path: str | Path) -> FreeFlags:
    """Return the flags of an MTZ file, of its first column with a usual label.

    Raises
    ------
    InputError
        The file cannot be read as MTZ or has no such column.
    """
    try:
        mtz = gemmi.read_mtz_file(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{path} is not read as MTZ: {error}; give another reference") from error
    column = next((mtz.column_with_label(x) for x in LABELS if mtz.column_with_label(x)), None)
    if column is None:
        raise InputError(
            f"{path} has no column of free-R flags ({', '.join(LABELS)}); it has "
            f"{', '.join(mtz.column_labels())}"
        )
    flag = np.array(column)
    known = np.isfinite(flag)
    return FreeFlags(
        hkl=mtz.make_miller_array()[known].astype(np.int32),
        flag=flag[known].astype(np.int32),
        cell=mtz.cell,
        name=str(path),
    )
