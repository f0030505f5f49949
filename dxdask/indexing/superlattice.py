"""Superlattices: spots between the points of the lattice found, at fractions of its indices.

Where a cell is a fraction of the true one, as of weak spots that a pseudo-translation leaves, spots
lie at h + k g / m: m 2 or 3, g one of 7 or 13 vectors, k from 1 to m - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.indexing.known_symmetry import cell_text
from dxdask.indexing.reduction import directions_modulo, niggli_reduced
from dxdask.models import ExperimentList

FEWEST = 10
LEAST_EVIDENCE = 20.0
"""-ln of the probability that so many spots lie there by chance."""
MORE_EVIDENCE = 1.05
LEAST_SHARE = 0.1
WIDEST = 0.1
SIGMAS = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Superlattice:
    """A lattice m-fold larger than that found, which spots between its points belong to.

    Attributes
    ----------
    modulus, vector : m and g (3,). a_matrix : A (3, 3), reduced, of the larger cell, 1/Angstrom.
    n_fractional, n_between : spots at h + k g / m, of those between the points of the lattice.
    evidence : -ln of the probability of chance.
    """

    modulus: int
    vector: Integers
    a_matrix: Floats
    n_fractional: int
    n_between: int
    evidence: float


def find_superlattice(a_matrix: Floats, rlp: Floats, spread: Floats) -> Superlattice | None:
    """Return the superlattice that spots rlp (n, 3) show, None where there is none.

    a_matrix : A (3, 3) of the lattice found, primitive. spread : (3,) rms distance of its spots
    from their index.

    Spots are at a fraction if within three times the spread, at most 0.1. Of points at random, a
    share of the volume of that region would be.
    """
    fractional = rlp @ np.linalg.inv(a_matrix).T
    within = np.clip(SIGMAS * spread, 0.01, WIDEST)
    off = np.abs(fractional - np.rint(fractional))
    between = fractional[np.any(off > np.maximum(within, WIDEST), axis=1)]
    n = len(between)
    best: Superlattice | None = None
    for modulus in (2, 3):
        chance = (modulus - 1) * float(np.prod(2.0 * within)) / (1.0 - (2.0 * WIDEST) ** 3)
        for vector in directions_modulo(modulus):
            at = np.zeros(n, dtype=bool)
            for k in range(1, modulus):
                shifted = between - k * vector / modulus
                at |= np.all(np.abs(shifted - np.rint(shifted)) <= within, axis=1)
            count = int(at.sum())
            if count < max(FEWEST, LEAST_SHARE * n):
                continue
            found = _evidence(count, n, chance)
            least = LEAST_EVIDENCE if best is None else MORE_EVIDENCE * best.evidence
            if found > least:
                larger = _larger(a_matrix, vector, modulus)
                best = Superlattice(
                    modulus=modulus, vector=vector, a_matrix=larger, n_fractional=count,
                    n_between=n, evidence=found,
                )  # fmt: skip
    return best


def _evidence(count: int, n: int, chance: float) -> float:
    """Return -ln of the bound (Chernoff) of the probability of so many of n, each by chance."""
    share = count / n
    if share <= chance:
        return 0.0
    rest = (1.0 - share) * np.log((1.0 - share) / (1.0 - chance)) if share < 1.0 else 0.0
    return float(n * (share * np.log(share / chance) + rest))


def _larger(a_matrix: Floats, vector: Integers, modulus: int) -> Floats:
    """Return reduced A of the lattice whose reciprocal one has g / m, too."""
    new = np.eye(3)
    new[:, np.flatnonzero(vector)[0]] = vector / modulus
    return niggli_reduced(a_matrix @ new)


def superlattice_notes(reflections: Reflections, experiments: ExperimentList) -> list[str]:
    """Return a message for each crystal whose cell is a fraction of what its spots show.

    reflections : indexed, with rlp.
    """
    notes = []
    for crystal in experiments.crystals:
        ids = [i for i, e in enumerate(experiments) if e.crystal is crystal]
        mine = np.isin(reflections["experiment"], ids)
        indexed = mine & has_flag(reflections, Flag.INDEXED)
        op = crystal.gemmi_space_group.centred_to_primitive()
        primitive = crystal.a @ np.linalg.inv(np.array(op.rot, dtype=np.float64) / op.DEN).T
        fractional = reflections["rlp"][indexed] @ np.linalg.inv(primitive).T
        if len(fractional) < FEWEST:
            continue
        off = fractional - np.rint(fractional)
        spread = 1.4826 * np.median(np.abs(off), axis=0)
        found = find_superlattice(primitive, reflections["rlp"][mine], spread)
        if found is not None:
            notes.append(_note(found))
    return notes


def _note(found: Superlattice) -> str:
    g = ", ".join("0" if x == 0 else f"{x}/{found.modulus}" for x in found.vector.tolist())
    cell = ",".join(cell_text(found.a_matrix).split())
    return (
        f"Warning: {found.n_fractional} of {found.n_between} spots between the points of the "
        f"lattice are at ({g}) of it, primitive: the cell may be {found.modulus} times as large, "
        f"with a pseudo-translation; index again with indexing.known_symmetry.unit_cell={cell}"
    )
