"""Joint refinement of a detector and the crystals of many stills."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import Experiment
from dxdask.models.vectors import unit
from dxdask.refinement.metrology.parameters import MetrologyParameters
from dxdask.refinement.metrology.rmsds import rmsd_table
from dxdask.refinement.metrology.solve import Solution, solve_detector
from dxdask.refinement.metrology.tables import detector_shifts, detector_statistics
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.still_outliers import still_rmsds, well_fitting
from dxdask.refinement.stills.measurements import Measurements, measurements_of
from dxdask.still_columns import Stills
from dxdask.tables import Table


@dataclass(frozen=True, slots=True)
class Metrology:
    """A refined detector, and those of the odd and the even stills alone where stills are split.

    Attributes
    ----------
    start : the experiment before. whole, odd, even : solutions. selected : rows of the table of
    stills that were refined at first, and rmsds, mm, theirs; rows : those that `whole` used, which
    the RMSD filter did not reject. measured, crystals : of these, as indexed. n_spots : (panels,)
    spots used on each panel. cell : the target cell.
    """

    start: Experiment
    whole: Solution
    selected: Integers
    rmsds: NDArray[np.float64]
    rows: Integers
    measured: Measurements
    crystals: Crystals
    n_spots: Integers
    cell: tuple[float, ...]
    odd: Solution | None = None
    even: Solution | None = None

    @property
    def n_rejected(self) -> int:
        """Number of stills rejected by their RMSD."""
        return len(self.selected) - len(self.rows)

    @property
    def beam(self) -> NDArray[np.float64]:
        """Unit vector (3,) along the beam."""
        return -unit(self.start.beam.direction)

    @property
    def tables(self) -> tuple[Table, ...]:
        """RMSDs, detector shifts and, where stills were split, the differences of the halves."""
        parts, found = self.whole.parts, self.whole.detector
        tables = [
            rmsd_table(self.start, self.whole, self.measured, self.crystals),
            detector_shifts(self.start.detector, found, parts, self.beam, self.n_spots),
        ]
        if self.odd is not None and self.even is not None:
            halves = self.odd.detector, self.even.detector
            tables.append(detector_statistics(*halves, parts, self.beam, self.n_spots))
        return tuple(tables)

    @property
    def experiment(self) -> Experiment:
        """The experiment with the refined detector."""
        return replace(self.start, detector=self.whole.detector)


def refine_detector(
    reflections: Reflections,
    stills: Stills,
    experiment: Experiment,
    cell: tuple[float, ...],
    group: gemmi.SpaceGroup,
    parameters: MetrologyParameters | None = None,
) -> Metrology:
    """Refine the positions of the panels against the indexed spots of all stills.

    Parameters
    ----------
    reflections : columns experiment, panel, x, y, z, hkl, flags.
    stills : columns experiment, image, indexed, wavelength, a_matrix.
    experiment : beam and detector. cell : the target cell, A and degree. group : its symmetry.

    Raises
    ------
    InputError
        Too few indexed stills.
    ConvergenceError
        The least squares do not converge.
    """
    parameters = parameters or MetrologyParameters()
    measured = _subset(measurements_of(reflections, stills), parameters.n_subset)
    crystals = Crystals.alike(stills["a_matrix"][measured.rows], cell, group)

    def fitted(of: Measurements, which: Integers) -> Solution:
        return solve_detector(of, crystals.taken(which), experiment, parameters)

    every = np.arange(len(measured.rows))
    used, whole, kept = measured, fitted(measured, every), every
    rmsds = still_rmsds(whole.residuals, whole.used, measured.still, len(every))
    if parameters.rmsd_filter.enable:
        kept = np.flatnonzero(well_fitting(rmsds, parameters.rmsd_filter.iqr_multiplier))
        if len(kept) < len(every):
            used = measured.of_stills(kept)
            whole = fitted(used, kept)
    halves: list[Solution | None] = [None, None]
    if parameters.split_dataset and len(kept) >= 4:
        halves = [fitted(measured.of_stills(kept[i::2]), kept[i::2]) for i in (1, 0)]
    n_spots = np.bincount(used.panel[whole.used], minlength=len(experiment.detector))
    return Metrology(
        experiment, whole, measured.rows, rmsds, measured.rows[kept], used, crystals.taken(kept),
        n_spots, cell, *halves,
    )  # fmt: skip


def _subset(measured: Measurements, n_subset: int | None) -> Measurements:
    n = len(measured.rows)
    if n < 2:
        raise InputError(f"{n} indexed still: metrology needs at least two; index more")
    if n_subset is None or n_subset >= n:
        return measured
    return measured.of_stills(np.linspace(0, n - 1, n_subset).round().astype(np.int64))
