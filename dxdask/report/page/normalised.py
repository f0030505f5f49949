"""Merged intensities, normalised by resolution."""

from __future__ import annotations

from typing import NamedTuple

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.models.symmetry import epsilon, is_absent, is_centric
from dxdask.report.step_tables import StepTables

N_SHELLS = 20
FEWEST = 200


class Normalised(NamedTuple):
    """Merged reflections (n,) that are not systematically absent, at least `FEWEST`.

    Attributes
    ----------
    hkl : (n, 3). z : I / (epsilon <I>) (n,), <I> interpolated in ln between shells.
    centric : (n,). shell : (n,) of `N_SHELLS` with equal numbers of reflections.
    s2, mean : (N_SHELLS,) mean 1/d^2, and mean of I / epsilon, of the shells.
    group : the space group.
    """

    hkl: NDArray[np.int32]
    z: Floats
    centric: Mask
    shell: NDArray[np.int64]
    s2: Floats
    mean: Floats
    group: gemmi.SpaceGroup

    @property
    def acentric(self) -> Mask:
        """Acentric reflections (n,)."""
        return ~self.centric


def normalised(tables: StepTables) -> Normalised | None:
    """Return the merged intensities, None where there are too few, or no space group is known."""
    names = ["hkl", "d", "intensity"]
    group = merged_group(tables)
    if tables.present("merge", names) != names or group is None:
        return None
    table = tables.columns("merge", names)
    good = np.isfinite(table["intensity"]) & ~is_absent(table["hkl"], group)
    hkl, s2 = table["hkl"][good], table["d"][good] ** -2.0
    if len(hkl) < FEWEST:
        return None
    value = table["intensity"][good] / epsilon(hkl, group)
    edges = np.quantile(s2, np.linspace(0, 1, N_SHELLS + 1))
    shell = np.clip(np.searchsorted(edges, s2, side="right") - 1, 0, N_SHELLS - 1)
    n = np.bincount(shell, minlength=N_SHELLS)
    middle = np.bincount(shell, s2, N_SHELLS) / n
    mean = np.bincount(shell, value, N_SHELLS) / n
    positive = mean > 0
    if not positive.any():
        return None
    # interpolated, so that E does not step at the borders of shells
    expected = np.exp(np.interp(s2, middle[positive], np.log(mean[positive])))
    return Normalised(hkl, value / expected, is_centric(hkl, group), shell, middle, mean, group)


def merged_group(tables: StepTables) -> gemmi.SpaceGroup | None:
    """Return the space group of the merged reflections, None where it is not known."""
    if "merge" not in tables:
        return None
    names = [e.crystal.space_group for e in tables.experiments("merge") if e.crystal is not None]
    names += [str(row.get("space_group")) for row in tables.rows("index", "cell")]
    name = next((n for n in names if n), None)
    return None if name is None else gemmi.SpaceGroup(name)
