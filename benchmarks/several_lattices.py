"""Two and three lattices in one sweep: how many are found, and how spots are shared out.

    python benchmarks/several_lattices.py [--n 28] [--wide 90]

Random crystals of all Bravais types (`random_crystals.py`), several of one form in orientations at
least 6 degrees apart, each with 0.5 to 1 times the spots of the one before. Columns: spots given to
their own lattice; the same of spots that are resolvable, which are nearer, in index units of the
true lattices, to their own than to any other; spots given to another lattice; spurious spots that
were indexed.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from numpy.typing import NDArray
from random_crystals import Mixed, make_mixed

from dxdask.columns import Flag, has_flag
from dxdask.errors import DxdaskError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.assign import AS_NEAR
from dxdask.indexing.misorientation import misorientation
from dxdask.indexing.parameters import MultipleLatticeSearch
from dxdask.indexing.reciprocal import map_centroids
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult

SAME_DEG = 0.2
HEADER = (
    "lattices  sweeps  all found  too many   own %  lowest  resolvable %  lowest  other %  "
    "spurious %   CPU s"
)


def resolvable(made: Mixed) -> NDArray[np.bool_]:
    """Return true for spots (n,) nearer to their own lattice than to another, by the truth."""
    rlp = map_centroids(made.spots, ExperimentList.of([made.true]))["rlp"]
    off = np.empty((len(made.crystals), len(rlp)))
    for k, crystal in enumerate(made.crystals):
        fractional = rlp @ np.linalg.inv(crystal.a).T
        off[k] = np.linalg.norm(fractional - np.rint(fractional), axis=1)
    rows = np.arange(len(rlp))
    own = off[made.of, rows].copy()
    off[made.of, rows] = np.inf
    return np.asarray((made.of >= 0) & (own + AS_NEAR <= off.min(axis=0)))


def shares(made: Mixed, result: StepResult) -> tuple[int, list[float]]:
    """Return how many lattices are found, and the four fractions, in per cent."""
    found = result.experiments
    indexed = has_flag(result.reflections, Flag.INDEXED)
    mine = np.array([m.crystal for m in found.members])[result.reflections["experiment"]]
    match = np.full(len(made.crystals), -2)
    for k, true in enumerate(made.crystals):
        angles = [misorientation(true, c) for c in found.crystals]
        if min(angles) < SAME_DEG:
            match[k] = int(np.argmin(angles))
    real, clear = made.of >= 0, resolvable(made)
    right = indexed & real & (mine == match[made.of])
    wrong = indexed & real & ~right
    parts = [right[real], right[clear], wrong[real], indexed[~real]]
    return int((match >= 0).sum()), [100.0 * float(p.mean()) for p in parts]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=28, help="sweeps of each number of lattices")
    parser.add_argument("--wide", type=float, default=90.0, help="rotation, degrees")
    parser.add_argument("--verbose", action="store_true", help="a line for each sweep")
    given = parser.parse_args()
    print(HEADER)
    for n in (2, 3):
        complete, many, figures, start = 0, 0, [], time.process_time()
        search = MultipleLatticeSearch(max_lattices=n + 1)
        for number in range(given.n):
            made = make_mixed(number, n, rotation=given.wide)
            try:
                result = index(
                    made.spots, made.experiments, IndexParameters(multiple_lattice_search=search),
                    RefinementParameters(),
                )  # fmt: skip
            except DxdaskError as error:
                print(f"sweep {number}: {error}")
                continue
            many += len(result.experiments.crystals) > n
            n_found, parts = shares(made, result)
            complete += n_found == n
            if n_found == n:
                figures.append(parts)
            if given.verbose or n_found < n:
                cell = " ".join(f"{x:.1f}" for x in made.crystals[0].unit_cell)
                print(
                    f"sweep {number} ({cell}): {n_found} of {n} found; "
                    + " ".join(f"{x:.2f}" for x in parts),
                    flush=True,
                )
        own, clear, other, spurious = np.array(figures).T
        seconds = (time.process_time() - start) / given.n
        print(f"{n:>8}{given.n:>8}{complete:>11}{many:>10}{own.mean():>8.2f}{own.min():>8.2f}"
              f"{clear.mean():>14.2f}{clear.min():>8.2f}{other.mean():>9.2f}{spurious.mean():>12.1f}"
              f"{seconds:>8.2f}", flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
