"""The observations of a Miller index through all steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gemmi
import numpy as np

from dxdask.errors import InputError
from dxdask.ledger.sums import RowsOfStep, reflections_of, spots_of
from dxdask.models.symmetry import asu_indices, is_absent
from dxdask.storage.store.store import Store
from dxdask.tables import Table

_VALUES = (
    ("partiality", "partiality"), ("intensity_sum", "summed"), ("intensity_prf", "fitted"),
    ("scale", "scale"), ("intensity", "scaled"), ("intensity_variance", "sigma"),
)  # fmt: skip
_HEADINGS = {
    "x": ("x", ".1f"), "y": ("y", ".1f"), "partiality": ("partiality", ".3f"),
    "summed": ("summed", ".1f"), "fitted": ("fitted", ".1f"), "scale": ("scale", ".4f"),
    "scaled": ("scaled", ".1f"), "sigma": ("sigma", ".2f"),
}  # fmt: skip


def observation_rows(
    store: Store, hkl: Sequence[int], run: str | None = None
) -> tuple[list[str], list[Table]]:
    """Return lines on a Miller index, and tables of its spots, observations and merged intensity.

    hkl : three integers; equivalents by the symmetry of the crystals are included. run : only its.

    Raises
    ------
    InputError
        hkl is no Miller index, or the store has no indexed reflection.
    """
    if len(hkl) != 3:
        raise InputError(f"hkl={','.join(map(str, hkl))} is no Miller index; give hkl=H,K,L")
    spots, predicted = spots_of(store), reflections_of(store)
    steps = [found.step for found in (predicted, spots) if found is not None]
    step = next((s for s in steps if "hkl" in store.manifest(s).columns), None)
    if step is None:
        raise InputError(f"{store.path} has no Miller indices; run: dxdask index {store.path}")
    group = _group(store, step)
    index = np.array([hkl], dtype=np.int32)
    target = asu_indices(index, group)[0][0]
    name = " ".join(map(str, hkl))
    lines = [f"{name} in {group.hm}: the unique reflection is {' '.join(map(str, target))}"]
    if is_absent(index, group)[0]:
        lines.append("it is systematically absent")
    tables = []
    for what, found, z in (("spots", spots, "z"), ("observations", predicted, "z_cal")):
        if found is None or "hkl" not in store.manifest(found.step).columns:
            continue
        rows = _rows(store, found, z, target, group, run, indexed=what == "spots")
        title = f"{len(rows)} {what} of it and its equivalents, by {found.step}"
        tables.append(Table(name=what, title=title, rows=rows, headings=_HEADINGS))
        if not rows and what == "observations":
            lines.append(_not_predicted(store, found[0], target, group))
    return lines, [*tables, *_merged(store, target, group)]


def _group(store: Store, step: str) -> gemmi.SpaceGroup:
    names = [e.crystal.space_group for e in store.experiments(step) if e.crystal is not None]
    if not names and store.has_step("index"):  # of stills
        cells = [t for t in store.tables("index") if t.name == "cell"]
        names = [str(row["space_group"]) for t in cells for row in t.rows]
    return gemmi.SpaceGroup(next((n for n in names if n), "P 1"))


def _rows(
    store: Store, found: RowsOfStep, z: str, target: np.ndarray, group: gemmi.SpaceGroup,
    run: str | None, *, indexed: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    step, fates = found.step, found.fates
    there = store.manifest(step).columns
    table = store.columns(step, ["hkl"])
    if run is not None and run not in store.runs:
        raise InputError(f"{store.path} has no run {run!r}; the runs are {', '.join(store.runs)}")
    # an equivalent has the same indices but for order and sign in few groups: all are mapped
    mine = (asu_indices(table["hkl"], group)[0] == target).all(axis=1)
    if indexed:
        mine &= table["hkl"].any(axis=1)
    if run is not None:
        mine &= found.of_run(run)
    rows = np.flatnonzero(mine)
    suffix = "_cal" if z == "z_cal" and "x_cal" in there else ""
    z = z if z in there else "z"
    values = [(n, label) for n, label in _VALUES if n in there]
    columns = store.columns(step, [f"x{suffix}", f"y{suffix}", z, *(n for n, _ in values)])
    out = []
    for i in rows.tolist():
        fate, reason = fates.of(i)
        row = {
            "row": i,
            "run": found.run(i),
            "image": int(np.floor(columns[z][i])) + 1,
            "fate": fate,
            "reason": reason,
            "hkl": " ".join(map(str, table["hkl"][i])),
            "x": float(columns[f"x{suffix}"][i]),
            "y": float(columns[f"y{suffix}"][i]),
        }
        for n, label in values:
            value = float(columns[n][i])
            row[label] = float(np.sqrt(max(value, 0.0))) if label == "sigma" else value
        out.append(row)
    return out


def _not_predicted(store: Store, step: str, target: np.ndarray, group: gemmi.SpaceGroup) -> str:
    crystals = [e.crystal for e in store.experiments(step) if e.crystal is not None]
    if not crystals or is_absent(target[None], group)[0]:
        return "it is not predicted"
    d = float(gemmi.UnitCell(*crystals[0].unit_cell).calculate_d(target.tolist()))
    there = store.manifest(step).columns
    limit = float(store.columns(step, ["d"])["d"].min()) if "d" in there else 0.0
    if d < limit:
        return f"it is not predicted: d = {d:.3f} A is beyond the limit of {limit:.3f} A"
    return (
        f"it is not predicted (d = {d:.3f} A): it does not cross the Ewald sphere in these scans, "
        "or not on the detector"
    )


def _merged(store: Store, target: np.ndarray, group: gemmi.SpaceGroup) -> list[Table]:
    if not store.has_step("merge") or "hkl" not in store.manifest("merge").columns:
        return []
    names = [
        n for n in ("hkl", "d", "intensity", "sigma", "n_observations")
        if n in store.manifest("merge").columns
    ]  # fmt: skip
    table = store.columns("merge", names)
    mine = np.flatnonzero((asu_indices(table["hkl"], group)[0] == target).all(axis=1))
    rows: list[dict[str, Any]] = [
        {
            n: " ".join(map(str, table[n][i])) if n == "hkl" else table[n][i].item()
            for n in names
        }
        for i in mine
    ]  # fmt: skip
    headings = {"d": ("d (A)", ".4f"), "intensity": ("merged", ".2f"), "sigma": ("sigma", ".3f")}
    return [Table(name="merged", title="Merged intensity", rows=rows, headings=headings)]
