"""Simulated crystals of known space groups, for `symmetry_simulated.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.centred_lattices import with_absent_reflections
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Reflections
from dxdask.models import ExperimentList

# a group, and the higher one that a share of the variance of its intensities has
PSEUDO = (("P 4", "P 4 2 2"), ("P 1 21 1", "P 21 21 21"), ("P 3", "P 3 2 1"), ("P 3", "P 6"),
          ("P 6", "P 6 2 2"), ("P 2 3", "P 4 3 2"), ("R 3", "R 3 2"))  # fmt: skip
SHARES = (0.3, 0.6, 0.8)
RIGHT_ANGLED = (31.0, 37.0, 43.0, 90.0, 90.0, 90.0)
CUBE = (38.0, 38.0, 38.0, 90.0, 90.0, 90.0)
HEXAGONAL = (34.0, 34.0, 45.0, 90.0, 90.0, 120.0)
# lattices of more symmetry than the crystal
HIGHER = (
    ("P 1", RIGHT_ANGLED), ("P 1", CUBE), ("P 1", HEXAGONAL), ("P 1 2 1", RIGHT_ANGLED),
    ("P 1 21 1", RIGHT_ANGLED), ("P 1 21 1", (34.0, 45.0, 34.0, 90.0, 120.0, 90.0)),
    ("C 1 2 1", (31.0, 37.0, 43.0, 90.0, 90.4, 90.0)), ("P 2 2 2", (37.0, 37.0, 43.0, 90, 90, 90)),
    ("P 21 21 21", CUBE), ("C 2 2 21", (31.0, 31.0 * 3**0.5, 43.0, 90.0, 90.0, 90.0)),
    ("P 4", CUBE), ("P 41 21 2", CUBE), ("P 31", HEXAGONAL),
    ("R 3", (53.7, 53.7, 65.8, 90.0, 90.0, 120.0)),
)  # fmt: skip
TWIN_LAWS = {"P 4": "y,x,-z", "P 41": "y,x,-z", "I 4": "y,x,-z", "P 3": "-x,-y,z",
             "P 6": "y,x,-z", "P 63": "y,x,-z", "P 2 3": "y,x,-z", "P 21 3": "y,x,-z"}  # fmt: skip
FRACTIONS = (0.2, 0.35, 0.5)
# parity of the reflections that a pseudo-translation weakens
TRANSLATED = {
    **dict.fromkeys(("P 2 2 2", "P 21 21 21", "P 4", "P 43 21 2", "P 21 3"), (1, 1, 1)),
    **dict.fromkeys(("P 6", "P 3 2 1"), (0, 0, 1)),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Crystals of a space group.

    must_say : words of which a message must have one; without it an answer is wrong.
    """

    condition: str
    name: str
    truth: Truth
    reflections: Reflections
    experiments: ExperimentList
    must_say: tuple[str, ...] = field(default=())

    @property
    def laue(self) -> str:
        """The Laue group of the crystals."""
        return str(self.truth.group.laue_str())


def chiral_groups() -> list[str]:
    """Return the symbols of the 65 space groups of chiral crystals, in their standard settings."""
    found = [gemmi.SpaceGroup(n) for n in range(1, 231)]
    return [g.xhm() for g in found if g.is_sohncke()]


def cases(first: int, seeds: int) -> Iterator[Case]:
    """Yield all cases, of `seeds` seeds from `first` on; of wedges five times as many."""
    for seed in range(first, first + seeds):
        yield from _of_all_groups("whole sweep", seed, {}, {})
        yield from _of_all_groups(
            "10 % anomalous, 30 % absorption", seed, {"anomalous": 0.1}, {"absorption": 0.3}
        )
        yield from _of_all_groups("20 wedges of 3 degrees", seed, {}, {"width": 3.0, "n": 20})
        yield from _indexed_as_primitive(seed)
        yield from _of_higher_lattices(seed)
        yield from _pseudo_symmetric(seed)
        yield from _translated(seed)
        yield from _twinned(seed)
    for seed in range(first, first + 5 * seeds):
        yield from _of_all_groups("wedge of 3 degrees", seed, {"d_min": 2.5}, {"width": 3.0})


def _of_all_groups(
    condition: str, seed: int, of_truth: dict[str, Any], of_crystals: dict[str, Any]
) -> Iterator[Case]:
    for symbol in chiral_groups():
        truth = Truth.of(symbol, seed=seed, **of_truth)
        table, models = crystals_of(truth, seed=seed, **of_crystals)
        yield Case(
            condition=condition, name=symbol, truth=truth, reflections=table, experiments=models
        )


def _indexed_as_primitive(seed: int) -> Iterator[Case]:
    for symbol in chiral_groups():
        if symbol.startswith("P"):
            continue
        truth = Truth.of(symbol, seed=seed)
        table, models = with_absent_reflections(truth, seed=seed)
        yield Case(
            condition="centred, indexed as primitive", name=symbol, truth=truth,
            reflections=table, experiments=models,
        )  # fmt: skip


def _of_higher_lattices(seed: int) -> Iterator[Case]:
    for symbol, cell in HIGHER:
        truth = Truth.of(symbol, cell=cell, seed=seed)
        table, models = crystals_of(truth, seed=seed)
        yield Case(
            condition="lattice of higher symmetry", name=f"{symbol}, {cell}", truth=truth,
            reflections=table, experiments=models,
        )  # fmt: skip


def _pseudo_symmetric(seed: int) -> Iterator[Case]:
    for low, high in PSEUDO:
        for share in SHARES:
            cell = RIGHT_ANGLED if low.startswith("P 1 ") else None
            truth = Truth.of(low, cell=cell, pseudo=(high, share), seed=seed)
            table, models = crystals_of(truth, seed=seed)
            yield Case(
                condition="pseudo-symmetry", name=f"{low}, {high} by {share:g}", truth=truth,
                reflections=table, experiments=models,
            )  # fmt: skip


def _translated(seed: int) -> Iterator[Case]:
    for symbol, vector in TRANSLATED.items():
        truth = Truth.of(symbol, seed=seed, d_min=2.5)
        truth.intensity[truth.hkl @ np.array(vector) % 2 == 1] *= 0.1
        table, models = crystals_of(truth, seed=seed)
        yield Case(
            condition="pseudo-translation", name=symbol, truth=truth, reflections=table,
            experiments=models, must_say=("pseudo-translation", "pseudo-centring"),
        )  # fmt: skip


def _twinned(seed: int) -> Iterator[Case]:
    for symbol, law in TWIN_LAWS.items():
        for fraction in FRACTIONS:
            truth = Truth.of(symbol, seed=seed, d_min=2.5)
            table, models = crystals_of(truth, seed=seed, keep_axes=True, noise=0.02)
            w = np.array(gemmi.Op(law).rot) // gemmi.Op.DEN
            one, other = truth.intensities(table["hkl"]), truth.intensities(table["hkl"] @ w)
            table["intensity_sum"] += fraction * (other - one)
            yield Case(
                condition="twin", name=f"{symbol}, fraction {fraction:g}", truth=truth,
                reflections=table, experiments=models,
                must_say=("twinned by", "as of a twin"),
            )  # fmt: skip
