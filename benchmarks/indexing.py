"""Success of the methods of indexing on random crystals and on real spots, beside DIALS.

    python benchmarks/indexing.py [--n 200] [--dials 10] [--wide 90] [--wedge 4] [--methods ...]

Crystals are of all Bravais types with edges of 10 to 400 A (`random_crystals.py`); their spots have
noise, 30 % of the list belong to no lattice, the beam centre is off by up to 2 pixels. Success is
the lattice that was put in: a primitive cell of it, up to a unimodular change. Methods that need a
cell get the true one. Then the real lists of the shared folder, and the CPU time of the five
insulin runs. DIALS indexes the first `--dials` crystals; without it a line says so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexing_real import print_insulin, print_real
from measure import run
from random_crystals import Case, is_right, make_case, primitive_a
from shared_data import SHARED

from dxdask.errors import DxdaskError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.methods.search_lattices import METHODS, NEED_CELL
from dxdask.refinement import RefinementParameters
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.importers.dials.files import read_experiments

DIALS_METHODS = ("fft3d", "fft1d", "real_space_grid_search", "low_res_spot_match")
WARM_UP = 7


@dataclass
class Score:
    """Outcomes of a method: right lattices of `n`, wrong ones, CPU seconds, types that failed."""

    n: int = 0
    right: int = 0
    wrong: int = 0
    cpu: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)

    def add(self, case: Case, outcome: bool | None, cpu: float) -> None:
        """Add a crystal; `outcome` is None where no lattice was found."""
        self.n += 1
        self.cpu += cpu
        self.right += outcome is True
        self.wrong += outcome is False
        if outcome is not True:
            self.failed[case.lattice] += 1

    def row(self, name: str) -> str:
        """Return the line of the table."""
        failed = " ".join(f"{k}:{v}" for k, v in self.failed.most_common(5))
        share = 100.0 * self.right / max(self.n, 1)
        return (
            f"{name:<34}{self.n:>6}{share:>9.1f}{self.wrong:>7}"
            f"{self.n - self.right - self.wrong:>7}{self.cpu / max(self.n, 1):>9.2f}  {failed}"
        )


HEADER = f"{'method':<34}{'n':>6}{'% right':>9}{'wrong':>7}{'none':>7}{'CPU s':>9}  failed by type"


def parameters_of(case: Case, method: str, *, known: bool, alone: bool) -> IndexParameters:
    """Return the parameters of a method, with the true cell where it is known."""
    symmetry = {
        "unit_cell": case.crystal.unit_cell,
        "space_group": case.crystal.space_group,
    }
    return IndexParameters(
        method=method, fall_back=not alone, known_symmetry=symmetry if known else {}
    )


def by_dxdask(case: Case, parameters: IndexParameters) -> bool | None:
    """Return whether the lattice found is right, None where none is."""
    try:
        result = index(case.spots, case.experiments, parameters, RefinementParameters())
    except DxdaskError:
        return None
    return is_right(case, primitive_a(result.experiments.crystals[0]))


def by_dials(case: Case, method: str, folder: Path) -> tuple[bool | None, float]:
    """Return whether DIALS's lattice is right, None where it finds none, and CPU seconds."""
    write_experiments(folder / "given.expt", case.experiments)
    spots = {k: v for k, v in case.spots.items() if k != "hkl"}
    write_reflections(folder / "given.refl", spots, case.experiments)
    command = ["dials.index", "given.expt", "given.refl", f"indexing.method={method}"]
    if method in NEED_CELL:
        cell = ",".join(f"{x:.5f}" for x in case.crystal.unit_cell)
        command += [f"unit_cell={cell}", f"space_group={case.crystal.space_group}"]
    (folder / "indexed.expt").unlink(missing_ok=True)
    start = os.times()
    try:
        cpu = run(command, cwd=folder, log=folder / "log").cpu
    except RuntimeError:
        end = os.times()
        spent = end.children_user + end.children_system
        return None, spent - start.children_user - start.children_system
    crystals = read_experiments(folder / "indexed.expt").crystals
    return (is_right(case, primitive_a(crystals[0])) if crystals else None), cpu


def print_random(methods: Sequence[str], n: int, rotation: float, n_dials: int) -> None:
    """Print the table of all methods for sweeps of this rotation, degrees."""
    print(f"\n{n} random crystals, sweeps of {rotation:g} degrees\n{HEADER}", flush=True)
    rows = [(m, m in NEED_CELL, True) for m in methods]
    rows += [("fft3d", False, False), ("fft3d", True, False)]
    alone: dict[int, tuple[bool | None, float]] = {}
    for method, known, by_itself in rows:
        score = Score()
        for number in range(n):
            case = make_case(number, rotation=rotation)
            done = alone.get(number, (None, 0.0))
            if known or by_itself or done[0] is None:
                start = time.process_time()
                outcome = by_dxdask(case, parameters_of(case, method, known=known, alone=by_itself))
                done = outcome, time.process_time() - start
            if method == "fft3d" and by_itself:
                alone[number] = done
            score.add(case, *done)
        kind = "" if by_itself else ", falls back"
        print(score.row(f"{method}{', cell known' if known else ''}{kind}"), flush=True)
    if not n_dials:
        return
    if shutil.which("dials.index") is None:
        print("DIALS is not installed: nothing to compare with")
        return
    folder = Path(tempfile.mkdtemp(prefix="dxdask-indexing-"))
    try:
        for method in (m for m in methods if m in DIALS_METHODS):
            score, ours = Score(), Score()
            for number in range(min(n_dials, n)):
                case = make_case(number, rotation=rotation)
                score.add(case, *by_dials(case, method, folder))
                start = time.process_time()
                p = parameters_of(case, method, known=method in NEED_CELL, alone=True)
                ours.add(case, by_dxdask(case, p), time.process_time() - start)
            print(score.row(f"DIALS {method}"), flush=True)
            print(ours.row(f"dxdask {method}, the same"), flush=True)
    finally:
        shutil.rmtree(folder)


def version_of_dials() -> str:
    """Return the line that DIALS prints, or that it is absent."""
    if shutil.which("dials.version") is None:
        return "DIALS is not installed"
    done = subprocess.run(["dials.version"], capture_output=True, text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else "DIALS of unknown version"


def main() -> int:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200, help="random crystals")
    parser.add_argument("--dials", type=int, default=10, help="of these by DIALS, too")
    parser.add_argument("--wide", type=float, default=90.0, help="rotation, degrees; 0: none")
    parser.add_argument("--wedge", type=float, default=4.0, help="rotation, degrees; 0: none")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--no-real", action="store_true", help="leave out the real spots")
    given = parser.parse_args()
    print(version_of_dials())
    for method in given.methods:
        warm = make_case(WARM_UP, rotation=20.0)
        by_dxdask(warm, parameters_of(warm, method, known=method in NEED_CELL, alone=True))
    for rotation in (given.wide, given.wedge):
        if rotation > 0.0 and given.n > 0:
            print_random(given.methods, given.n, rotation, given.dials)
    if given.no_real:
        return 0
    if not SHARED.exists():
        print(f"no real spots in {SHARED}; set DXDASK_SHARED")
        return 0
    print_real(SHARED)
    print_insulin(SHARED)
    return 0


if __name__ == "__main__":
    sys.exit(main())
