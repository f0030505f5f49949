"""Spots of all runs as points of the reciprocal lattice, compact, for the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, get_args

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, has_flag, select
from dxdask.errors import InputError
from dxdask.fate import SpotFate
from dxdask.models import Crystal
from dxdask.models.vectors import matrix
from dxdask.report.values.lattice_points import NEEDED, STEPS, rlp_of
from dxdask.report.values.results import Results, results_of, runs_of
from dxdask.storage.store.store import Store
from dxdask.view.overlays import Kind
from dxdask.view.tables import Table

WANTED = ("rlp", "hkl", "x_cal", "y_cal", "fate")
MOST = 1_000_000
"""Points sent; of more, an even sample."""
MOST_CRYSTALS = 100
LEVELS = 32767
SEED = 1
Axes = Literal["laboratory", "crystal"]
AXES = get_args(Axes)


@dataclass(frozen=True, eq=False)
class LatticePoints:
    """Points (n,) of the reciprocal lattice, at goniometer datum or in their crystals, in random
    order.

    Any first part of them is an even sample, which the page draws where all would be too slow.

    Attributes
    ----------
    version : of the step that they are of, with the runs.
    arrays : xyz (n, 3) int16, in `values["unit"]` 1/Angstrom; run (n,), index in
        `values["runs"]`; lattice (n,), number within its run, of stills that of the image from 0,
        -1 where not indexed; kind (n,), a `Kind`; residual (n,), distance from the calculated
        position in `values["residual_unit"]` px. axes (crystal, 9) a*, b*, c*, 1/Angstrom.
    values : version, step, unit, residual_unit, runs, n (spots in all); crystal_runs and
        crystal_lattices, run and lattice of each of the axes.
    results, rows : the table, and its row of each point.
    """

    version: str
    arrays: Table
    values: dict[str, Any]
    results: Results
    rows: Integers


class PointsCache:
    """The points that were asked for last; safe to use from several threads."""

    def __init__(self) -> None:
        self._held: LatticePoints | None = None
        self._lock = Lock()

    def get(self, version: str, make: Callable[[], LatticePoints]) -> LatticePoints:
        """Return the points of this version, made where they are not held."""
        with self._lock:
            if self._held is None or self._held.version != version:
                self._held = None  # two sets of them are not held at once
                self._held = make()
            return self._held


def points_version(store: Store, run: str, of: Axes = "laboratory") -> str:
    """Return what names the points of a run, or of all (""): the step and its time.

    Raises
    ------
    InputError
        The store has no spots, or there are no such axes.
    """
    if of not in AXES:
        raise InputError(f"of={of!r}: give one of {', '.join(AXES)}")
    step = next((s for s in STEPS if store.has_step(s)), None)
    if step is None:
        raise InputError(f"{store.path.name} has no spots; run: dxdask find_spots {store.path}")
    if run:
        store.run_attributes(run)  # there is such a run
    return f"{step}|{store.step_attributes(step)['id']}|{of}|{run}"


def lattice_points(
    store: Store, run: str = "", most: int = MOST, of: Axes = "laboratory"
) -> LatticePoints:
    """Return the points of a run, or of all runs ("").

    of : the axes that points are in: those of the laboratory, or those that are fixed in each
    crystal (points U^-1 r, so that lattices of all orientations coincide). In these are indexed
    spots alone.

    Raises
    ------
    InputError
        There are no spots, or none that is indexed.
    StoreNotFoundError
        There is no such run.
    """
    version = points_version(store, run, of)
    step = version.partition("|")[0]
    results = results_of(store, (step,), NEEDED, WANTED)
    names = runs_of(results)
    rlp = rlp_of(results)
    if of == "crystal":
        rlp = in_crystals(rlp, store, step, results)
    chosen = np.isfinite(rlp).all(axis=1)
    if run:
        chosen &= names == run
    rows = np.flatnonzero(chosen)
    if len(rows) == 0:
        what = "indexed spots" if of == "crystal" else "spots"
        raise InputError(f"no {what} of {run or 'any run'}")
    n = len(rows)
    rows = np.random.default_rng(SEED).permutation(rows)[:most]
    part = Results(select(results.reflections, rows), results.experiments)
    arrays, values = _arrays(part)
    unit = float(np.abs(rlp[rows]).max()) / LEVELS or 1.0
    arrays["xyz"] = np.round(rlp[rows] / unit).astype(np.int16)
    arrays["axes"], crystals = _crystals(store, step, part, of)
    values |= {"version": version, "step": step, "unit": unit, "n": n} | crystals
    return LatticePoints(version, arrays, values, results, rows)


def _arrays(results: Results) -> tuple[Table, dict[str, Any]]:
    table, experiments = results
    runs = list(dict.fromkeys(e.run for e in experiments))
    of_run = np.array([runs.index(e.run) for e in experiments], np.uint16)
    number = _numbers(results)[table["experiment"]]
    still = np.array([e.scan is None or e.scan.is_still for e in experiments])
    number = np.where(still[table["experiment"]], np.floor(table["z"]).astype(np.int64), number)
    kind = _kinds(results)
    indexed = kind != Kind.UNINDEXED
    residual, unit = _residuals(results, indexed)
    arrays: Table = {
        "run": of_run[table["experiment"]],
        "lattice": np.where(indexed, number % LEVELS, -1).astype(np.int16),
        "kind": kind,
        "residual": residual,
    }
    return arrays, {"runs": runs, "residual_unit": unit}


def _numbers(results: Results) -> Integers:
    """Return the number of each experiment within its run."""
    first: dict[str, int] = {}
    found = [i - first.setdefault(e.run, i) for i, e in enumerate(results.experiments)]
    return np.array(found, np.int64)


def in_crystals(rlp: Floats, store: Store, step: str, results: Results) -> Floats:
    """Return points (n, 3), 1/Angstrom, in the axes of their crystals: U^-1 r; NaN without one."""
    table, experiments = results
    out = np.full_like(rlp, np.nan)
    indexed = has_flag(table, Flag.INDEXED)
    if _of_stills(store, step):
        stills = store.arrays(step, ["experiment", "image", "indexed", "a_matrix"])
        good = np.flatnonzero(stills["indexed"])
        keys = zip(stills["experiment"][good].tolist(), stills["image"][good].tolist(), strict=True)
        u = {key: _u(stills["a_matrix"][k]) for key, k in zip(keys, good, strict=True)}
        image = np.floor(table["z"]).astype(np.int64).tolist()
        whose = list(zip(table["experiment"].tolist(), image, strict=True))
    else:
        u = {(i, 0): e.crystal.u for i, e in enumerate(experiments) if e.crystal is not None}
        whose = [(i, 0) for i in table["experiment"].tolist()]
    names = {key: k for k, key in enumerate(u)}
    number = np.array([names.get(key, -1) for key in whose], np.int64)
    rows = np.flatnonzero(indexed & (number >= 0))
    if len(rows):
        matrices = np.array(list(u.values()))[number[rows]]
        out[rows] = np.einsum("nji,nj->ni", matrices, rlp[rows])  # U^-1 is U transposed
    return out


def _of_stills(store: Store, step: str) -> bool:
    return {"a_matrix", "indexed"} <= set(store.manifest(step).arrays)


def _u(a: Floats) -> Floats:
    return Crystal(a_matrix=matrix(a.reshape(3, 3))).u


def _crystals(store: Store, step: str, results: Results, of: Axes) -> tuple[Any, dict[str, Any]]:
    """Return a*, b*, c* (crystal, 9) of crystals, or of the first stills, and whose they are."""
    experiments, numbers = results.experiments, _numbers(results)
    if not _of_stills(store, step):
        found = [
            (e.run, int(numbers[i]), np.asarray(e.crystal.a))
            for i, e in enumerate(experiments)
            if e.crystal is not None
        ]
    else:
        found = []
        stills = store.arrays(step, ["experiment", "image", "indexed", "a_matrix"])
        for k in np.flatnonzero(stills["indexed"])[:MOST_CRYSTALS]:
            run = experiments[int(stills["experiment"][k])].run
            a = stills["a_matrix"][k].reshape(3, 3)
            found.append((run, int(stills["image"][k]) % LEVELS, a))
    found = found[:MOST_CRYSTALS]
    if of == "crystal":
        found = [(run, n, _u(np.asarray(a)).T @ a) for run, n, a in found]
    axes = np.array([a.T.ravel() for _, _, a in found], np.float32).reshape(-1, 9)
    whose = {"crystal_runs": [r for r, _, _ in found], "crystal_lattices": [n for _, n, _ in found]}
    return axes, whose


def _kinds(results: Results) -> Any:
    table = results.reflections
    indexed = has_flag(table, Flag.INDEXED)
    outlier = has_flag(table, Flag.CENTROID_OUTLIER)
    if "fate" in table:
        outlier |= table["fate"] == SpotFate.OUTLIER
    kind = np.where(indexed, Kind.INDEXED, Kind.UNINDEXED).astype(np.uint8)
    kind[indexed & outlier] = Kind.OUTLIER
    return kind


def _residuals(results: Results, indexed: Any) -> tuple[Any, float | None]:
    """Return distances (n,) uint8 and their unit, px; the largest is that of 99 in 100."""
    table = results.reflections
    if "x_cal" not in table or not indexed.any():
        return np.zeros(len(indexed), np.uint8), None
    away: Floats = np.hypot(table["x"] - table["x_cal"], table["y"] - table["y_cal"])
    away = np.where(indexed & np.isfinite(away), away, 0.0)
    unit = max(float(np.quantile(away[indexed], 0.99)), 1e-3) / 255
    return np.minimum(np.round(away / unit), 255).astype(np.uint8), unit


def spot_of_point(points: LatticePoints, i: int) -> dict[str, Any]:
    """Return the spot of a point: run, image, panel, x, y (px), d (A), hkl, residual (px).

    Raises
    ------
    InputError
        There is no such point.
    """
    if not 0 <= i < len(points.rows):
        raise InputError(f"point={i}: there are points 0 to {len(points.rows) - 1}")
    row = int(points.rows[i])
    table, experiments = points.results
    xyz = points.arrays["xyz"][i].astype(np.float64) * points.values["unit"]
    length = float(np.linalg.norm(xyz))
    indexed = points.arrays["kind"][i] != Kind.UNINDEXED
    away = None
    if indexed and "x_cal" in table:
        away = float(
            np.hypot(table["x"][row] - table["x_cal"][row], table["y"][row] - table["y_cal"][row])
        )
    return {
        "run": experiments[int(table["experiment"][row])].run,
        "image": int(np.floor(table["z"][row])) + 1,
        "panel": int(table["panel"][row]),
        "x": float(table["x"][row]),
        "y": float(table["y"][row]),
        "d": 1.0 / length if length > 0 else None,
        "hkl": table["hkl"][row].tolist() if indexed and "hkl" in table else None,
        "residual": away if away is not None and np.isfinite(away) else None,
    }
