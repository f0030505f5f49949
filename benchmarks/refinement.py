"""Cost and accuracy of refinement: many stills and panels, sweeps, drifting crystals, real lists.

    python benchmarks/refinement.py [stills] [insulin] [cost] [drift] [real] [--dials]

stills : 1 to 10 000 crystals on 240 panels. insulin : five runs, static and varying. cost : by
reflections and by runs. drift : 20 sweeps with no, slow and fast drift, by intervals. real : lists
of other programs. CPU seconds are those of the step with all threads, start-up and compilation
apart. --dials runs dials.refine on the same beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measure import peak
from refinement_cases import BEAM, GROUP, displaced, many_panels, still_experiment, still_spots
from refinement_cases import CELL as STILL_CELL
from refinement_real import insulin, real
from refinement_sweeps import Kind, errors, left_out, sweep, sweeps_of

from dxdask.columns import n_rows
from dxdask.refinement import RefinementParameters, refine
from dxdask.refinement.metrology import MetrologyParameters
from dxdask.refinement.metrology.congruence import congruence
from dxdask.refinement.metrology.solve import solve_detector
from dxdask.refinement.models.crystals import Crystals

ROOT = Path(__file__).resolve().parent.parent
STATIC = {"scan_varying": False}
WIDTHS: dict[str, dict[str, Any]] = {
    "static": STATIC,
    "36 degrees": {"scan_varying": True, "interval_width_degrees": 36.0},
    "auto": {},
}
SETS: tuple[tuple[Kind, int], ...] = (("none", 7), ("slow", 7), ("fast", 6))


def parameters(**parameterisation: Any) -> RefinementParameters:
    return RefinementParameters.model_validate({"parameterisation": parameterisation})


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, all threads, and what it returned."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def stills_at(n: int) -> dict[str, float]:
    """Return figures of the refinement of 240 panels from n stills."""
    nominal = many_panels()
    true, experiment = displaced(nominal), still_experiment(nominal)

    def fit(n: int) -> tuple[float, Any, int]:
        measured, a = still_spots(n, true)
        crystals = Crystals.alike(a, STILL_CELL, GROUP)
        took, found = seconds(
            lambda: solve_detector(measured, crystals, experiment, MetrologyParameters())
        )
        return took, found, len(measured.still)

    fit(40)  # compiles
    before = peak()
    took, found, spots = fit(n)
    off = congruence(true, found.detector, BEAM)
    return {
        "spots": spots, "cpu": took, "peak": peak() / 1e9, "before": before / 1e9,
        "cycles": found.iterations, "centres": 10 * off.centres, "rotations": off.rotations,
        "start": 10 * congruence(true, nominal, BEAM).centres,
    }  # fmt: skip


def stills() -> None:
    """Print cost and errors of the panels by the number of crystals, each in a new process."""
    print("\n240 panels in 30 groups, about 125 spots a still")
    print("crystals    spots  cycles  CPU (s)  peak (GB)  centres rms (px)  rotations rms (degree)")
    for n in (10, 100, 1000, 10_000):
        command = [sys.executable, __file__, "--one", str(n)]
        # one thread, as in commands: others of BLAS wait in loops that count as CPU time
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)
        f = json.loads(done.stdout)
        print(
            f"{n:8d} {f['spots']:8.0f} {f['cycles']:7.0f} {f['cpu']:8.2f} {f['peak']:10.2f} "
            f"{f['centres']:17.4f} {f['rotations']:23.4f}"
        )
    print(f"start: centres {f['start']:.4f} px rms")


def cost() -> None:
    """Print the cost of static refinement by reflections, and by runs of one crystal each."""
    seconds(lambda: refine(*sweeps_of(2, degrees=30, n_spots=500), parameters(**STATIC)))
    print("\none run, static\nreflections  CPU (s)  us a reflection")
    for n in (300, 3000, 30_000):
        table, experiments = sweeps_of(1, degrees=180, n_spots=n, d_min=2.0)
        took, _ = seconds(lambda t=table, e=experiments: refine(t, e, parameters(**STATIC)))
        print(f"{n_rows(table):11d} {took:8.2f} {1e6 * took / n_rows(table):16.1f}")
    print("\nruns of one crystal each and 500 reflections, one detector\nruns  CPU (s)  ms a run")
    for n in (1, 10, 100, 1000):
        table, experiments = sweeps_of(n, degrees=30, n_spots=500)
        took, _ = seconds(lambda t=table, e=experiments: refine(t, e, parameters(**STATIC)))
        print(f"{n:4d} {took:8.2f} {1e3 * took / n:9.1f}")


def drift() -> None:
    """Print how drifts are recovered, and left-out reflections predicted, by intervals."""
    print(
        "\n180 degrees, 4000 spots; RMSD of other spots in standard deviations, and rms errors of "
        "orientation (mdegree) and cell (1e-5)"
    )
    print("drift set" + "".join(f"{name:>28s}" for name in WIDTHS) + "   intervals")
    differences = []
    for kind, n in SETS:
        for seed in range(n):
            made, line, squares, found = sweep(kind, seed), "", [], None
            for wanted in WIDTHS.values():
                found = refine(made.spots, made.start, parameters(**wanted))
                off = errors(found.experiments[0], made.truth)
                squares.append(left_out(made.others, found.experiments))
                rmsd = np.sqrt(np.nanmean(squares[-1]))
                line += f"{rmsd:12.4f} {1e3 * off[0]:8.1f}{1e5 * off[1]:7.1f}"
            taken = [r["n_intervals"] for r in found.table("intervals").rows if r["taken"]]
            print(f"{kind:>5s} {seed:3d}{line}   {taken[0]}")
            gain = squares[1] - squares[2]
            gain = gain[np.isfinite(gain)]
            differences.append((gain.mean(), gain.std() / np.sqrt(len(gain))))
    gain, su = np.array(differences).T
    print(
        f"36 degrees less auto, mean square: mean {gain.mean():+.4f}, smallest {gain.min():+.4f}; "
        f"auto worse by more than two standard uncertainties in {(gain < -2 * su).sum()} of "
        f"{len(gain)}"
    )


def main() -> None:
    """Print the parts asked for; all by default."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", help="stills, insulin, cost, drift, real")
    given = os.environ.get("DXDASK_SHARED", str(ROOT.parent / "shared"))
    parser.add_argument("--shared", type=Path, default=Path(given))
    parser.add_argument("--dials", action="store_true", help="run DIALS beside it")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(stills_at(options.one)))
        return
    parts: dict[str, Callable[[], None]] = {
        "stills": stills,
        "insulin": lambda: insulin(options.shared, options.dials),
        "cost": cost,
        "drift": drift,
        "real": lambda: real(options.shared, options.dials),
    }
    unknown = set(options.parts) - set(parts)
    if unknown:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    for name in options.parts or parts:
        parts[name]()


if __name__ == "__main__":
    main()
