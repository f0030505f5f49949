"""Merged intensities as SHELX's HKLF 4: 3I4, 2F8.2, I4 (Sheldrick 2008, Acta Cryst. A64, 112)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, check
from dxdask.errors import InputError
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

_LARGEST_INDEX = 999  # of a field of four characters with a sign


def write_shelx_hkl(
    path: str | Path, reflections: Reflections, processing: Processing | None = None
) -> None:
    """Write merged intensities, Friedel mates apart where they are merged apart.

    All are multiplied by one factor such that the largest fits its field.

    processing : for the history, behind the record 0 0 0 that ends the reflections.

    Raises
    ------
    InputError
        No intensity is known, or an index does not fit its field.
    SchemaError
        A column is missing.
    """
    check(reflections, ("hkl", "intensity", "sigma"))
    hkl, intensity, sigma = reflections["hkl"], reflections["intensity"], reflections["sigma"]
    if "intensity_plus" in reflections:
        hkl = np.concatenate([hkl, -hkl])
        intensity = np.concatenate([reflections[f"intensity_{s}"] for s in ("plus", "minus")])
        sigma = np.concatenate([reflections[f"sigma_{s}"] for s in ("plus", "minus")])
    known = np.flatnonzero(np.isfinite(intensity) & np.isfinite(sigma))
    if not len(known):
        raise InputError("no intensity is known: nothing to write; run merge on scaled data")
    hkl, intensity, sigma = hkl[known], intensity[known], sigma[known]
    if np.abs(hkl).max() > _LARGEST_INDEX:
        raise InputError(
            f"index {np.abs(hkl).max()} has more digits than SHELX's format: give format=mtz"
        )
    factor = _fitting(intensity, sigma)
    lines = [
        f"{h:4d}{k:4d}{l:4d}{i:8.2f}{s:8.2f}{1:4d}"
        for (h, k, l), i, s in zip(
            hkl.tolist(), (intensity * factor).tolist(),
            np.maximum(sigma * factor, 0.01).tolist(), strict=True,
        )
    ]  # fmt: skip
    end = f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}{0:4d}"
    with whole_file(path) as aside:
        aside.write_text("\n".join([*lines, end, "", *history(processing), ""]))


def _fitting(intensity: Floats, sigma: Floats) -> float:
    """Return the factor that makes the largest value 9999."""
    return 9999.0 / float(max(np.abs(intensity).max(), sigma.max()))
