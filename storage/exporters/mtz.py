"""MTZ files, merged and unmerged, by gemmi."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, check, has_flag, n_rows, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList, Scan, space_group
from dxdask.models.free_flags import FreeFlags, free_flags
from dxdask.models.symmetry import asu_indices, pack
from dxdask.models.wavelengths import wavelength_groups
from dxdask.storage.exporters.mtz_batches import batch_offsets, batches, dataset_numbers
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

Column = tuple[str, str, NDArray[np.generic]]

PARTIALITY_THRESHOLD = 0.4  # of dials.export: reflections of lower partiality are excluded


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
        No experiment has a crystal, or the reference is of another cell.
    SchemaError
        A column is missing.
    """
    check(reflections, ("hkl", "intensity", "sigma", "n_observations"))
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


def _chosen(reflections: Reflections) -> Reflections:
    """Return the reflections to write: scaled ones, or, where nothing is scaled, those integrated
    of sufficient partiality, to be divided by it.
    """
    if "scale" in reflections:
        good = has_flag(reflections, Flag.SCALED) & ~has_flag(reflections, Flag.BAD_FOR_SCALING)
    else:
        good = has_flag(reflections, Flag.INTEGRATED_SUM) & (
            reflections["intensity_sum_variance"] > 0
        )
        good &= reflections["partiality"] >= PARTIALITY_THRESHOLD
    if not good.any():
        raise InputError(
            f"none of {n_rows(reflections)} reflections is integrated well: nothing to write to "
            "the MTZ file"
        )
    return select(reflections, good)


def _intensities(table: Reflections) -> list[Column]:
    if "scale" in table:
        return [
            ("I", "J", table["intensity"]),
            ("SIGI", "Q", np.sqrt(table["intensity_variance"])),
            ("SCALEUSED", "R", table["scale"]),
        ]
    factor = table["lp"] / (table["qe"] * table["partiality"])
    columns: list[Column] = [
        ("I", "J", table["intensity_sum"] * factor),
        ("SIGI", "Q", np.sqrt(table["intensity_sum_variance"]) * factor),
    ]
    if "intensity_prf" in table:
        fitted = np.where(has_flag(table, Flag.INTEGRATED_PRF), factor, np.nan)
        columns += [
            ("IPR", "J", table["intensity_prf"] * fitted),
            ("SIGIPR", "Q", np.sqrt(table["intensity_prf_variance"]) * fitted),
        ]
    return [*columns, ("SCALEUSED", "R", np.ones(n_rows(table)))]


def write_unmerged(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    processing: Processing | None = None,
) -> None:
    """Write single observations to an MTZ file; see `unmerged_mtz`.

    processing : for the history of the file.
    """
    mtz = unmerged_mtz(reflections, experiments)
    mtz.history = history(processing)
    with whole_file(path) as aside:
        mtz.write_to_file(str(aside))


def unmerged_mtz(
    reflections: Reflections, experiments: ExperimentList, *, in_asu: bool = True
) -> gemmi.Mtz:
    """Return single observations: H K L M/ISYM BATCH I SIGI SCALEUSED FRACTIONCALC XDET YDET ROT LP
    QE FLAG.

    Parameters
    ----------
    reflections : scaled (then I is the scaled intensity) or integrated (then I is the summed one,
        corrected by lp, qe and partiality, and IPR, SIGIPR the fitted one where there is): hkl,
        experiment, x_cal, y_cal, z_cal, partiality, lp, qe, flags and the intensities.
    experiments : for the batch headers, one an image.
    in_asu : whether indices are those in the asymmetric unit, as MTZ files have them, with M/ISYM;
        else those measured.

    Raises
    ------
    InputError
        No experiment has a crystal, or no reflection is fit to write.
    SchemaError
        A column is missing.
    """
    check(
        reflections,
        ("hkl", "experiment", "flags", "x_cal", "y_cal", "z_cal", "partiality", "lp", "qe"),
    )
    mtz = empty_mtz(experiments, "Unmerged data of dxdask")
    table = _chosen(reflections)
    n = n_rows(table)
    batch, rotation = np.zeros(n, dtype=np.int64), np.zeros(n)
    dataset = dataset_numbers(experiments)
    for i, (experiment, offset) in enumerate(
        zip(experiments, batch_offsets(experiments), strict=True)
    ):
        scan = experiment.scan or Scan(image_range=(1, 1))
        rows = table["experiment"] == i
        image = np.floor(table["z_cal"][rows]).astype(np.int64) + 1
        batch[rows] = np.clip(image, *scan.image_range) + offset
        rotation[rows] = np.rad2deg(scan.phi_from_z(table["z_cal"][rows]))
        for header in batches(experiment, offset, dataset[i]):
            mtz.batches.append(header)
    hkl, isym = table["hkl"], np.ones(n, dtype=np.int32)
    if in_asu:
        hkl, isym = asu_indices(hkl, mtz.spacegroup)
    columns = [
        *index_columns(hkl),
        ("M/ISYM", "Y", isym),
        ("BATCH", "B", batch),
        *_intensities(table),
        ("FRACTIONCALC", "R", table["partiality"]),
        ("XDET", "R", table["x_cal"]),
        ("YDET", "R", table["y_cal"]),
        ("ROT", "R", rotation),
        ("LP", "R", table["lp"]),
        ("QE", "R", table["qe"]),
        ("FLAG", "I", np.zeros(n)),
    ]
    fill(mtz, columns)
    mtz.sort(5)
    return mtz
