"""Checks that an indexing solution fits the spots, run by run.

Of points at random a share of (2 t)^3 lies within the tolerance t of an index, at a mean square
distance of t^2 / 3 along each axis. A lattice that is not that of the spots does no better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Integers
from dxdask.columns import Flag, Reflections, has_flag, select
from dxdask.errors import ConvergenceError
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.significance import chance_text
from dxdask.models import ExperimentList
from dxdask.refinement.geometry import goniometer_frames, settings_at

FEWEST_SPOTS = 25
"""Spots of a run that are judged; fewer may deviate by chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFit:
    """Fit of a lattice to the spots of a run.

    Attributes
    ----------
    n_spots, n_indexed : all spots, and those within the tolerance of an index.
    misfit : rms distance of those from their index, in units of that of points at random: from 0,
        all on the lattice, to 1.
    rmsd_xy : rms residual of the predictions in the detector plane, pixels.
    rmsd_z, rmsd_phi_deg : along the rotation, images and degrees.
    """

    run: str
    n_spots: int
    n_indexed: int
    misfit: float
    rmsd_xy: float
    rmsd_z: float
    rmsd_phi_deg: float

    @property
    def fraction(self) -> float:
        """Fraction of the spots that is indexed."""
        return self.n_indexed / max(self.n_spots, 1)

    def __str__(self) -> str:
        return (
            f"{self.run}: {self.n_indexed} of {self.n_spots} spots ({100 * self.fraction:.0f} %), "
            f"rmsd {self.rmsd_xy:.1f} px, {self.rmsd_z:.1f} images, {100 * self.misfit:.0f} % of "
            "that of points at random"
        )


def fits_of_runs(
    reflections: Reflections, experiments: ExperimentList, tolerance: float
) -> list[RunFit]:
    """Return the fit of each run with a crystal; of several lattices, that of all together.

    reflections : all spots, with rlp, hkl, flags and predictions. tolerance : of an index.
    """
    of_run = experiments.run_indices[reflections["experiment"]]
    indexed = has_flag(reflections, Flag.INDEXED)
    found = []
    for number, run in enumerate(experiments.runs):
        members = [e for e in experiments if e.run == run]
        first = members[0]
        rows = np.flatnonzero((of_run == number) & indexed)
        if all(e.crystal is None for e in members):
            continue
        xy, z = _rmsds(reflections, rows, experiments)
        width = 0.0 if first.scan is None else abs(first.scan.oscillation[1])
        found.append(
            RunFit(
                run=run,
                n_spots=int(np.count_nonzero(of_run == number)),
                n_indexed=len(rows),
                misfit=misfit(reflections, rows, experiments, tolerance),
                rmsd_xy=xy,
                rmsd_z=z,
                rmsd_phi_deg=z * width,
            )
        )
    return found


def misfit(
    table: Reflections, rows: Integers, experiments: ExperimentList, tolerance: float
) -> float:
    """Return the rms distance of spots from their index, in units of that of points at random.

    rows : of indexed spots, each with the crystal of its experiment, as it is at the spot's z if it
        varies along the scan; 1 without any.
    """
    if not len(rows):
        return 1.0
    part = select(table, rows)
    of = part["experiment"]
    frames, _ = goniometer_frames(experiments)
    settings = settings_at(experiments, of, part["z"])
    at_datum = np.einsum("nij,nj->ni", frames[of], part["rlp"])
    off = np.linalg.solve(settings, at_datum[..., None])[..., 0] - part["hkl"]
    return float(np.sqrt(np.mean(off**2)) / (tolerance / np.sqrt(3.0)))


def _rmsds(table: Reflections, rows: Integers, experiments: ExperimentList) -> tuple[float, float]:
    """Return the root of the median squared residuals, scaled to that of a normal distribution.

    The median: some outliers are in every data set.
    """
    pixel = float(np.mean(experiments.detectors[0][0].pixel_size))
    dx, dy = (
        table["x_mm"][rows] - table["x_cal_mm"][rows],
        table["y_mm"][rows] - table["y_cal_mm"][rows],
    )
    dz = table["z"][rows] - table["z_cal"][rows]
    squares = (dx**2 + dy**2) / pixel**2
    ok = np.isfinite(squares) & np.isfinite(dz)
    if not ok.any():
        return np.inf, np.inf
    # medians of chi squared with two degrees of freedom, and with one, in units of sigma^2
    return (
        float(np.sqrt(np.median(squares[ok]) / np.log(2.0))),
        float(np.sqrt(np.median(dz[ok] ** 2) / 0.4549)),
    )


LARGEST_MISFIT = 0.75
LOWEST_FRACTION = 1.0 / 3.0
LARGEST_RMSD_XY_PX = 6.0
# a reflection may last for many thin images: both limits have to be exceeded
LARGEST_RMSD_Z_IMAGES, LARGEST_RMSD_PHI_DEG = 3.0, 1.0
GOOD_MISFIT = 0.6
_ACCEPT = "indexing.accept_poor_fit=true takes it all the same"


def is_poor(fit: RunFit) -> bool:
    """Return true if a lattice cannot be that of the spots: it fits about as well as any."""
    few = fit.fraction < LOWEST_FRACTION and fit.misfit > GOOD_MISFIT
    late = fit.rmsd_z > LARGEST_RMSD_Z_IMAGES and fit.rmsd_phi_deg > LARGEST_RMSD_PHI_DEG
    return few or late or fit.misfit > LARGEST_MISFIT or fit.rmsd_xy > LARGEST_RMSD_XY_PX


def require_fit(
    reflections: Reflections, experiments: ExperimentList, parameters: IndexParameters
) -> list[str]:
    """Return messages on runs with few indexed spots, if the solution fits the spots of each run.

    Raises
    ------
    ConvergenceError
        It does not, or so many spots at random would fit some lattice, too; with `accept_poor_fit`
        that is a message.
    """
    tolerance = parameters.index_assignment.simple.hkl_tolerance
    fits = fits_of_runs(reflections, experiments, tolerance)
    judged = [f for f in fits if f.n_spots >= FEWEST_SPOTS]
    poor = [f for f in judged if is_poor(f)]
    notes = [_few(f) for f in judged if f not in poor and f.fraction < 0.5]
    reason = _reason(poor, judged) if poor else chance_text(reflections, experiments, parameters)
    if reason is None:
        return notes
    if parameters.accept_poor_fit:
        return [f"Warning: {reason}", *notes]
    raise ConvergenceError(f"{reason}; {_ACCEPT}")


def _few(fit: RunFit) -> str:
    return (
        f"Warning: only {100 * fit.fraction:.0f} % of the spots of {fit.run} are on the lattice, "
        "which fits them well: the others may be of further lattices, of ice or noise"
    )


def _reason(poor: Sequence[RunFit], judged: Sequence[RunFit]) -> str:
    figures = "; ".join(str(f) for f in judged)
    if len(poor) < len(judged):
        return (
            f"not one crystal: {', '.join(f.run for f in poor)} does not fit the lattice of the "
            f"other runs ({figures}); index each run by its own: indexing.joint_indexing=false, "
            "or auto to use the cell that most of them share"
        )
    return f"the best lattice does not fit the spots ({figures})"
