"""Space groups of Hall symbols, also of settings that no table lists.

cctbx writes a setting as the Hall symbol of a tabulated one with a change of basis behind it, such
as " C 2y (x-y,x+y,z)" for the primitive cell of C 2 (Hall 1981, Acta Cryst. A37, 517; with the
change of basis as in International Tables B, 1.4). Crystals of such a setting are taken to the
tabulated one, and Miller indices with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError

_CHANGED = re.compile(r"^(?P<base>[^()]+)\((?P<basis>[^()]+)\)\s*$")


def tabulated(hall: str) -> tuple[str, NDArray[np.int64] | None]:
    """Return the symbol of a tabulated setting, and the change of basis to it.

    Returns
    -------
    symbol : extended Hermann-Mauguin symbol.
    change : (3, 3) integers, hkl of the setting given times it are those of the tabulated one; None
        where it is tabulated itself.

    Raises
    ------
    FormatError
        Not a Hall symbol, or its setting is neither tabulated nor a change of basis of one that is.
    """
    try:
        operations = gemmi.symops_from_hall(hall)
    except (ValueError, RuntimeError) as error:
        raise FormatError(f"{hall!r} is not a Hall symbol ({error})") from error
    found = gemmi.find_spacegroup_by_ops(operations)
    if found is not None:
        return str(found.xhm()), None
    for group, change in _bases(hall, operations):
        return str(group.xhm()), change
    raise FormatError(
        f"the setting of the space group with Hall symbol {hall!r} is not tabulated; "
        "reindex to a standard setting before"
    )


def _bases(
    hall: str, operations: gemmi.GroupOps
) -> Iterator[tuple[gemmi.SpaceGroup, NDArray[np.int64]]]:
    match = _CHANGED.match(hall)
    if match is None:
        return
    try:
        group = gemmi.find_spacegroup_by_ops(gemmi.symops_from_hall(match["base"]))
        given = gemmi.Op(match["basis"])
    except (ValueError, RuntimeError):
        return
    if group is None:
        return
    for basis in (given, given.inverse()):
        changed = group.operations()
        changed.change_basis_forward(basis)
        # x' = C x takes the tabulated setting to this one, and h = h' C back
        matrix = np.array(basis.rot, dtype=np.int64)
        if changed == operations and (matrix % gemmi.Op.DEN == 0).all():
            yield group, matrix // gemmi.Op.DEN
