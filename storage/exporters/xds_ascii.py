"""Scaled observations as XDS_ASCII.HKL, for XSCALE, POINTLESS and XDSCONV.

The items of a line are those of the XDS manual (Kabsch 2010, D66, 125, "XDS_ASCII.HKL").
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, check, select
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.models.symmetry import asu_indices
from dxdask.storage.exporters.mtz import empty_mtz
from dxdask.storage.exporters.mtz_unmerged import is_scaled
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.exporters.xds_header import FIRST_CENTRE, xds_header

NEEDED = ("hkl", "experiment", "flags", "x_cal", "y_cal", "z_cal", "lp", "scale", "intensity",
          "intensity_variance", "partiality")  # fmt: skip
_ITEMS = ("H", "K", "L", "IOBS", "SIGMA(IOBS)", "XD", "YD", "ZD", "RLP", "PEAK", "CORR", "MAXC",
          "PSI")  # fmt: skip


def xds_files(path: str | Path, experiments: ExperimentList) -> list[Path]:
    """Return the file of each experiment: `path`, of several NAME_RUN.HKL for NAME.HKL.

    Lattices of one run are numbered: NAME_RUN_1.HKL, NAME_RUN_2.HKL.
    """
    path = Path(path)
    if len(experiments) == 1:
        return [path]
    runs = [member.run for member in experiments.members]
    number, seen = Counter(runs), Counter[str]()
    names = []
    for run in runs:
        seen[run] += 1
        names.append(run if number[run] == 1 else f"{run}_{seen[run]}")
    return [path.with_name(f"{path.stem}_{name}{path.suffix}") for name in names]


def write_xds_ascii(
    path: str | Path,
    reflections: Reflections,
    experiments: ExperimentList,
    processing: Processing | None = None,
) -> list[Path]:
    """Write the scaled observations, a file for each run that has any; return the files.

    PEAK is the partiality in percent; CORR is 100, MAXC and PSI 0: they are not known. Equivalents
    stand together. If one cannot be written none is.

    Parameters
    ----------
    path : of the file; see `xds_files` for several runs.
    reflections : scaled.
    experiments : with crystals.
    processing : for the history, as comments of the header.

    Raises
    ------
    InputError
        Nothing is scaled, no experiment has a crystal, or the space group is in another setting
        than that of its number.
    SchemaError
        A column is missing.
    """
    check(reflections, NEEDED)
    mtz = empty_mtz(experiments, "")
    if not mtz.spacegroup.is_reference_setting():
        usual = gemmi.SpaceGroup(mtz.spacegroup.number).xhm()
        raise InputError(
            f"XDS_ASCII has the number of the space group only, which stands for {usual}; these "
            f"reflections are in {mtz.spacegroup.xhm()}: give format=mtz mtz.unmerged=true, or "
            f"bring them to {usual} with reindex_integrated space_group='{usual}' and scale again"
        )
    comments = [f"!{line}" for line in history(processing)]
    good = is_scaled(reflections)
    if not good.any():
        raise InputError("no reflection is scaled: nothing to write; run scale")
    written = []
    with ExitStack() as whole:
        for i, file in enumerate(xds_files(path, experiments)):
            experiment = experiments[i]
            rows = np.flatnonzero(good & (reflections["experiment"] == i))
            if not len(rows):
                continue
            header = [
                "!FORMAT=XDS_ASCII    MERGE=FALSE    FRIEDEL'S_LAW=FALSE",
                f"!OUTPUT_FILE={file.name}",
                *comments,
                *xds_header(experiment, mtz.cell.parameters, mtz.spacegroup.number),
                f"!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD={len(_ITEMS)}",
                *(f"!ITEM_{name}={number}" for number, name in enumerate(_ITEMS, 1)),
                "!END_OF_HEADER",
            ]
            lines = _records(select(reflections, rows), experiment, mtz.spacegroup)
            aside = whole.enter_context(whole_file(file))
            aside.write_text("\n".join([*header, *lines, "!END_OF_DATA", ""]))
            written.append(file)
    return written


def _records(table: Reflections, experiment: Experiment, group: gemmi.SpaceGroup) -> list[str]:
    """Return a line for each reflection, by index in the asymmetric unit, then as measured."""
    unique, _ = asu_indices(table["hkl"], group)
    table = select(table, np.lexsort((table["z_cal"], *unique.T[::-1])))
    x, y = _frame_pixels(table, experiment)
    return [
        f"{h:6d}{k:6d}{l:6d} {i:11.4E} {s:11.4E} {x:8.1f} {y:8.1f} {z:9.2f} {p:9.5f} {peak:4.0f}"
        " 100 0 0.00"
        for (h, k, l), i, s, x, y, z, p, peak in zip(
            table["hkl"].tolist(),
            table["intensity"].tolist(),
            np.sqrt(table["intensity_variance"]).tolist(),
            x.tolist(),
            y.tolist(),
            table["z_cal"].tolist(),
            (1 / table["lp"]).tolist(),
            (100 * table["partiality"]).tolist(),
            strict=True,
        )
    ]


def _frame_pixels(
    table: Reflections, experiment: Experiment
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return x (n,) and y (n,) of predicted centroids in the stored frame, counted from 1."""
    x, y = table["x_cal"] + FIRST_CENTRE, table["y_cal"] + FIRST_CENTRE
    if len(experiment.detector) and "panel" in table:
        offsets = np.array([panel.offset for panel in experiment.detector.panels])
        offset = offsets[table["panel"]]
        x, y = x + offset[:, 0], y + offset[:, 1]
    return x, y
