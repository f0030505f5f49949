"""Static and varying crystals of short sweeps: how often each is chosen, and what it gains.

    python benchmarks/short_sweeps.py [--n 60] [--degrees 10 24 45]

Sweeps without a drift and with slow ones of all sizes, few and many spots, two levels of noise,
half of the sweeps with most spots on one image. Drifts are grouped by the RMSD of other spots,
of which a static crystal has so much more than one that varies.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from refinement_sweeps import Kind, left_out, sweep

from dxdask.refinement import RefinementParameters, refine

SPOTS_A_DEGREE = (28, 100)
NOISE = (1.0, 2.0)
ON_ONE_IMAGE = 0.6
SIZES = (0.03, 1.5)
"""Range of the drifts, of those of 0.05 to 0.2 degree and 0.1 to 0.4 %."""
GROUPS = (-np.inf, 1.0, 2.0, 5.0, np.inf)


def tried(kind: Kind, seed: int, degrees: float) -> tuple[bool, float, float]:
    """Return whether the crystal varies, and how much larger RMSDs of other spots are with a static
    crystal than with the chosen one, and with one that varies anyway, in percent.
    """
    rng = np.random.default_rng([seed, 5])
    made = sweep(
        kind,
        seed,
        degrees=degrees,
        n_spots=round(SPOTS_A_DEGREE[seed % 2] * degrees),
        scale=float(np.exp(rng.uniform(*np.log(SIZES)))),
        noise=NOISE[(seed // 2) % 2],
        on_one_image=ON_ONE_IMAGE * ((seed // 4) % 2),
    )
    rmsds, varies = [], False
    for wanted in ("auto", False, True):
        given = {"parameterisation": {"scan_varying": wanted}}
        found = refine(made.spots, made.start, RefinementParameters.model_validate(given))
        if wanted == "auto":
            varies = found.experiments[0].crystal.scan_points is not None
        rmsds.append(np.sqrt(np.nanmean(left_out(made.others, found.experiments))))
    chosen, static, varying = rmsds
    return varies, 100.0 * (static / chosen - 1.0), 100.0 * (static / varying - 1.0)


def line(name: str, rows: Sequence[tuple[bool, float, float]]) -> str:
    """Return a line on sweeps of a group."""
    varies, chosen, varying = (np.array(column, float) for column in zip(*rows, strict=True))
    return (
        f"{name:28s}{len(rows):5d}{int(varies.sum()):9d}"
        f"{chosen.mean():12.2f}{chosen.min():9.2f}{varying.mean():12.2f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=60, help="sweeps of each kind and length")
    parser.add_argument("--degrees", type=float, nargs="+", default=[10.0, 24.0, 45.0])
    given = parser.parse_args()
    print("RMSD of other spots with a static crystal, % above that of the crystal chosen,")
    print("and of one that varies anyway")
    print(f"{'sweeps':28s}{'n':>5s}{'varying':>9s}{'chosen':>12s}{'least':>9s}{'varying':>12s}")
    for degrees in given.degrees:
        rows = [tried("none", seed, degrees) for seed in range(given.n)]
        print(line(f"{degrees:g} degrees, no drift", rows), flush=True)
        rows = [tried("slow", seed, degrees) for seed in range(given.n)]
        for low, high in pairwise(GROUPS):
            part = [row for row in rows if low <= row[2] < high]
            if part:
                print(line(f"{degrees:g} degrees, {low:g} to {high:g} %", part), flush=True)


if __name__ == "__main__":
    main()
