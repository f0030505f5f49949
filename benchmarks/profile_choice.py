"""Figures by which `profile.algorithm=auto` chooses, beside what the learnt profile gains.

    python benchmarks/profile_choice.py [--background 5] [--sets 2] [--shape NAME ...]

Spots of several shapes, of one width or of one that grows along 30 degrees, are painted with known
intensities, a quarter of them strong. Profiles are estimated as `integrate` does it. First columns,
foretold by the strong spots: variance of weak fits with the learnt profile over that with the
Gaussian, and how far fits with either vary along the scan. Then what is found in the intensities,
errors with the learnt profile over those with the Gaussian: mean square of weak reflections, root
mean square of strong ones. Last, the choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from two_lattices import gaussian
from widths_along_scan import WEAK, Simulation, simulation, strong_spots, whole

from dxdask.arrays import Floats
from dxdask.integration import IntegrationParameters
from dxdask.integration.blocks import sum_block
from dxdask.integration.context import integration_context, usable_pixels
from dxdask.integration.learnt_profile import with_best_profile
from dxdask.integration.local_profile import local_profiles
from dxdask.integration.prediction import predict
from dxdask.integration.profile_comparison import Comparison, compare_profiles
from dxdask.integration.profile_model import estimate_profile
from dxdask.integration.profile_sums import sum_profiles
from dxdask.integration.result import finish
from dxdask.models import ExperimentList

STRONG = 800.0  # photons
Shape = Callable[[Floats, Floats], Floats]


def peaks(apart: float, second: float) -> Shape:
    """Return two peaks, `apart` widths, the second with this part of the height of the first."""

    def shape(u: Floats, v: Floats) -> Floats:
        return np.asarray(
            gaussian((u + 0.5 * apart) / 0.8, v / 0.8)
            + second * gaussian((u - 0.5 * apart) / 0.8, (v + 0.3 * apart) / 0.8)
        )

    return shape


def tails(part: float) -> Shape:
    """Return a Gaussian with this part of its counts in one of 2.2 times its width."""

    def shape(u: Floats, v: Floats) -> Floats:
        return np.asarray((1.0 - part) * gaussian(u, v) + part * gaussian(u / 2.2, v / 2.2) / 4.84)

    return shape


def skewed(ratio: float) -> Shape:
    """Return a Gaussian whose width on one side is `ratio` times that on the other."""

    def shape(u: Floats, v: Floats) -> Floats:
        return gaussian(np.where(u < 0.0, u * np.sqrt(ratio), u / np.sqrt(ratio)), v)

    return shape


# shape, and growth of the width along the scan
CASES: dict[str, tuple[Shape, float]] = {
    "Gaussian": (gaussian, 1.0),
    "Gaussian, grows 1.3": (gaussian, 1.3),
    "Gaussian, grows 1.6": (gaussian, 1.6),
    "Gaussian, grows 2": (gaussian, 2.0),
    "tails of 0.2": (tails(0.2), 1.0),
    "tails of 0.4": (tails(0.4), 1.0),
    "skewed 2": (skewed(2.0), 1.0),
    "skewed 4": (skewed(4.0), 1.0),
    "peaks 2 apart": (peaks(2.0, 0.5), 1.0),
    "peaks 3 apart": (peaks(3.0, 0.5), 1.0),
    "peaks 4 apart": (peaks(4.0, 0.7), 1.0),
    "peaks 3 apart, grows 1.6": (peaks(3.0, 0.5), 1.6),
}


class Choice(NamedTuple):
    """Figures of one shape: foretold by strong spots, and found; see the head."""

    foretold: Comparison
    weak: float
    strong: float


def choice(s: Simulation, n_sets: int) -> Choice:
    """Return the figures of the first set of frames, and the errors in all of them."""
    table, arrays = strong_spots(s)
    given = IntegrationParameters()
    models = ExperimentList.of([replace(s.experiment, profile=None)])
    e = estimate_profile(table, arrays, models, given)[0]
    (local,) = local_profiles(table, arrays, ExperimentList.of([e]), given.profile)
    predicted, rng = predict(e), np.random.default_rng(5)
    found: list[Comparison] = []
    fitted: dict[str, list[Floats]] = {"gaussian": [], "learnt": []}
    for _ in range(n_sets):
        frames = rng.poisson(s.expected).astype(np.uint16)
        good = usable_pixels(None, e, frames.shape[1:])
        for algorithm, several in fitted.items():
            given = IntegrationParameters.model_validate({"profile": {"algorithm": algorithm}})
            context = integration_context(predicted, e, given, local=local, n_frames=len(frames))
            if algorithm == "learnt":
                sums, half = sum_profiles(frames, 0, context, good), given.profile.learnt.half
                if not found:
                    found.append(compare_profiles(sums, half))
                context = with_best_profile(context, sums, frames.shape[1:])
            r = finish(sum_block(frames, 0, context, good), predicted, context, e).reflections
            several.append(whole(s, r).fitted)
    off = {name: np.array(v) - s.intensity for name, v in fitted.items()}
    known = np.isfinite(off["gaussian"]).all(axis=0) & np.isfinite(off["learnt"]).all(axis=0)

    def square(name: str, rows: NDArray[np.bool_]) -> float:
        return float(np.mean((off[name][:, rows & known] / s.intensity[rows & known] ** 0.5) ** 2))

    weak, strong = s.intensity < WEAK, s.intensity > STRONG
    ratios = [square("learnt", rows) / square("gaussian", rows) for rows in (weak, strong)]
    return Choice(found[0], ratios[0], ratios[1] ** 0.5)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--background", type=float, default=5.0)
    parser.add_argument("--sets", type=int, default=2)
    parser.add_argument("--shape", nargs="+", choices=sorted(CASES), default=list(CASES))
    given = parser.parse_args()
    print(f"{'':26}{'variance':>9}{'Gaussian':>10}{'learnt':>8}{'weak':>8}{'strong':>8}  auto")
    for name in given.shape:
        shape, growth = CASES[name]
        c = choice(simulation(growth, given.background, shape=shape), given.sets)
        f, chosen = c.foretold, "learnt" if c.foretold.learnt_is_better else "Gaussian"
        print(
            f"{name:26}{f.variance:9.3f}{f.spread:10.4f}{f.learnt_spread:8.4f}"
            f"{c.weak:8.3f}{c.strong:8.3f}  {chosen}",
            flush=True,
        )


if __name__ == "__main__":
    main()
