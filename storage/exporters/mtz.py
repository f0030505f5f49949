"""MTZ files, merged and unmerged, by gemmi.

Batch headers follow CCP4's layout (CCP4 library, "MTZ batch headers"): cell, orientation, rotation
range. Their frame is the Cambridge one: z along the rotation axis, x along the beam, with U the
rotation from a* along x, c along z to the orientation at a rotation of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows, select
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList, Scan, space_group
from dxdask.models.symmetry import asu_indices, pack
from dxdask.models.vectors import unit
from dxdask.models.wavelengths import wavelength_groups
from dxdask.storage.exporters.whole_file import whole_file

Column = tuple[str, str, NDArray[np.generic]]

_BATCH_STEP = 1000  # batch numbers of an experiment begin after a multiple of it
_N_INTS, _N_FLOATS = 29, 156
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
    mtz.history = ["From dxdask"]
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


def dataset_numbers(experiments: ExperimentList) -> list[int]:
    """Return the number of the data set of each experiment: one a wavelength."""
    found = {
        member: number
        for number, (_, members) in enumerate(wavelength_groups(experiments), 1)
        for member in members
    }
    return [found[i] for i in range(len(experiments))]


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


def write_merged(path: str | Path, reflections: Reflections, experiments: ExperimentList) -> None:
    """Write merged reflections: IMEAN, SIGIMEAN, N and, where merged apart, I(+), SIGI(+), I(-),
    SIGI(-).

    Of several wavelengths, each has a data set with its own columns, called _WAVE1, _WAVE2 ..., as
    dials.merge calls them.

    Parameters
    ----------
    path : of the file.
    reflections : of the step `merge`: hkl, intensity, sigma, n_observations, and intensity_plus and
        so on.
    experiments : with crystals (the median cell is written) and wavelengths.

    Raises
    ------
    InputError
        No experiment has a crystal.
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
    places = [0] * len(columns)
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
    with whole_file(path) as aside:
        mtz.write_to_file(str(aside))


_MERGED = (
    ("IMEAN", "J", "intensity"),
    ("SIGIMEAN", "Q", "sigma"),
    ("N", "I", "n_observations"),
    ("I(+)", "K", "intensity_plus"),
    ("SIGI(+)", "M", "sigma_plus"),
    ("I(-)", "K", "intensity_minus"),
    ("SIGI(-)", "M", "sigma_minus"),
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


def batch_offsets(experiments: ExperimentList) -> list[int]:
    """Return the offsets from image numbers to batch numbers of each experiment, unique over
    all.
    """
    offsets: list[int] = []
    last = 0
    for experiment in experiments:
        first, end = (1, 1) if experiment.scan is None else experiment.scan.image_range
        own = 0 if experiment.scan is None else experiment.scan.batch_offset
        free = first + own > last
        offset = (
            own
            if free
            else -(-last // _BATCH_STEP) * _BATCH_STEP - (first - 1) // _BATCH_STEP * _BATCH_STEP
        )
        offsets.append(offset)
        last = end + offset
    return offsets


def _to_cambridge(experiment: Experiment) -> Floats:
    """Return the rotation (3, 3) from the laboratory frame to the Cambridge one."""
    s0 = unit(experiment.beam.s0)
    axis = (
        np.array([1.0, 0.0, 0.0])
        if experiment.goniometer is None
        else experiment.goniometer.rotation_axis
    )
    z = unit(axis)
    x = unit(s0 - (s0 @ z) * z)
    return np.stack([x, np.cross(z, x), z])


def _orientation(experiment: Experiment, to_cambridge: Floats) -> Floats:
    """Return U (3, 3) of the batch header: A = U B, a* along x, b* in the xy plane."""
    if experiment.crystal is None:
        return np.eye(3)
    a = experiment.crystal.a
    if experiment.goniometer is not None:
        a = experiment.goniometer.setting_rotation @ experiment.goniometer.fixed_rotation @ a
    u, b = np.linalg.qr(to_cambridge @ a)
    return np.asarray(u * np.sign(np.diag(b)))


def batches(experiment: Experiment, offset: int, dataset: int) -> list[gemmi.Mtz.Batch]:
    """Return the batch headers of one experiment, one an image."""
    scan = experiment.scan or Scan(image_range=(1, 1))
    to_cambridge = _to_cambridge(experiment)
    ints = [_N_INTS + _N_FLOATS, _N_INTS, _N_FLOATS] + [0] * (_N_INTS - 3)
    # jump axis, one crystal, still or rotation, scan axis 1, one goniostat axis, beam, one
    # detector, data set
    ints[11], ints[12], ints[14], ints[15] = 1, 1, 1 if scan.is_still else 2, 1
    ints[17], ints[19], ints[20] = 1, 1, dataset
    floats = [0.0] * _N_FLOATS
    crystal = experiment.crystal
    floats[0:6] = (1.0, 1.0, 1.0, 90.0, 90.0, 90.0) if crystal is None else crystal.unit_cell
    floats[6:15] = _orientation(experiment, to_cambridge).T.ravel().tolist()
    if experiment.profile is not None:
        floats[21] = float(np.rad2deg(experiment.profile.sigma_m))
    floats[38:41] = floats[59:62] = [0.0, 0.0, 1.0]
    floats[43] = floats[45] = 1.0
    floats[47] = scan.oscillation[1]
    floats[80:83] = [-1.0, 0.0, 0.0]
    floats[83:86] = (-to_cambridge @ unit(experiment.beam.s0)).tolist()
    floats[86] = experiment.beam.wavelength
    if experiment.detector.panels:
        panel = experiment.detector.panels[0]
        floats[111] = float(
            abs(np.cross(panel.fast_axis, panel.slow_axis) @ np.asarray(panel.origin))
        )
        floats[114], floats[116] = map(float, panel.image_size)
    out = []
    first, last = scan.image_range
    for image in range(first, last + 1):
        batch = gemmi.Mtz.Batch()
        batch.number, batch.title, batch.axes = image + offset, f"Batch {image + offset}", ["PHI"]
        start = scan.oscillation[0] + (image - first) * scan.oscillation[1]
        floats[36], floats[37] = start, start + scan.oscillation[1]
        for i, number in enumerate(ints):
            batch.ints[i] = number
        for i, value in enumerate(floats):
            batch.floats[i] = value
        out.append(batch)
    return out


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


def write_unmerged(path: str | Path, reflections: Reflections, experiments: ExperimentList) -> None:
    """Write single observations: H K L M/ISYM BATCH I SIGI SCALEUSED FRACTIONCALC XDET YDET ROT LP
    QE FLAG.

    Parameters
    ----------
    path : of the file.
    reflections : scaled (then I is the scaled intensity) or integrated (then I is the summed one,
        corrected by lp, qe and partiality, and IPR, SIGIPR the fitted one where there is): hkl,
        experiment, x_cal, y_cal, z_cal, partiality, lp, qe, flags and the intensities.
    experiments : for the batch headers, one an image.

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
    asu, isym = asu_indices(table["hkl"], mtz.spacegroup)
    columns = [
        *index_columns(asu),
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
    with whole_file(path) as aside:
        mtz.write_to_file(str(aside))
