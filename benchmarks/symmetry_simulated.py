"""Symmetry of simulated crystals of known space groups: python symmetry_simulated.py [--seeds N].

Every chiral space group, with intensities in 5 % noise: whole sweeps, anomalous signal with
absorption, wedges of 3 degrees, and pseudo-symmetry. An answer is right, right and said to be
ambiguous, said to be ambiguous, or wrong; crystals of the last two kinds are named.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gemmi

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.simulated_symmetry import Truth, crystals_of

from dxdask.errors import DxdaskError
from dxdask.symmetry import symmetry

OUTCOMES = ("right", "right, ambiguous", "ambiguous", "refused", "wrong")
# a group, the higher one that a share of its variance has, and that share
PSEUDO = [
    (low, high, share)
    for low, high in (
        ("P 4", "P 4 2 2"),
        ("P 1 21 1", "P 21 21 21"),
        ("P 3", "P 3 2 1"),
        ("P 3", "P 6"),
        ("P 6", "P 6 2 2"),
        ("P 2 3", "P 4 3 2"),
        ("R 3", "R 3 2"),
    )
    for share in (0.3, 0.6, 0.8)
]
CELL = {"P 1 21 1": (31.0, 37.0, 43.0, 90.0, 90.0, 90.0)}


def chiral_groups() -> list[str]:
    """Return the symbols of the 65 space groups of chiral crystals, in their standard settings."""
    found = [gemmi.SpaceGroup(n) for n in range(1, 231)]
    return [g.xhm() for g in found if g.is_sohncke()]


def outcome(truth: Truth, **of_crystals: Any) -> tuple[str, str]:
    """Return the kind of the answer for crystals of this truth, and the answer."""
    try:
        result = symmetry(*crystals_of(truth, **of_crystals))
    except DxdaskError as error:
        return "refused", str(error)
    names = result.table("space_groups").rows[0]["space_groups"].split(" or ")
    laue = {c.gemmi_space_group.laue_str() for c in result.experiments.crystals}
    numbers = {gemmi.find_spacegroup_by_name(name).number for name in names}
    right = truth.group.number in numbers and laue == {truth.group.laue_str()}
    said = any("ambiguous" in m or "pseudo-symmetry" in m for m in result.messages)
    kind = "right" if right else "ambiguous" if said else "wrong"
    return "right, ambiguous" if right and said else kind, " or ".join(names)


def show(what: str, found: list[tuple[str, str, str]]) -> None:
    """Print the number of answers of each kind, and those not right."""
    counts = Counter(kind for _, kind, _ in found)
    print(f"{what:36}", *(f"{counts[kind]:17}" for kind in OUTCOMES), flush=True)
    for symbol, kind, answer in found:
        if not kind.startswith("right"):
            print(f"    {symbol}: {kind}: {answer[:90]}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    seeds = range(1, parser.parse_args().seeds + 1)
    print(f"{'':36}", *(f"{kind:>17}" for kind in OUTCOMES))
    start = time.process_time()
    cases: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "sweeps": ({}, {}),
        "10 % anomalous, 30 % absorption": ({"anomalous": 0.1}, {"absorption": 0.3}),
        "wedges of 3 degrees": ({"d_min": 2.5}, {"width": 3.0}),
    }
    for what, (of_truth, of_crystals) in cases.items():
        show(
            what,
            [
                (symbol, *outcome(Truth.of(symbol, seed=s, **of_truth), seed=s, **of_crystals))
                for symbol in chiral_groups()
                for s in seeds
            ],
        )
    show(
        "pseudo-symmetry",
        [
            (
                f"{low} of {high} by {share:g}",
                *outcome(Truth.of(low, pseudo=(high, share), seed=s, cell=CELL.get(low)), seed=s),
            )
            for low, high, share in PSEUDO
            for s in seeds
        ],
    )
    print(f"{time.process_time() - start:.0f} s of CPU")


if __name__ == "__main__":
    main()
