"""Intensities of all crystals in common axes, normalised, to where they are significant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.indexing.common_setting import CommonSetting
from dxdask.symmetry.finished import Report
from dxdask.symmetry.intensities import Intensities, spacings_of
from dxdask.symmetry.normalise import normalise
from dxdask.symmetry.operators import Rotation, is_axial
from dxdask.symmetry.parameters import SymmetryParameters
from dxdask.symmetry.resolution import significant_d_min


def in_common_axes(observed: Intensities, common: CommonSetting) -> Intensities:
    """Return the observations with indices in the reduced cell that the crystals share."""
    changes = np.stack(common.changes)[observed.crystal]
    hkl = np.rint(np.einsum("ni,nij->nj", observed.hkl.astype(np.float64), changes))
    return replace(observed, hkl=hkl.astype(np.int64))


def significant(
    data: Intensities, reduced: Floats, parameters: SymmetryParameters, report: Report
) -> Intensities:
    """Return the normalised intensities up to the resolution where they are significant."""
    d = spacings_of(data.hkl, reduced)
    d_min = parameters.d_min
    if d_min is None:
        d_min = significant_d_min(
            data, d, parameters.min_i_mean_over_sigma_mean, parameters.min_cc_half
        )
    kept = d >= d_min
    if not kept.any():
        raise InputError(f"no reflection has d of {d_min:g} A or more; raise or leave out d_min")
    report.messages.append(f"{int(kept.sum())} reflections to {d_min:.2f} A are used")
    return normalise(data.select(kept), d[kept], parameters.normalisation)


def off_axes(data: Intensities, lattice: frozenset[Rotation]) -> NDArray[np.bool_]:
    """Return True (n,) for observations that are on no axis of the lattice.

    Raises
    ------
    InputError
        There is none.
    """
    general = ~is_axial(data.hkl, lattice)
    if not general.any():
        raise InputError(
            f"all {len(data)} usable reflections lie on axes of the lattice, which do not tell "
            "its symmetry; integrate more images, or give known_space_group="
        )
    return general
