"""What reindexing takes beside its reflections: a solution of the store, or a reference.

Both are read where the user is; what was taken is part of the fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import FormatError, InputError, StoreNotFoundError
from dxdask.models import Crystal, ExperimentList
from dxdask.parameters.reference import ReferenceParameters
from dxdask.pipeline.declaration import Extras, Values
from dxdask.pipeline.inputs import RunInput
from dxdask.pipeline.staleness import require_not_stale
from dxdask.reindex import Reference, Solution
from dxdask.storage.importers.dials.files import read_models
from dxdask.storage.importers.dials.jobs import paired
from dxdask.storage.importers.dials.reflections import from_dials_columns
from dxdask.storage.importers.dials.steps import in_tabulated_setting
from dxdask.storage.store.store import Store

SETTINGS = "refine_bravais_settings"
STEPS = ("scale", "symmetry", "reindex_integrated", "integrate", "refine", "reindex", "index")
"""Steps of a store whose crystal and intensities are a reference, the first that is there."""


def extras(store: Store, _runs: Sequence[RunInput], given: Values) -> Extras:
    """Return `solution` and `reference`, as far as the parameters name them.

    Raises
    ------
    StoreNotFoundError, InputError, FormatError
        What they name is not there, is stale, or holds something else.
    """
    values: dict[str, Any] = {}
    contents: dict[str, Any] = {}
    if given.reindex.solution is not None:
        values["solution"] = found = solution_of(store, given.reindex.solution)
        contents["solution"] = [list(found.operators), found.space_group]
    named = given.reindex.reference
    if named.is_given:
        values["reference"] = reference = read_reference(named)
        contents["reference"] = _digest(reference)
    return Extras(values=values, contents=contents)


def solution_of(store: Store, number: int) -> Solution:
    """Return a setting of the table of refine_bravais_settings.

    Raises
    ------
    StoreNotFoundError
        The step was not run.
    InputError
        It is stale, or has no such setting.
    """
    if not store.has_step(SETTINGS):
        raise StoreNotFoundError(
            f"{store.path} holds no settings, which solution={number} is one of; run: dxdask "
            f"{SETTINGS} {store.path}"
        )
    require_not_stale(store, SETTINGS)
    tables = {t.name: t.rows for t in store.tables(SETTINGS)}
    row = next((r for r in tables["bravais"] if r["solution"] == number), None)
    if row is None:
        numbers = [r["solution"] for r in tables["bravais"]]
        raise InputError(
            f"solution={number}: {SETTINGS} has the solutions {min(numbers)} to {max(numbers)}"
        )
    of_crystals = [r for r in tables.get("bravais_crystals", ()) if r["solution"] == number]
    return Solution(
        number=number,
        operators=tuple(r["cb_op"] for r in of_crystals) or (row["cb_op"],),
        space_group=row["space_group"],
    )


def read_reference(given: ReferenceParameters) -> Reference:
    """Return the crystal, and intensities if there are any, of a store, of .expt and .refl, or MTZ.

    Raises
    ------
    InputError, StoreNotFoundError, FormatError
        A file is not there, or holds something else.
    """
    for name in ("experiments", "reflections"):
        path = getattr(given, name)
        if path is not None and not path.exists():
            raise InputError(f"reference.{name}={path} does not exist")
    table, models = given.reflections, given.experiments
    if table is not None and table.suffix.lower() == ".mtz":
        return _of_mtz(table)
    if models is None:
        raise InputError(
            f"reference.reflections={table} needs the .expt that goes with it, as "
            "reference.experiments; or give an .mtz"
        )
    if models.suffix == ".zarr":
        if table is not None:
            raise InputError("a store has its own reflections: leave reference.reflections out")
        return _of_store(models, given.branch)
    return _of_dials(models, table)


def _of_store(path: Path, branch: str) -> Reference:
    store = Store.open(path, mode="r", branch=branch)
    step = next((name for name in STEPS if store.has_step(name)), None)
    if step is None:
        raise StoreNotFoundError(
            f"reference.experiments={path} holds no crystal; run: dxdask index {path}"
        )
    require_not_stale(store, step)
    wanted = ("experiment", "hkl", "flags", "intensity", "intensity_sum", "lp")
    names = [name for name in wanted if name in store.manifest(step).columns]
    return _reference(store.columns(step, names), store.experiments(step), str(path))


def _of_dials(models: Path, table: Path | None) -> Reference:
    if table is None:
        experiments = read_models(models).experiments
        return Reference(crystal=_only(experiments, models), name=models.name, oriented=True)
    (job,) = paired([models, table])
    if job.table is None:
        raise FormatError(f"{table} holds no reflections")
    rows = in_tabulated_setting(from_dials_columns(job.table.columns), job)
    lacking = [name for name in ("experiment", "hkl", "flags") if name not in rows]
    if lacking:
        raise FormatError(f"{table} lacks {', '.join(lacking)}; give indexed reflections")
    return _reference(rows, job.models.experiments, table.name)


def _only(experiments: ExperimentList, path: Path) -> Crystal:
    if not experiments.crystals:
        raise InputError(f"{path} has no crystal; give one of indexed data")
    return experiments.crystals[0]


def _reference(table: Reflections, experiments: ExperimentList, name: str) -> Reference:
    """Return the first crystal and the intensities of its reflections, the best that there are."""
    crystal = _only(experiments, Path(name))
    mine = [i for i, m in enumerate(experiments.members) if m.crystal == 0]
    rows = np.isin(table["experiment"], mine) & np.any(table["hkl"] != 0, axis=1)
    scaled = "intensity" in table and bool(np.any(table["intensity"] != 0))
    if scaled:
        rows &= ~has_flag(table, Flag.BAD_FOR_SCALING) & np.isfinite(table["intensity"])
    elif "lp" in table:
        rows &= has_flag(table, Flag.INTEGRATED)
    table = select(table, rows)
    values: Floats | None = table["intensity"] if scaled else table.get("intensity_sum")
    if values is not None and not scaled and "lp" in table:
        values = values * table["lp"]
    known = values is not None and n_rows(table) > 0
    return Reference(
        crystal=crystal, name=name, oriented=True,
        hkl=table["hkl"] if known else None, intensity=values if known else None,
    )  # fmt: skip


def _of_mtz(path: Path) -> Reference:
    """Return cell, space group and intensities of an MTZ, merged or not."""
    try:
        mtz = gemmi.read_mtz_file(str(path))
    except (RuntimeError, ValueError, MemoryError, OSError) as error:
        raise FormatError(f"{path} is damaged ({error}); fetch it again") from error
    if mtz.spacegroup is None or not mtz.cell.is_crystal():
        raise FormatError(f"{path} has no space group or cell; set them, by pointless for instance")
    if any(c.label == "M/ISYM" for c in mtz.columns):
        mtz.switch_to_original_hkl()
    labels = {c.label: c.idx for c in mtz.columns}
    intensities = [c.label for c in mtz.columns if c.type in "JK"]
    chosen = next((n for n in ("IMEAN", "I", "I-obs", *intensities) if n in labels), None)
    if chosen is None:
        raise FormatError(f"{path} has no intensities; its columns are {', '.join(labels)}")
    values = np.array(mtz, copy=True).astype(np.float64)
    values = values[np.isfinite(values[:, [0, 1, 2, labels[chosen]]]).all(axis=1)]
    crystal = Crystal.from_cell(
        tuple(mtz.cell.parameters), space_group=gemmi.SpaceGroup(mtz.spacegroup.xhm()).xhm()
    )
    return Reference(
        crystal=crystal, name=path.name,
        hkl=np.rint(values[:, :3]).astype(np.int32), intensity=values[:, labels[chosen]],
    )  # fmt: skip


def _digest(reference: Reference) -> Mapping[str, Any]:
    """Return what of a reference is part of a fingerprint."""
    found = hashlib.sha256()
    for values in (reference.hkl, reference.intensity):
        if values is not None:
            found.update(np.ascontiguousarray(values).tobytes())
    crystal = reference.crystal
    return {
        "cell": [round(x, 6) for x in crystal.unit_cell],
        "space_group": crystal.space_group,
        "a_matrix": crystal.a.round(9).tolist() if reference.oriented else None,
        "intensities": found.hexdigest(),
    }
