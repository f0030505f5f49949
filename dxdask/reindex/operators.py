"""Changes of basis as text: new axes, Miller indices or coordinates in terms of the old."""

from __future__ import annotations

import re

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.indexing.reduction import inverse
from dxdask.indexing.setting import axes_text

EXAMPLES = "b,c,a (axes), k,l,h (Miller indices) or y,z,x (coordinates)"


def parse_operator(text: str) -> Floats:
    """Return the change of basis P (3, 3), whose columns are the new axes in terms of the old.

    Axes and Miller indices transform alike, h' = P^T h; coordinates by the inverse, x' = P^-1 x.

    Raises
    ------
    InputError
        The text is no such operator, has a translation, or changes the hand of the axes.
    """
    letters = set(re.findall("[a-z]", text.lower()))
    kinds = [kind for kind in ("abc", "hkl", "xyz") if letters and letters <= set(kind)]
    # indices transform as axes do, and gemmi's own reading of them is transposed
    letters_of_axes = str.maketrans("hkl", "abc") if kinds == ["hkl"] else {}
    try:
        op = gemmi.Op(text.lower().strip().translate(letters_of_axes)) if kinds else None
    except (RuntimeError, ValueError):
        op = None
    if op is None or any(op.tran):
        raise InputError(f"change_of_basis_op={text}: give one like {EXAMPLES}")
    rows = np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN
    determinant = float(np.linalg.det(rows))
    if abs(determinant) < 1e-6:
        raise InputError(f"change_of_basis_op={text}: the new axes lie in a plane")
    if determinant < 0:
        raise InputError(
            f"change_of_basis_op={text} makes the axes left-handed; reverse one or all of them"
        )
    return inverse(rows) if kinds == ["xyz"] else np.asarray(rows.T)


def indices_text(change: Floats) -> str:
    """Return a change of basis P (3, 3) as Miller indices: "k,h,-l"."""
    return axes_text(change).translate(str.maketrans("abc", "hkl"))
