"""Scaled observations as XDS_ASCII.HKL, and merged intensities as SHELX's HKLF 4.

The header's keys and the items of a line are those of the XDS manual (Kabsch 2010, D66, 125,
"XDS_ASCII.HKL"); SHELX's format is 3I4, 2F8, I4 (Sheldrick 2008, A64, 112).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Reflections, check, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.storage.exporters.mtz import empty_mtz
from dxdask.storage.exporters.mtz_unmerged import is_scaled
from dxdask.storage.exporters.whole_file import whole_file

NEEDED = ("hkl", "experiment", "flags", "x_cal", "y_cal", "z_cal", "lp", "scale", "intensity",
          "intensity_variance", "partiality")  # fmt: skip
_ITEMS = (
    "H",
    "K",
    "L",
    "IOBS",
    "SIGMA(IOBS)",
    "XD",
    "YD",
    "ZD",
    "RLP",
    "PEAK",
    "CORR",
    "MAXC",
    "PSI",
)


def write_xds_ascii(
    path: str | Path, reflections: Reflections, experiments: ExperimentList
) -> None:
    """Write the scaled observations of one run; PEAK is the partiality in percent; CORR is
    100, MAXC and PSI 0: they are not known.

    Raises
    ------
    InputError
        There are several runs, nothing is scaled, or no experiment has a crystal.
    SchemaError
        A column is missing.
    """
    check(reflections, NEEDED)
    if len(experiments) != 1:
        raise InputError(
            f"XDS_ASCII holds one run, there are {len(experiments)}: give format=mtz "
            "mtz.unmerged=true, or scale one run alone"
        )
    mtz = empty_mtz(experiments, "")
    experiment = experiments[0]
    good = is_scaled(reflections)
    if not good.any():
        raise InputError("no reflection is scaled: nothing to write; run scale")
    table = select(reflections, good)
    first = experiment.scan.image_range[0] if experiment.scan is not None else 1
    rows = zip(
        table["hkl"].tolist(),
        table["intensity"].tolist(),
        np.sqrt(table["intensity_variance"]).tolist(),
        table["x_cal"].tolist(),
        table["y_cal"].tolist(),
        (table["z_cal"] + first - 1).tolist(),
        (1 / table["lp"]).tolist(),
        (100 * table["partiality"]).tolist(),
        strict=True,
    )
    cell = " ".join(f"{value:.4f}" for value in mtz.cell.parameters)
    header = [
        "!FORMAT=XDS_ASCII    MERGE=FALSE    FRIEDEL'S_LAW=FALSE",
        "!OUTPUT_FILE=XDS_ASCII.HKL",
        "!Written by dxdask",
        f"!SPACE_GROUP_NUMBER= {mtz.spacegroup.number}",
        f"!UNIT_CELL_CONSTANTS= {cell}",
        f"!X-RAY_WAVELENGTH= {experiment.beam.wavelength:.6f}",
        f"!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD={len(_ITEMS)}",
        *(f"!ITEM_{name}={number}" for number, name in enumerate(_ITEMS, 1)),
        "!END_OF_HEADER",
    ]
    lines = [
        f"{h:6d}{k:6d}{l:6d} {i:11.4E} {s:11.4E} {x:8.1f} {y:8.1f} {z:9.2f} {p:9.5f} {peak:4.0f}"
        " 100 0 0.00"
        for (h, k, l), i, s, x, y, z, p, peak in rows
    ]
    with whole_file(path) as aside:
        aside.write_text("\n".join([*header, *lines, "!END_OF_DATA", ""]))


def write_shelx_hkl(path: str | Path, reflections: Reflections) -> None:
    """Write merged intensities in SHELX's HKLF 4, Friedel mates apart where they are merged apart.

    All are multiplied by one factor such that the largest fits its field.

    Raises
    ------
    InputError
        No intensity is known.
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
    factor = _fitting(intensity, sigma)
    lines = [
        f"{h:4d}{k:4d}{l:4d}{i:8.2f}{s:8.2f}{1:4d}"
        for (h, k, l), i, s in zip(
            hkl.tolist(), (intensity * factor).tolist(),
            np.maximum(sigma * factor, 0.01).tolist(), strict=True,
        )
    ]  # fmt: skip
    with whole_file(path) as aside:
        aside.write_text("\n".join([*lines, f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}{0:4d}", ""]))


def _fitting(intensity: Floats, sigma: Floats) -> float:
    """Return the factor that makes the largest value 9999."""
    return 9999.0 / float(max(np.abs(intensity).max(), sigma.max()))
