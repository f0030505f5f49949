"""Merged MTZ files, by gemmi, and what unmerged ones share with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, check, n_rows, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList, space_group
from dxdask.models.free_flags import FreeFlags, free_flags
from dxdask.models.symmetry import pack
from dxdask.models.wavelengths import wavelength_groups
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

Column = tuple[str, str, NDArray[np.generic]]


def empty_mtz(experiments: ExperimentList, title: str) -> gemmi.Mtz:
    """Return an MTZ without data, with median cell, space group and a data set for each
    wavelength.
    """
    crystals = [e.crystal for e in experiments if e.crystal is not None]
    if not crystals:
        raise InputError(
            "an MTZ file needs a cell and a space group: no experiment has a crystal; "
            "index the data first"
        )
    mtz = gemmi.Mtz(with_base=True)
    mtz.title = title
    mtz.history = history(None)
    mtz.spacegroup = space_group(crystals[0].space_group)
    mtz.set_cell_for_all(
        gemmi.UnitCell(*np.median([c.unit_cell for c in crystals], axis=0).tolist())
    )
    known = wavelengths(experiments)
    for number, wavelength in enumerate(known, 1):
        dataset = mtz.add_dataset("NATIVE" if len(known) == 1 else f"WAVE{number}")
        dataset.project_name, dataset.crystal_name, dataset.wavelength = (
            "AUTOMATIC",
            "XTAL",
            wavelength,
        )
    mtz.set_cell_for_all(mtz.cell)
    return mtz


def wavelengths(experiments: ExperimentList) -> list[float]:
    """Return the wavelengths of the experiments, Angstrom, each once, in order."""
    return [wavelength for wavelength, _ in wavelength_groups(experiments)]


def fill(mtz: gemmi.Mtz, columns: Sequence[Column], datasets: Sequence[int] = ()) -> None:
    """Put label, type and values of each column into a file that has H, K, L.

    datasets : number of the data set of each column; by default the first, of M/ISYM that of H.
    """
    for i, (label, kind, _) in enumerate(columns[3:], 3):
        place = (0 if kind == "Y" else 1) if not datasets else datasets[i]
        mtz.add_column(label, kind, dataset_id=place)
    mtz.set_data(np.stack([np.asarray(c[2], dtype=np.float32) for c in columns], axis=1))


def index_columns(hkl: NDArray[np.int32]) -> list[Column]:
    """Return the columns H, K, L of indices (n, 3)."""
    return [(name, "H", hkl[:, i]) for i, name in enumerate("HKL")]


def write_merged(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    reference: FreeFlags | None = None,
    processing: Processing | None = None,
) -> None:
    """Write merged reflections to an MTZ file; see `merged_mtz`.

    processing : for the history of the file.

    Raises
    ------
    InputError
        No experiment has a crystal.
    SchemaError
        A column is missing.
    """
    mtz = merged_mtz(reflections, experiments, reference)
    mtz.history = history(processing)
    with whole_file(path) as aside:
        mtz.write_to_file(str(aside))


def merged_mtz(
    reflections: Reflections, experiments: ExperimentList, reference: FreeFlags | None = None
) -> gemmi.Mtz:
    """Return merged reflections: FreeR_flag, then IMEAN, SIGIMEAN, N, F, SIGF and, where merged
    apart, I(+), I(-), N(+), N(-), F(+), F(-), DANO, and half-sets, those that the table has.

    Of several wavelengths, each has a data set with its own columns, called _WAVE1, _WAVE2 ..., as
    dials.merge calls them.

    Parameters
    ----------
    reflections : of the step `merge`: hkl, intensity, sigma, n_observations, and intensity_plus and
        so on.
    experiments : with crystals (the median cell is written) and wavelengths.
    reference : free-R flags to keep.

    Raises
    ------
    InputError
        There is no reflection, no experiment has a crystal, or the reference is of another cell.
    SchemaError
        A column is missing.
    """
    check(reflections, ("hkl", "intensity", "sigma", "n_observations"))
    if not n_rows(reflections):
        raise InputError("there is no merged reflection: nothing to write; run merge")
    mtz = empty_mtz(experiments, "Merged by dxdask")
    parts = _by_wavelength(reflections, mtz)
    hkl = np.unique(np.concatenate([part["hkl"] for part in parts.values()]), axis=0)
    keys = pack(hkl)
    order = np.argsort(keys)
    columns = index_columns(hkl)
    columns.append(("FreeR_flag", "I", free_flags(hkl, mtz.cell, mtz.spacegroup, reference)))
    places = [0, 0, 0, 1]
    for dataset, part in parts.items():
        rows = order[np.searchsorted(keys, pack(part["hkl"]), sorter=order)]
        suffix = "" if len(parts) == 1 else f"_WAVE{dataset}"
        for label, kind, name in _MERGED:
            if name in part:
                values = np.full(len(hkl), np.nan)
                values[rows] = part[name]
                columns.append((f"{label}{suffix}", kind, values))
                places.append(dataset)
    fill(mtz, columns, places)
    mtz.sort()
    return mtz


_MERGED = (
    ("IMEAN", "J", "intensity"),
    ("SIGIMEAN", "Q", "sigma"),
    ("N", "I", "n_observations"),
    ("F", "F", "amplitude"),
    ("SIGF", "Q", "amplitude_sigma"),
    ("I(+)", "K", "intensity_plus"),
    ("SIGI(+)", "M", "sigma_plus"),
    ("I(-)", "K", "intensity_minus"),
    ("SIGI(-)", "M", "sigma_minus"),
    ("N(+)", "I", "n_plus"),
    ("N(-)", "I", "n_minus"),
    ("F(+)", "G", "amplitude_plus"),
    ("SIGF(+)", "L", "amplitude_sigma_plus"),
    ("F(-)", "G", "amplitude_minus"),
    ("SIGF(-)", "L", "amplitude_sigma_minus"),
    ("DANO", "D", "dano"),
    ("SIGDANO", "Q", "dano_sigma"),
    ("IHALF1", "J", "intensity_half1"),
    ("SIGIHALF1", "Q", "sigma_half1"),
    ("NHALF1", "I", "n_half1"),
    ("IHALF2", "J", "intensity_half2"),
    ("SIGIHALF2", "Q", "sigma_half2"),
    ("NHALF2", "I", "n_half2"),
)
"""Label and type of each column of merged reflections, and its name in the table."""


def _by_wavelength(reflections: Reflections, mtz: gemmi.Mtz) -> dict[int, Reflections]:
    """Return the reflections of each data set of a file, by its number.

    Data sets get the wavelengths that the table has.
    """
    if "wavelength" not in reflections:
        return {1: reflections}
    values = list(dict.fromkeys(reflections["wavelength"].tolist()))
    while len(mtz.datasets) <= len(values):
        mtz.add_dataset(f"WAVE{len(mtz.datasets)}")
    parts = {}
    for number, wavelength in enumerate(values, 1):
        mtz.dataset(number).wavelength = wavelength
        rows = np.flatnonzero(reflections["wavelength"] == wavelength)
        parts[number] = select(reflections, rows)
    return parts
