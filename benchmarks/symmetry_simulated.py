"""Symmetry of simulated crystals of known space groups: python symmetry_simulated.py.

All 65 chiral space groups, intensities in 5 % noise: whole sweeps, anomalous signal with
absorption, wedges of 3 degrees alone and together, centred lattices indexed as primitive, lattices
of higher symmetry, pseudo-symmetry, pseudo-translation and twins. An answer is right where the
space group is among those of highest probability, with its Laue group, and equivalent
reflections agree; one that is not right must be said to be ambiguous, or it is wrong.

--seed, --seeds: the first and the number of the seeds. --only: conditions that have this word.
--dials N: N of the crystals given to dials.symmetry, too. -v: name the ambiguous ones.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import gemmi
import numpy as np
from symmetry_cases import Case, cases
from symmetry_dials import is_installed, space_groups_of_dials

from dxdask.errors import DxdaskError
from dxdask.models.symmetry import asu_indices, pack
from dxdask.results import StepResult
from dxdask.symmetry import symmetry

OUTCOMES = ("right", "right, ambiguous", "ambiguous", "refused", "wrong")
SAID = ("ambiguous", "pseudo-symmetry", "as of a twin")
LEAST_CC = 0.9
"""Correlation of intensities with the means of their equivalents in the answer's axes."""
FIRST_SEED = 1001


@dataclass(frozen=True)
class Answer:
    """What was found of a case."""

    case: Case
    kind: str
    groups: str


def answer_of(case: Case) -> Answer:
    """Return the answer of `symmetry`, and its kind."""
    try:
        result = symmetry(case.reflections, case.experiments)
    except DxdaskError as error:
        return Answer(case, "refused", str(error))
    names = result.table("space_groups").rows[0]["space_groups"]
    found = [gemmi.find_spacegroup_by_name(name) for name in names.split(" or ")]
    is_right = has_group(found, case.truth.group) and agreement(case, result) > LEAST_CC
    text = "\n".join(result.messages)
    is_said = any(word in text for word in SAID)
    kind = "ambiguous" if is_said else "wrong"
    if is_right:
        kind = "right, ambiguous" if is_said else "right"
    if case.must_say and not any(word in text for word in case.must_say):
        kind = "wrong"
    return Answer(case, kind, names)


def has_group(found: Sequence[gemmi.SpaceGroup], true: gemmi.SpaceGroup) -> bool:
    """Return whether a group is among others of its Laue group."""
    return true.number in {g.number for g in found} and found[0].laue_str() == true.laue_str()


def agreement(case: Case, result: StepResult) -> float:
    """Return the correlation of intensities with means of equivalents in the axes of a result."""
    group = result.experiments.crystals[0].gemmi_space_group
    used = np.any(result.reflections["hkl"] != 0, axis=1)
    asu, _ = asu_indices(result.reflections["hkl"][used], group)
    _, row = np.unique(pack(asu), return_inverse=True)
    observed = case.reflections["intensity_sum"][used]
    mean = (np.bincount(row, observed) / np.bincount(row))[row]
    return float(np.corrcoef(mean, observed)[0, 1])


def show(title: str, answers: dict[str, list[Answer]]) -> None:
    """Print the number of answers of each kind."""
    print(f"\n{title:34}{'n':>6}", *(f"{kind:>17}" for kind in OUTCOMES))
    for name, found in answers.items():
        counts = Counter(a.kind for a in found)
        print(f"{name:34}{len(found):6}", *(f"{counts[kind]:17}" for kind in OUTCOMES))


def by(answers: Sequence[Answer], attribute: str) -> dict[str, list[Answer]]:
    """Return answers by an attribute of their cases, and all of them."""
    found = defaultdict(list)
    for answer in answers:
        found[getattr(answer.case, attribute)].append(answer)
    return {**found, "all": list(answers)}


def compare(answers: Sequence[Answer], n: int) -> None:
    """Print how many of a subsample of single crystals dials.symmetry has right."""
    if not is_installed():
        print("\ndials.symmetry is not installed: nothing to compare with")
        return
    rows = np.unique(np.linspace(0, len(answers) - 1, n).astype(int))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for answer in (answers[i] for i in rows):
        true = answer.case.truth.group
        theirs = space_groups_of_dials(answer.case)
        is_right = bool(theirs) and has_group(theirs, true)
        names = " or ".join(g.xhm() for g in theirs) or "an error"
        kind = answer.kind if answer.kind in ("wrong", "refused") else answer.kind.split(",")[0]
        counts["dxdask"][kind] += 1
        counts["dials.symmetry"]["right" if is_right else "not right"] += 1
        if not (is_right and kind == "right"):
            print(f"    {answer.case.condition}, {answer.case.name}: dxdask {answer.groups} "
                  f"({answer.kind}), dials.symmetry {names}", flush=True)  # fmt: skip
    print(f"\n{len(rows)} crystals:")
    for program, found in counts.items():
        print(f"{program:16}", ", ".join(f"{k} {c}" for k, c in found.items()))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--dials", type=int, default=0, metavar="N")
    parser.add_argument("-v", action="store_true")
    given = parser.parse_args()
    start = time.process_time()
    answers = [
        answer_of(case) for case in cases(given.seed, given.seeds) if given.only in case.condition
    ]
    show("condition", by(answers, "condition"))
    show("Laue group", by(answers, "laue"))
    named = ("wrong", "refused", *(["ambiguous"] if given.v else []))
    for kind in named:
        for answer in (a for a in answers if a.kind == kind):
            what = f"{answer.case.condition}, {answer.case.name}"
            print(f"{kind}: {what}: {answer.groups[:90]}")
    print(f"{time.process_time() - start:.0f} s of CPU")
    if given.dials:
        compare(answers, given.dials)


if __name__ == "__main__":
    main()
