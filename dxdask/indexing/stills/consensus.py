"""The cell that most stills of a run share, from the lattice of each."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.indexing.known_symmetry import bravais_lattice, match_symmetry
from dxdask.indexing.lattice_symmetry import constrained, find_settings
from dxdask.indexing.reduction import changed, niggli_reduced
from dxdask.indexing.stills.known_cell import KnownCell
from dxdask.indexing.stills.lattice_signature import mean_cell, multiple_of, signatures
from dxdask.indexing.stills.parameters import Consensus
from dxdask.models.crystal import b_matrix, cell_of, space_group
from dxdask.tables import Table

MOST_CELLS = 10


@dataclass(frozen=True, slots=True)
class ProposedCell:
    """A cell that several stills share.

    Attributes
    ----------
    n_crystals : stills with it. reduced : its primitive cell, A and degree; the median.
    known : its lattice and conventional cell of the highest symmetry.
    delta : Le Page delta of that symmetry, degree. relation : to a cell of more stills.
    """

    n_crystals: int
    reduced: tuple[float, ...]
    known: KnownCell
    delta: float
    relation: str = ""

    @property
    def lattice(self) -> str:
        """Bravais type ("tP")."""
        return bravais_lattice(self.known.group)


def propose_cells(
    lattices: Floats, parameters: Consensus | None = None, group: gemmi.SpaceGroup | None = None
) -> list[ProposedCell]:
    """Return the cells that stills share, that of the most stills first.

    lattices : (n, 3, 3) reduced A of the stills on which a lattice was found. group : the
    space group where it is known; cells that cannot have it are excluded.
    """
    parameters = parameters or Consensus()
    if len(lattices) > parameters.max_crystals:
        evenly = np.linspace(0, len(lattices) - 1, parameters.max_crystals).round().astype(int)
        lattices = lattices[evenly]
    # where only one or two stills have a lattice, these must agree
    fewest = min(parameters.min_crystals, len(lattices))
    out: list[ProposedCell] = []
    for members in clusters(lattices, parameters.relative_length_tolerance):
        if len(members) < fewest or len(out) == MOST_CELLS:
            break
        reduced = mean_cell(lattices[members])
        found = _conventional(reduced, parameters.max_delta, group)
        if found is not None:
            relation = _relation(reduced, out, parameters.relative_length_tolerance)
            out.append(ProposedCell(len(members), reduced, *found, relation))
    return out


def clusters(lattices: Floats, tolerance: float) -> list[NDArray[np.int64]]:
    """Return sets of indices of similar lattices A (n, 3, 3), the largest set first.

    Each lattice is in one set: all that are similar to the one with most similar ones.
    """
    if len(lattices) == 0:
        return []
    logs = np.log(signatures(lattices))
    alike = np.array([np.abs(logs - row).max(axis=1) <= tolerance for row in logs])
    left = np.ones(len(lattices), np.bool_)
    out = []
    while left.any():
        counts = np.where(left, (alike & left).sum(axis=1), 0)
        members = np.flatnonzero(alike[np.argmax(counts)] & left)
        out.append(members)
        left[members] = False
    return out


def _conventional(
    reduced: tuple[float, ...], max_delta: float, group: gemmi.SpaceGroup | None
) -> tuple[KnownCell, float] | None:
    """Return the conventional cell of the highest symmetry within max_delta, and its delta."""
    a_matrix = niggli_reduced(b_matrix(reduced))
    for setting in find_settings(a_matrix, max_delta):
        if group is None:
            lowest = space_group(setting.space_group)
            cell = cell_of(constrained(changed(a_matrix, setting.change), lowest))
            return KnownCell.of(cell, lowest), setting.delta
        if setting.lattice == bravais_lattice(group):
            change = match_symmetry(a_matrix, group, max_delta)
            if change is not None:
                cell = cell_of(constrained(changed(a_matrix, change), group))
                return KnownCell.of(cell, group), setting.delta
    return None


def _relation(reduced: tuple[float, ...], others: list[ProposedCell], tolerance: float) -> str:
    """Return the integer relation of a cell to one of the others, in words; empty if none."""
    for i, other in enumerate(others, start=1):
        times = multiple_of(reduced, other.reduced, tolerance)
        if times is not None:
            return f"{times} x cell {i}"
        times = multiple_of(other.reduced, reduced, tolerance)
        if times is not None:
            return f"1/{times} of cell {i}"
    return ""


def consensus_table(cells: list[ProposedCell], n_lattices: int) -> Table:
    """Return the table of cells; the first is proposed."""
    rows = []
    for i, found in enumerate(cells, start=1):
        values = zip(("a", "b", "c", "alpha", "beta", "gamma"), found.known.cell, strict=True)
        rows.append({
            "cell": i, "proposed": i == 1, "n_crystals": found.n_crystals,
            "percent": 100.0 * found.n_crystals / max(n_lattices, 1),
            "lattice": found.lattice, "space_group": found.known.group.xhm(),
            "delta": found.delta, **dict(values), "relation": found.relation,
        })  # fmt: skip
    headings = {
        "cell": ("#", ""), "proposed": ("proposed", ""), "n_crystals": ("stills", ""),
        "percent": ("%", ".1f"), "lattice": ("lattice", ""), "space_group": ("group", ""),
        "delta": ("delta\ndegree", ".2f"),
        **{k: (k, ".2f") for k in ("a", "b", "c", "alpha", "beta", "gamma")},
        "relation": ("relation", ""),
    }  # fmt: skip
    title = f"Cells of the lattices of {n_lattices} stills"
    return Table(name="consensus", title=title, rows=rows, headings=headings)
