"""Cell and orientation of crystals along their scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import Crystal, ExperimentList
from dxdask.models.crystal import b_matrix, cell_of
from dxdask.models.rotations import rotation_vector
from dxdask.report.values.results import Source, results_of

if TYPE_CHECKING:
    import pandas as pd

CELL = ("a", "b", "c", "alpha", "beta", "gamma")
ANGLES = ("phi1", "phi2", "phi3")
STEPS = ("refine", "integrate", "index")


def scan_varying_crystals(
    source: Source | ExperimentList, *, step: str | None = None
) -> pd.DataFrame:
    """Return cell and orientation at the start of each image and the end of the last.

    Parameters
    ----------
    source : see `results_of`; experiments are enough. Crystals without scan points are passed over.
    step : of a store, the one to read; by default the last of refine, integrate, index with a
        crystal that varies.

    Returns
    -------
    DataFrame
        experiment, run, image (z: image n spans n - 1 to n), angle (degree), a, b, c (A), alpha,
        beta, gamma (degree), volume (A^3), phi1, phi2, phi3: the rotation from the static
        orientation, degree, as a vector along x, y, z of the goniometer's datum; and of the static
        crystal a_static, ... volume_static, and a_su, ... where known (else NaN).

    Raises
    ------
    InputError
        No crystal varies along its scan.
    """
    import pandas as pd

    rows = []
    for i, e in enumerate(_experiments(source, step)):
        crystal, scan = e.crystal, e.scan
        if crystal is None or scan is None or crystal.scan_points is None:
            continue
        points = np.asarray(crystal.scan_points)
        z = scan.array_range[0] + np.arange(len(points), dtype=np.float64)
        cells = np.array([cell_of(a) for a in points])
        turned = _rotations(points, cells, crystal)
        columns = {
            "experiment": np.full(len(z), i),
            "run": np.full(len(z), e.run),
            "image": z,
            "angle": np.degrees(scan.phi_from_z(z)),
            **dict(zip(CELL, cells.T, strict=True)),
            "volume": 1.0 / np.linalg.det(points),
            **dict(zip(ANGLES, turned.T, strict=True)),
            **{f"{n}_static": v for n, v in zip(CELL, crystal.unit_cell, strict=True)},
            "volume_static": 1.0 / np.linalg.det(crystal.a),
            **{f"{n}_su": v for n, v in zip(CELL, crystal.cell_su or 6 * (np.nan,), strict=True)},
        }
        rows.append(pd.DataFrame(columns))
    if not rows:
        raise InputError(
            "no crystal varies along its scan; refine with scan_varying=true, or import a "
            "model that varies"
        )
    return pd.concat(rows, ignore_index=True)


def _experiments(source: Source | ExperimentList, step: str | None) -> ExperimentList:
    if isinstance(source, ExperimentList):
        return source
    if isinstance(source, tuple) or not hasattr(source, "has_step"):
        return results_of(source, STEPS).experiments
    there = [s for s in STEPS if source.has_step(s)] if step is None else [step]
    lists = [results_of(source, there or STEPS, step=s).experiments for s in there or STEPS]
    varying = (x for x in lists if any(c.scan_points is not None for c in x.crystals))
    return next(varying, lists[0])


def _rotations(points: Floats, cells: Floats, crystal: Crystal) -> Floats:
    """Return the rotation vectors (n, 3), degree, from the static orientation to A (n, 3, 3)."""
    turned = [
        rotation_vector(a @ np.linalg.inv(b_matrix(tuple(cell))) @ crystal.u.T)
        for a, cell in zip(points, cells, strict=True)
    ]
    return np.degrees(turned)
