"""Symmetry, scaling and merging of many wedges: python symmetry_wedges.py [N] [--group G].

Wedges of 5 degrees, of at most 2000 reflections, of a group whose lattice has more rotations, each
in one of the settings that these allow, a share of them of another crystal form. Prints CPU
seconds and peak memory, the adjusted Rand index of the forms (Hubert & Arabie 1985, J. Classif. 2,
193) and the crystals in another setting than most of their form.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path

import gemmi
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.rand_index import adjusted_rand
from support.simulated_symmetry import Truth, cell_for, crystals_of

from dxdask.columns import Reflections, n_rows
from dxdask.merging import merge
from dxdask.models import ExperimentList
from dxdask.scaling import scale
from dxdask.symmetry import symmetry

# rotations of the lattice that are none of the crystal: one of each setting
SETTINGS = {
    "P 6": ("x,y,z", "y,x,-z"),
    "P 4": ("x,y,z", "y,x,-z"),
    "P 3": ("x,y,z", "-x,-y,z", "y,x,-z", "-y,-x,-z"),
    "P 21 3": ("x,y,z", "y,x,-z"),
    "I 4": ("x,y,z", "y,x,-z"),
    "R 3": ("x,y,z", "y,x,-z"),
}


def wedges_of(
    group: str, n: int, most: int, share: float
) -> tuple[Reflections, ExperimentList, Truth, Truth]:
    """Return rows and models of two forms, those of the larger first, and the truth of each."""
    larger = tuple(2.0 * a for a in cell_for(gemmi.SpaceGroup(group))[:3])
    cell = (*larger, *cell_for(gemmi.SpaceGroup(group))[3:])
    n_other = round(share * n)
    rng = np.random.default_rng(3)
    turns = [np.array(gemmi.Op(text).rot) / gemmi.Op.DEN for text in SETTINGS[group]]
    parts, experiments, truths = [], [], []
    for seed, count in ((11, n - n_other), (12, n_other)):
        truth = Truth.of(group, cell=cell, d_min=2.2, seed=seed)
        truths.append(truth)
        if not count:
            continue
        table, found = crystals_of(
            truth, n=count, width=5.0, most=most, seed=seed, keep_axes=True,
            settings=[turns[i] for i in rng.integers(0, len(turns), count)],
        )  # fmt: skip
        table["experiment"] = table["experiment"] + np.int32(len(experiments))
        parts.append(table)
        experiments += list(found)
    table = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return table, type(found).of(experiments), truths[0], truths[1]


def n_in_other_setting(
    reflections: Reflections, observed: np.ndarray, truth: Truth, group: str
) -> int:
    """Return the number of crystals whose indices are in another setting than those of most."""
    turns = [np.array(gemmi.Op(text).rot) // gemmi.Op.DEN for text in SETTINGS[group]]
    chosen: Counter[int] = Counter()
    crystal = reflections["experiment"]
    for rows in np.split(np.arange(len(crystal)), np.flatnonzero(np.diff(crystal)) + 1):
        hkl = reflections["hkl"][rows]
        cc = [np.corrcoef(truth.intensities(hkl @ w), observed[rows])[0, 1] for w in turns]
        chosen[int(np.argmax(cc))] += 1
    return chosen.total() - max(chosen.values())


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1000)
    parser.add_argument("--most", type=int, default=2000, help="reflections of a wedge")
    parser.add_argument("--group", choices=SETTINGS, default="P 6")
    parser.add_argument("--share", type=float, default=0.1, help="of the other form")
    given = parser.parse_args()
    table, models, truth, _ = wedges_of(given.group, given.n, given.most, given.share)
    print(f"{given.n} wedges of {given.group}, {n_rows(table)} reflections")
    begun = time.perf_counter()
    start = time.process_time()
    result = symmetry(table, models)
    print(f"symmetry {time.process_time() - start:.1f} s of CPU")
    print("\n".join(result.messages))
    forms = np.array([r["form"] or 0 for r in result.table("forms").rows])
    true = np.arange(given.n) >= given.n - round(given.share * given.n)
    used = np.any(result.reflections["hkl"] != 0, axis=1)
    kept = {k: v[used] for k, v in {**table, **result.reflections}.items()}
    wrong = n_in_other_setting(kept, kept["intensity_sum"], truth, given.group)
    print(f"adjusted Rand index of the forms {adjusted_rand(forms, true):.4f}")
    print(f"{wrong} of {len(np.unique(kept['experiment']))} crystals kept in another setting")
    start = time.process_time()
    scaled = scale({**table, **result.reflections}, result.experiments)
    print(f"scale {time.process_time() - start:.1f} s of CPU")
    start = time.process_time()
    merged = merge(scaled.reflections, scaled.experiments)
    print(f"merge {time.process_time() - start:.1f} s of CPU")
    print(merged.table("overall"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{time.perf_counter() - begun:.0f} s of wall, peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
