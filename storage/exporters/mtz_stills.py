"""Integrated stills as an unmerged MTZ file: a batch each, with its own cell and orientation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dxdask.columns import Flag, Reflections, check, has_flag, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.models.symmetry import asu_indices
from dxdask.storage.exporters.indexed_stills import Stills, indexed_stills, place_of
from dxdask.storage.exporters.mtz import empty_mtz, fill, index_columns
from dxdask.storage.exporters.mtz_batches import batch_offsets, batches, dataset_numbers
from dxdask.storage.exporters.mtz_unmerged import PARTIALITY_THRESHOLD
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

_NEEDED = (
    "hkl", "experiment", "z", "flags", "x_cal", "y_cal", "partiality", "lp", "intensity_sum",
    "intensity_sum_variance",
)  # fmt: skip


def write_unmerged_stills(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    stills: Stills,
    processing: Processing | None = None,
) -> None:
    """Write observations of indexed stills: H K L M/ISYM BATCH I SIGI SCALEUSED FRACTIONCALC XDET
    YDET ROT LP FLAG.

    I is the summed intensity corrected by lp and divided by the predicted partiality; nothing is
    scaled. Reflections of partiality below 0.4 are excluded (as in `dials.export`).

    Parameters
    ----------
    path : of the file.
    reflections : integrated stills.
    experiments : the runs, for cell, group and wavelength of the file.
    stills : the table of stills; image i of a run is its batch i + 1, after those of earlier
        runs.
    processing : for the history of the file.

    Raises
    ------
    InputError
        No still is indexed, or no reflection fit to write.
    SchemaError
        A column is missing.
    """
    check(reflections, _NEEDED)
    found = indexed_stills(experiments, stills)
    mtz = empty_mtz(experiments, "Unmerged stills of dxdask")
    mtz.history = history(processing)
    place = place_of(reflections, stills, found.rows)
    good = (place >= 0) & has_flag(reflections, Flag.INTEGRATED_SUM)
    good &= reflections["intensity_sum_variance"] > 0
    good &= reflections["partiality"] >= PARTIALITY_THRESHOLD
    if not good.any():
        raise InputError(
            f"none of {len(good)} reflections is integrated well and at least "
            f"{PARTIALITY_THRESHOLD} recorded: nothing to write to the MTZ file"
        )
    run_of = stills["experiment"][found.rows]
    number = np.array(found.image) + 1 + np.array(batch_offsets(experiments))[run_of]
    dataset = dataset_numbers(experiments)
    for i, experiment in enumerate(found.experiments):
        for header in batches(experiment, int(number[i]) - 1, dataset[int(run_of[i])]):
            mtz.batches.append(header)
    table, place = select(reflections, good), place[good]
    asu, isym = asu_indices(table["hkl"], mtz.spacegroup)
    factor = table["lp"] / table["partiality"]
    if "qe" in table:
        factor = factor / table["qe"]
    n = len(place)
    fill(
        mtz,
        [
            *index_columns(asu),
            ("M/ISYM", "Y", isym),
            ("BATCH", "B", number[place]),
            ("I", "J", table["intensity_sum"] * factor),
            ("SIGI", "Q", np.sqrt(table["intensity_sum_variance"]) * factor),
            ("SCALEUSED", "R", np.ones(n)),
            ("FRACTIONCALC", "R", table["partiality"]),
            ("XDET", "R", table["x_cal"]),
            ("YDET", "R", table["y_cal"]),
            ("ROT", "R", np.zeros(n)),
            ("LP", "R", table["lp"]),
            ("FLAG", "I", np.zeros(n)),
        ],
    )
    mtz.sort(5)
    with whole_file(path) as aside:
        mtz.write_to_file(str(aside))
