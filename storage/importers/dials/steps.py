"""The step that a table of DIALS stands for, and its rows as results of that step and earlier ones.

A table of an indexed crystal holds all spots, so that they can be indexed again; one of scaled
reflections holds what was integrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dxdask.columns import COLUMNS, Flag, Reflections, n_rows
from dxdask.errors import FormatError
from dxdask.models import Experiment
from dxdask.storage.importers.dials.jobs import DialsJob
from dxdask.storage.importers.dials.reflections import DialsTable
from dxdask.storage.importers.fitted import with_profile_weights

ORDER = ("find_spots", "index", "refine", "integrate", "scale")

_SPOTS = (
    "experiment", "panel", "flags", "x", "y", "z", "x_variance", "y_variance", "z_variance",
    "bbox", "n_pixels", "intensity_sum", "intensity_sum_variance",
)  # fmt: skip
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "find_spots": ("x", "y", "z", "x_variance", "y_variance", "z_variance"),
    "index": ("x", "y", "z", "x_variance", "y_variance", "z_variance", "hkl", "flags"),
    "integrate": ("hkl", "flags", "z_cal", "lp", "intensity_sum", "intensity_sum_variance"),
    "scale": ("hkl", "flags", "z_cal", "lp", "intensity_sum", "intensity_sum_variance",
              "scale", "intensity", "intensity_variance"),
}  # fmt: skip
_NEEDED = {**_NEEDED, "refine": _NEEDED["index"]}
_OF_SCALING = ("scale", "intensity", "intensity_variance")
_FLAGS_OF_SPOTS = Flag.OBSERVED | Flag.STRONG
_FLAGS_OF_SCALING = Flag.BAD_FOR_SCALING | Flag.SCALED


def step_of_table(job: DialsJob, table: DialsTable, rows: Reflections, given: str | None) -> str:
    """Return the last step that made a table, by its columns; `given` : the user's word for it.

    Raises
    ------
    FormatError
        It lacks columns that the step's result has, or a crystal.
    """
    step = given or _last_step(job, table, rows)
    lacking = [name for name in _NEEDED[step] if name not in rows]
    if lacking:
        names = sorted({str(COLUMNS[name].dials).partition("/")[0] for name in lacking})
        raise FormatError(
            f"{job.table_path} lacks {', '.join(names)}, which the result of {step} needs; "
            "write it again with DIALS, or give input.step"
        )
    if step != "find_spots" and any(m.crystal is None for m in job.models.experiments.members):
        raise FormatError(
            f"{job.table_path} has the columns of {step}, and {job.path} an experiment without "
            "crystal; give the .expt that was written with it"
        )
    return step


def _last_step(job: DialsJob, table: DialsTable, rows: Reflections) -> str:
    if "inverse_scale_factor" in table.names and "intensity.scale.value" in table.names:
        return "scale"
    if "lp" in table.names or "intensity.prf.value" in table.names:
        return "integrate"
    if not rows.get("hkl", np.zeros((0, 3))).any():
        return "find_spots"
    varies = any(c.scan_points is not None for c in job.models.experiments.crystals)
    named = "refine" in job.path.stem or "refine" in (job.table_path or job.path).stem
    return "refine" if varies or named else "index"


def steps_before(step: str) -> tuple[str, ...]:
    """Return the steps whose results a table of this one holds too, in order, and itself."""
    return ("integrate", "scale")[: ORDER.index(step) - 2] if step in ORDER[3:] else ORDER[
        : ORDER.index(step) + 1
    ]  # fmt: skip


def rows_of_step(step: str, rows: Reflections, experiments: Sequence[Experiment]) -> Reflections:
    """Return the rows of one run as a result of a step.

    rows : column `experiment` counts `experiments`; -1 of a spot that is not indexed.
    """
    table = dict(rows)
    if "flags" not in table:
        table["flags"] = np.full(n_rows(table), _FLAGS_OF_SPOTS, dtype=np.uint32)
    if step == "find_spots":
        table = {name: table[name] for name in _SPOTS if name in table}
        table["experiment"] = np.zeros_like(table["experiment"])
        table["flags"] = (table["flags"] & np.uint32(_FLAGS_OF_SPOTS)) | np.uint32(_FLAGS_OF_SPOTS)
        return table
    if step in ("index", "refine"):
        unindexed = (table["experiment"] < 0) | ~table["hkl"].any(axis=1)
        table["hkl"] = np.where(unindexed[:, None], 0, table["hkl"]).astype(np.int32)
        table["flags"] = np.where(
            unindexed, table["flags"] & ~np.uint32(Flag.INDEXED), table["flags"] | Flag.INDEXED
        ).astype(np.uint32)
        table["experiment"] = np.maximum(table["experiment"], 0)
        return _with_mm(table, experiments)
    return _integrated(step, table)


def _integrated(step: str, table: Reflections) -> Reflections:
    n = n_rows(table)
    for name in ("partiality", "qe"):
        table.setdefault(name, np.ones(n))
    if step == "integrate":
        for name in _OF_SCALING:
            table.pop(name, None)
        table["flags"] = table["flags"] & ~np.uint32(_FLAGS_OF_SCALING)
    else:
        # DIALS leaves a scale of 0 where a reflection is excluded
        for name in _OF_SCALING[1:]:
            table[name] = np.where(np.isfinite(table[name]), table[name], 0.0)
    return with_profile_weights(table)


def _with_mm(table: Reflections, experiments: Sequence[Experiment]) -> Reflections:
    """Return the rows with positions in mm and rad, where they have them in pixels alone."""
    names = ("x_mm", "y_mm", "phi_rad")
    if all(name in table and f"{name}_variance" in table for name in names):
        return table
    for name in names:
        table[name], table[f"{name}_variance"] = (np.zeros(n_rows(table)) for _ in range(2))
    for i, experiment in enumerate(experiments):
        for k, panel in enumerate(experiment.detector.panels):
            rows = np.flatnonzero((table["experiment"] == i) & (table["panel"] == k))
            mm = panel.pixel_to_mm(np.column_stack([table["x"][rows], table["y"][rows]]))
            table["x_mm"][rows], table["y_mm"][rows] = mm.T
            for name, size in zip("xy", panel.pixel_size, strict=True):
                table[f"{name}_mm_variance"][rows] = table[f"{name}_variance"][rows] * size**2
        if experiment.scan is not None:
            rows = np.flatnonzero(table["experiment"] == i)
            table["phi_rad"][rows] = experiment.scan.phi_from_z(table["z"][rows])
            table["phi_rad_variance"][rows] = experiment.scan.phi_variance(
                table["z"][rows], table["z_variance"][rows]
            )
    return table


def in_tabulated_setting(rows: Reflections, job: DialsJob) -> Reflections:
    """Return the rows with Miller indices in the settings of the crystals."""
    if "hkl" not in rows or all(change is None for change in job.models.changes):
        return rows
    hkl = rows["hkl"].copy()
    for i, change in enumerate(job.models.changes):
        if change is not None:
            mine = rows["experiment"] == i
            hkl[mine] = (hkl[mine].astype(np.int64) @ change).astype(np.int32)
    return {**rows, "hkl": hkl}


def without_crystal(experiment: Experiment) -> Experiment:
    """Return the models as they are before indexing."""
    return replace(experiment, crystal=None, profile=None)
