"""The space group of a Laue group by systematic absences, in its reference setting."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.symmetry import epsilon
from dxdask.symmetry.absences import find_space_group
from dxdask.symmetry.correlations import merge_p1
from dxdask.symmetry.glide_planes import find_any_space_group, has_centre
from dxdask.symmetry.intensities import Intensities
from dxdask.symmetry.lattice_group import LaueGroup
from dxdask.symmetry.operators import unique_under
from dxdask.symmetry.parameters import SymmetryParameters
from dxdask.symmetry.tables import absences_table, space_groups_table
from dxdask.tables import Table

CERTAIN = 0.9
"""Least probability of a space group, given its Laue group, that is not called uncertain."""


def determined_space_group(
    data: Intensities, best: LaueGroup, parameters: SymmetryParameters, before: gemmi.SpaceGroup
) -> tuple[gemmi.SpaceGroup, Floats, list[Table], list[str]]:
    """Return the space group in its reference setting, P (3, 3) to it from the axes of the Laue
    group, tables and messages.

    data : normalised intensities in the axes of the reduced cell. best : the Laue group. before :
    the group that the crystals have, which is kept among chiral ones that absences cannot tell
    apart.
    """
    if not parameters.systematic_absences.check:
        return best.group, np.eye(3), [], []
    merged = merge_p1(data, by_crystal=False)
    keys, first, row = np.unique(
        unique_under(merged.hkl, best.rotations), return_index=True, return_inverse=True
    )
    weight = 1.0 / merged.sigma**2
    total = np.bincount(row, weight, len(keys))
    hkl = np.rint(merged.hkl[first] @ best.change).astype(np.int64)
    factor = epsilon(hkl.astype(np.int32), best.group)
    x = np.bincount(row, weight * merged.intensity, len(keys)) / total / factor
    sigma, error = np.sqrt(1.0 / total) / factor, parameters.systematic_absences.error
    scores, elements = find_space_group(best.group, hkl, x, sigma, error)
    messages = []
    if not parameters.chiral:
        scores, glides = find_any_space_group(best.group, hkl, x, sigma, error)
        elements = [*elements, *glides]
        centre = has_centre(x, sigma)
        if centre is not None:
            kind = "a centre" if centre else "no centre"
            messages.append(f"intensities are distributed as of a crystal with {kind} of symmetry")
    tables = [absences_table(elements)] if elements else []
    tables.append(space_groups_table(scores))
    alike = scores[0].groups
    # with achiral groups among them, the centre of symmetry has ordered them
    kept = [g for g in alike if g.number == before.number] if parameters.chiral else []
    group = (*kept, *alike)[0]
    line = f"space group {group.xhm()}, probability {scores[0].probability:.2f}"
    if len(alike) > 1:
        names = " and ".join(g.xhm() for g in alike)
        enantiomorphs = all(g.is_enantiomorphic() for g in alike)
        kind = "enantiomorphs: " if enantiomorphs else ""
        line += f"; {kind}{names} cannot be told apart by absences"
        line += f"; {group.xhm()} is that of the crystals" * bool(kept)
    messages.append(line)
    if scores[0].probability < CERTAIN and len(scores) > 1:
        other = " or ".join(g.xhm() for g in scores[1].groups)
        messages.append(
            f"the space group is ambiguous: {other} has the probability "
            f"{scores[1].probability:.2f}; too few axial reflections were measured"
        )
    return *in_reference_setting(group), tables, messages


def in_reference_setting(group: gemmi.SpaceGroup) -> tuple[gemmi.SpaceGroup, Floats]:
    """Return the reference setting of a space group, and the change of basis P (3, 3) to it."""
    if group.is_reference_setting():
        return group, np.eye(3)
    to_reference = np.array(group.basisop.rot, dtype=np.float64) / gemmi.Op.DEN
    reference = next(
        g for g in gemmi.spacegroup_table()
        if g.number == group.number and g.is_reference_setting()
    )  # fmt: skip
    # basisop transforms coordinates of the reference setting to those of this one
    return reference, to_reference
