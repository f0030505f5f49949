"""Merged intensities as CrystFEL's reflection list, version 2.0 (`process_hkl`, `partialator`).

The file has neither cell nor space group, only the Laue group, by CrystFEL's name: its unique axis
is added where it is not the standard one of that group.
"""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np

from dxdask.columns import Reflections, check
from dxdask.storage.exporters.processing import Processing, history
from dxdask.storage.exporters.whole_file import whole_file

HEADING = "   h    k    l          I    phase   sigma(I)   nmeas"


def write_crystfel_hkl(
    path: str | Path,
    reflections: Reflections,
    group: gemmi.SpaceGroup,
    processing: Processing | None = None,
) -> None:
    """Write merged reflections: h, k, l, intensity, no phase, sigma, number of observations.

    Parameters
    ----------
    path : of the file.
    reflections : of merging: hkl, intensity, sigma, n_observations. Those without an intensity
        are excluded.
    group : of the crystal.
    processing : for the history, behind the reflections.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    check(reflections, ("hkl", "intensity", "sigma", "n_observations"))
    lines = ["CrystFEL reflection list version 2.0", f"Symmetry: {laue_name(group)}", HEADING]
    known = np.isfinite(reflections["intensity"]) & np.isfinite(reflections["sigma"])
    for (h, k, l), intensity, sigma, n in zip(
        reflections["hkl"][known].tolist(), reflections["intensity"][known].tolist(),
        reflections["sigma"][known].tolist(), reflections["n_observations"][known].tolist(),
        strict=True,
    ):  # fmt: skip
        lines.append(f"{h:4d} {k:4d} {l:4d} {intensity:10.2f}        - {sigma:10.2f} {n:7d}")
    with whole_file(path) as aside:
        aside.write_text("\n".join([*lines, "End of reflections", *history(processing), ""]))


def laue_name(group: gemmi.SpaceGroup) -> str:
    """Return CrystFEL's name of the Laue group."""
    name = group.laue_str()
    system = group.crystal_system_str()
    if system == "monoclinic":
        axis = group.monoclinic_unique_axis()
        return name if axis == "c" else f"{name}_ua{axis}"
    if system != "trigonal":
        return name
    if group.ext == "R":
        return f"{name}_R"
    if name == "-3":
        return "-3_H"
    # axes of order two are along the cell's edges in 321 and lattices R, between them in 312
    return "-31m_H" if _has_axis_between(group) else "-3m1_H"


def _has_axis_between(group: gemmi.SpaceGroup) -> bool:
    """Return True if an axis of order two is between the cell's edges a and b."""
    # of Laue classes of trigonal groups, only that of 312 takes h, k, l to k, h, l
    moved = {tuple(op.apply_to_hkl([1, 2, 3])) for op in group.operations().sym_ops}
    return (2, 1, 3) in moved or (-2, -1, -3) in moved
