"""Unmerged MTZ files, by gemmi: scaled or integrated observations with batches."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, check, has_flag, n_rows, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList, Scan
from dxdask.models.symmetry import asu_indices
from dxdask.storage.exporters.mtz import Column, empty_mtz, fill, index_columns
from dxdask.storage.exporters.mtz_batches import batch_offsets, batches, dataset_numbers
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

PARTIALITY_THRESHOLD = 0.4  # of dials.export: reflections of lower partiality are excluded


def is_scaled(reflections: Reflections) -> NDArray[np.bool_]:
    """Return true (n,) for scaled observations, those that are merged."""
    good = has_flag(reflections, Flag.SCALED) & ~has_flag(reflections, Flag.BAD_FOR_SCALING)
    intensity, variance = reflections["intensity"], reflections["intensity_variance"]
    return np.asarray(good & np.isfinite(intensity) & np.isfinite(variance) & (variance > 0))


def _chosen(reflections: Reflections) -> Reflections:
    """Return the reflections to write: scaled ones, or, where nothing is scaled, those integrated
    of sufficient partiality, to be divided by it.
    """
    if "scale" in reflections:
        good = is_scaled(reflections)
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


def _background(table: Reflections) -> list[Column]:
    """Return the background under the foreground and its error, where the table has them."""
    if not {"background_sum", "background_sum_variance"} <= table.keys():
        return []
    return [
        ("BG", "R", table["background_sum"]),
        ("SIGBG", "R", np.sqrt(table["background_sum_variance"])),
    ]


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
    QE FLAG BG SIGBG, those that the table has.

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
        *_background(table),
    ]
    fill(mtz, columns)
    mtz.sort(5)
    return mtz
