"""Centring of the lattice by absent reflections, where crystals were indexed in a larger cell.

If all reflections with h . v not divisible by n are absent, v / n is a vector of the lattice, and
the cell that was indexed is n-fold too large. If they are only weak, the crystal has a
pseudo-translation by v / n; the cell is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dxdask.indexing.common_setting import CommonSetting
from dxdask.indexing.reduction import changed, directions_modulo, niggli_change
from dxdask.symmetry.intensities import Intensities

MODULI = (2, 3)
FEWEST = 50
"""Reflections, present or absent, that are needed."""
ABSENT = 0.02
"""Largest mean intensity of absent reflections, of that of present ones."""
SIGNIFICANT = 0.02
"""Largest part of absent reflections above 3 sigma."""
WEAK = 0.5
"""Mean intensity, of that of present ones, below which reflections are called weak."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Centring:
    """A vector v / n: mean intensity, of the present, and part above 3 sigma of the others."""

    vector: NDArray[np.int64]
    modulus: int
    ratio: float
    significant: float

    @property
    def is_lattice(self) -> bool:
        """Whether the vector is one of the lattice."""
        return self.ratio <= ABSENT and self.significant <= SIGNIFICANT


def weakest(data: Intensities) -> Centring | None:
    """Return the vector whose reflections are weakest; None if there are too few reflections.

    data : in the axes of the reduced cell.
    """
    found = []
    for modulus in MODULI:
        for v in directions_modulo(modulus):
            present = (data.hkl @ v) % modulus == 0
            n_present = int(present.sum())
            if min(n_present, len(data) - n_present) < FEWEST:
                continue
            mean, other = data.intensity[present].mean(), data.intensity[~present].mean()
            if mean <= 0.0:
                continue
            strong = data.intensity[~present] > 3.0 * data.sigma[~present]
            found.append(
                Centring(
                    vector=v, modulus=modulus, ratio=max(float(other / mean), 0.0),
                    significant=float(strong.mean()),
                )
            )  # fmt: skip
    return min(found, key=lambda c: (c.ratio, c.modulus)) if found else None


def without_absent(
    data: Intensities, common: CommonSetting
) -> tuple[Intensities, CommonSetting, list[str]]:
    """Return the reflections and the reduced cell of the lattice that they have, and messages."""
    lines = []
    while (found := weakest(data)) is not None:
        v, n = found.vector, found.modulus
        fraction = ", ".join(f"{x}/{n}" if x else "0" for x in v)
        if not found.is_lattice:
            if found.ratio < WEAK:
                lines.append(
                    f"pseudo-centring by ({fraction}) of the reduced cell: the reflections that it "
                    f"would make absent have {100 * found.ratio:.0f} % of the intensity of others"
                )
            break
        # v / n replaces the axis where v has its first 1
        step = np.eye(3)
        step[:, np.flatnonzero(v)[0]] = v / n
        change = step @ niggli_change(changed(common.reduced, step))
        present = (data.hkl @ v) % n == 0
        lines.append(
            f"all {int((~present).sum())} reflections but those with h . ({fraction}) whole are "
            f"absent: the lattice is {n}-fold smaller than indexed"
        )
        kept = data.select(present)
        data = Intensities(
            hkl=np.rint(kept.hkl @ change).astype(np.int64), crystal=kept.crystal,
            experiment=kept.experiment, z=kept.z, intensity=kept.intensity, sigma=kept.sigma,
        )  # fmt: skip
        common = CommonSetting(
            changes=tuple(p @ change for p in common.changes),
            reduced=np.asarray(changed(common.reduced, change)),
        )
    return data, common, lines
