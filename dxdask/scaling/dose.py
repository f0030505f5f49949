"""The dose that each image begins and ends with, and the B factor that grows with it.

Of radiation damage the fall of the intensities with dose is that of a B factor linear in dose
(Blake & Phillips 1962; Kmetko et al. 2006, Acta Cryst. D62, 1030), one rate for all sweeps of a
crystal: log g = k D / (2 d^2), or k D / d. The `dose_decay` model of DIALS has the same forms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.scaling.components import Index, rows_by_experiment
from dxdask.scaling.variables import Variables


@dataclass(frozen=True, kw_only=True, slots=True)
class Dose:
    """Dose along a scan.

    Attributes
    ----------
    edges : (n + 1,) borders of the images. dose : (n + 1,) accumulated there.
    """

    edges: Floats
    dose: Floats

    def at(self, z: Floats) -> Floats:
        """Return the dose (n,) at z (n,), images."""
        return np.interp(z, self.edges, self.dose)


def doses(experiments: ExperimentList, starting: Sequence[float] = ()) -> tuple[list[Dose], str]:
    """Return the dose along each scan, and its unit.

    The dose of an image is its exposure time by the transmission, where all exposure times are
    known, else the transmission. Sweeps of one crystal follow each other in the order of the list.

    starting : dose that each experiment begins with; none: that after the sweeps before.

    Raises
    ------
    InputError
        There are as many starting doses as neither one nor the experiments.
    """
    if len(starting) not in (0, 1, len(experiments)):
        raise InputError(
            f"dose_decay.starting_dose has {len(starting)} values for {len(experiments)} sweeps; "
            "give one for each, one for all, or none"
        )
    timed = all(e.scan is None or e.scan.exposure_times for e in experiments)
    timed &= all(_exposures(e, timed=True).min(initial=1.0) > 0 for e in experiments)
    before: dict[int | None, float] = {}
    found = []
    for i, (member, e) in enumerate(zip(experiments.members, experiments, strict=True)):
        each = _exposures(e, timed=timed) * float(e.beam.transmission)
        first = 0.0 if e.scan is None else float(e.scan.array_range[0])
        start = before.get(member.crystal, 0.0)
        if starting:
            start = float(starting[i if len(starting) > 1 else 0])
        dose = start + np.concatenate([[0.0], np.cumsum(each)])
        before[member.crystal] = float(dose[-1])
        found.append(Dose(edges=first + np.arange(len(dose), dtype=np.float64), dose=dose))
    return found, "s of the full beam" if timed else "images of the full beam"


def _exposures(experiment: Experiment, *, timed: bool) -> Floats:
    """Return the exposure times (n,) of the images of a scan, or ones."""
    if experiment.scan is None:
        return np.ones(1)
    n = experiment.scan.n_images
    times = np.asarray(experiment.scan.exposure_times if timed else (), dtype=np.float64)
    return np.broadcast_to(times, (n,)) if len(times) in (1, n) else np.ones(n)


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseComponent:
    """Decay of the intensities with dose, or the B factor that a crystal begins with.

    Attributes
    ----------
    group : number of the parameter of each experiment, in the order of first appearance.
    doses : of each experiment, None for a B factor that does not depend on dose.
    unit : dose that a parameter is the B factor of. dose_unit : of the doses.
    linear : by 1/d, not 1/(2 d^2).
    """

    name: str
    group: Sequence[int]
    doses: Sequence[Dose] | None
    unit: float
    weight: float
    dose_unit: str = ""
    linear: bool = False
    is_level: bool = False
    needs: frozenset[str] = frozenset()

    @property
    def owners(self) -> Index:
        """First experiment (m,) of each parameter."""
        return np.unique(self.group, return_index=True)[1].astype(np.int32)

    @property
    def restraint(self) -> Floats:
        """Weights (m,) of the restraints to zero."""
        return np.full(len(self.owners), self.weight)

    def design(self, variables: Variables) -> tuple[Index, Floats]:
        """Return the parameter (n, 1) of each observation, and d log g / d p."""
        index = np.asarray(self.group, dtype=np.int32)[variables.experiment]
        value = 1.0 / variables.d if self.linear else 1.0 / (2.0 * variables.d**2)
        if self.doses is not None:
            value = value * self.amount(variables.experiment, variables.z)
        return index[:, None], value[:, None]

    def amount(self, experiment: NDArray[np.int32], z: Floats) -> Floats:
        """Return the dose (n,) of each observation, in units."""
        out = np.zeros(len(z))
        each = self.doses or ()
        for dose, rows in zip(each, rows_by_experiment(experiment, len(each)), strict=True):
            out[rows] = dose.at(z[rows]) / self.unit
        return out
