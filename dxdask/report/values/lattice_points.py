"""Points of the reciprocal lattice from observed spots, and their projections."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, has_flag, n_rows, select
from dxdask.errors import InputError
from dxdask.indexing.reciprocal import map_centroids
from dxdask.report.values.results import Results, Source, results_of, runs_of

STEPS = ("refine", "index", "find_spots")
NEEDED = ("experiment", "panel", "flags", "x", "y", "z")
_WANTED = ("rlp", "hkl")
VIEWS = ("a*", "b*", "c*", "x", "y", "z")


class LatticePoints(NamedTuple):
    """Spots (n,) as points of the reciprocal lattice, at goniometer datum.

    Attributes
    ----------
    rlp : (n, 3), 1/Angstrom. d : (n,) Angstrom. run : (n,). indexed : (n,).
    lattice : (n,) index of the experiment whose crystal it belongs to, -1 where not indexed.
    axes : (3, 3) a*, b*, c* of the first crystal as rows, None where there is none.
    """

    rlp: Floats
    d: Floats
    run: NDArray[np.str_]
    indexed: NDArray[np.bool_]
    lattice: Integers
    axes: Floats | None


def reciprocal_lattice(
    source: Source,
    *,
    d_min: float | None = None,
    max_points: int | None = None,
    step: str | None = None,
) -> LatticePoints:
    """Return the points of the reciprocal lattice that spots were observed at.

    They are calculated from centroids and models; those of stills, which have no scan, are those of
    the column rlp.

    Parameters
    ----------
    source : see `results_of`; of a store refine, else index, else find_spots.
    d_min : Angstrom; points of higher resolution are left out.
    max_points : at most so many, evenly from all; None: all.
    step : of a store, the one to read.

    Raises
    ------
    InputError
        There is no spot.
    """
    results = results_of(source, STEPS, NEEDED, _WANTED, step=step)
    rlp = rlp_of(results)
    with np.errstate(divide="ignore"):
        d = 1.0 / np.linalg.norm(rlp, axis=1)
    keep = np.flatnonzero(np.isfinite(rlp).all(axis=1) & (d >= (d_min or 0.0)))
    if len(keep) == 0:
        raise InputError("no spot within the limit of resolution; give a smaller d_min")
    if max_points is not None and len(keep) > max_points:
        keep = keep[np.linspace(0, len(keep) - 1, max_points).astype(np.int64)]
    table = results.reflections
    indexed = has_flag(table, Flag.INDEXED)[keep]
    crystals = [e.crystal for e in results.experiments if e.crystal is not None]
    return LatticePoints(
        rlp[keep],
        d[keep],
        runs_of(results)[keep],
        indexed,
        np.where(indexed, table["experiment"][keep].astype(np.int64), -1),
        crystals[0].a.T.copy() if crystals else None,
    )


def rlp_of(results: Results) -> Floats:
    """Return the reciprocal lattice points (n, 3), 1/Angstrom, of the reflections, at datum."""
    table, n = results.reflections, n_rows(results.reflections)
    rlp = table["rlp"].copy() if "rlp" in table else np.full((n, 3), np.nan)
    sweeps = np.array([e.scan is not None and not e.scan.is_still for e in results.experiments])
    rows = np.flatnonzero(sweeps[table["experiment"]] | ~np.isfinite(rlp).all(axis=1))
    if len(rows):
        part: Reflections = select({k: table[k] for k in NEEDED}, rows)
        none = {f"{k}_variance": np.zeros(len(rows)) for k in ("x", "y", "z")}
        rlp[rows] = map_centroids(part | none, results.experiments)["rlp"]
    return rlp


def projected(points: LatticePoints, view: str) -> tuple[Floats, tuple[str, str]]:
    """Return the points (n, 2) in a plane, 1/Angstrom, and the names of its axes.

    view : direction to look along, out of the plane: a*, b* or c* of the first crystal (the next of
    the three is to the right), or x, y, z of the laboratory at goniometer datum.

    Raises
    ------
    InputError
        There is no such view, or no crystal for it.
    """
    if view not in VIEWS:
        raise InputError(f"unknown view {view!r}; give one of {', '.join(VIEWS)}")
    i = VIEWS.index(view)
    axes = points.axes if i < 3 else np.eye(3)
    if axes is None:
        raise InputError(f"view {view} needs a crystal; index first, or give x, y or z")
    depth = axes[i % 3] / np.linalg.norm(axes[i % 3])
    right = axes[(i + 1) % 3] - (axes[(i + 1) % 3] @ depth) * depth
    right /= np.linalg.norm(right)
    up = np.cross(depth, right)
    names = VIEWS[(i // 3) * 3 + (i + 1) % 3], VIEWS[(i // 3) * 3 + (i + 2) % 3]
    return points.rlp @ np.stack([right, up], axis=1), names
