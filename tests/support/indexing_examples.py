"""Spots of known lattices, with noise and with spots that belong to none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.refinement_cases import centroids, some_rotation, truth

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, concatenate, n_rows, select
from dxdask.models import Crystal, ExperimentList

# A cell and a space group of rotations for each Bravais type.
LATTICES = {
    "aP": ((42.0, 55.0, 61.0, 81.0, 97.0, 104.0), "P 1"),
    "mP": ((42.0, 55.0, 61.0, 90.0, 103.0, 90.0), "P 1 21 1"),
    "mC": ((98.0, 55.0, 61.0, 90.0, 109.0, 90.0), "C 1 2 1"),
    "oP": ((42.0, 55.0, 71.0, 90.0, 90.0, 90.0), "P 21 21 21"),
    "oC": ((50.0, 97.0, 61.0, 90.0, 90.0, 90.0), "C 2 2 21"),
    "oF": ((62.0, 85.0, 111.0, 90.0, 90.0, 90.0), "F 2 2 2"),
    "oI": ((62.0, 75.0, 101.0, 90.0, 90.0, 90.0), "I 2 2 2"),
    "tP": ((79.0, 79.0, 38.0, 90.0, 90.0, 90.0), "P 43 21 2"),
    "tI": ((79.0, 79.0, 58.0, 90.0, 90.0, 90.0), "I 4 2 2"),
    "hR": ((81.0, 81.0, 140.0, 90.0, 90.0, 120.0), "R 3 2:H"),
    "hP": ((61.0, 61.0, 82.0, 90.0, 90.0, 120.0), "P 61 2 2"),
    "cP": ((68.0, 68.0, 68.0, 90.0, 90.0, 90.0), "P 4 3 2"),
    "cI": ((78.0, 78.0, 78.0, 90.0, 90.0, 90.0), "I 21 3"),
    "cF": ((108.0, 108.0, 108.0, 90.0, 90.0, 90.0), "F 4 3 2"),
}


def experiments_of(
    lattice: str, *, n_runs: int = 1, n_panels: int = 1, seed: int = 3
) -> ExperimentList:
    """Runs of one crystal of this Bravais type."""
    cell, group = LATTICES[lattice]
    crystal = Crystal.from_cell(cell, u_matrix=some_rotation(seed), space_group=group)
    return replace(truth(n_runs=n_runs, n_panels=n_panels), crystals=(crystal,))


def primitive_a(crystal: Crystal) -> Floats:
    """A (3, 3) of a primitive cell of the crystal's lattice."""
    op = crystal.gemmi_space_group.centred_to_primitive()
    return crystal.a @ np.linalg.inv(np.array(op.rot) / 24.0).T


def same_lattice(first: Floats, second: Floats, *, within: float = 0.02) -> bool:
    """Return True if two A matrices of primitive cells span one lattice."""
    relation = np.linalg.solve(first, second)
    whole = np.rint(relation)
    return bool(np.abs(relation - whole).max() < within and abs(np.linalg.det(whole)) > 0.5)


def spots_of(
    experiments: ExperimentList,
    *,
    d_min: float = 3.5,
    sigma: float = 0.1,
    outliers: float = 0.0,
    seed: int = 5,
) -> Reflections:
    """Spots in pixels and images, without systematic absences; `hkl` is the truth or 0 0 0.

    sigma: noise in pixels and images. outliers: spots anywhere, as a fraction of the others.
    """
    table = centroids(experiments, d_min=d_min, sigma=sigma, seed=seed)
    group = experiments.crystals[0].gemmi_space_group
    absent = group.operations().systematic_absences(table["hkl"])
    table = select(table, ~np.asarray(absent))
    parts = [_spots(select(table, table["experiment"] == i), e) for i, e in enumerate(experiments)]
    rng = np.random.default_rng(seed)
    if outliers:
        parts += [_anywhere(p, e, outliers, rng) for p, e in zip(parts, experiments, strict=True)]
    whole = concatenate(parts)
    return select(whole, rng.permutation(n_rows(whole)))


def _spots(table: Reflections, e) -> Reflections:
    n = n_rows(table)
    out = {k: table[k] for k in ("experiment", "panel", "hkl")}
    out["flags"] = np.full(n, Flag.STRONG, dtype=np.uint32)
    xy = np.zeros((n, 2))
    for k, panel in enumerate(e.detector.panels):
        mine = table["panel"] == k
        mm = np.column_stack([table["x_mm"], table["y_mm"]])[mine]
        xy[mine] = panel.mm_to_pixel(mm)
    out["x"], out["y"] = xy.T.copy()
    out["z"] = e.scan.z_from_phi(table["phi_rad"])
    return out | {f"{k}_variance": np.full(n, 0.01) for k in "xyz"}


def _anywhere(table: Reflections, e, fraction: float, rng) -> Reflections:
    n = int(fraction * n_rows(table))
    out = select(table, np.arange(n))
    width, height = e.detector[0].image_size
    first, last = e.scan.array_range
    out |= {"x": rng.uniform(0, width, n), "y": rng.uniform(0, height, n)}
    return out | {"z": rng.uniform(first, last, n), "hkl": np.zeros((n, 3), dtype=np.int32)}
