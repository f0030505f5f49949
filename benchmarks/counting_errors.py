"""Errors that counting alone makes of merged intensities: what no data reduction can better.

    python benchmarks/counting_errors.py STORE [--draws 10] [--d-max 10] [--known-variances]

STORE : of the insulin ensemble, from `dxdask process`. Its scales, backgrounds and the true
intensities are taken as known; counts are drawn anew, merged as scaling does, and shown like the
measured ones in `intensities_vs_truth.py`, with the scatter of each median over the draws.
Sigmas follow the measured intensities, which count fluctuations up and down: mean z is below 0
where intensities are weak. With `--known-variances` they follow the true ones.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
from intensities_vs_truth import deviations, tenths, true_of

import dxdask
from dxdask.arrays import Floats
from dxdask.columns import Flag
from dxdask.models.symmetry import pack
from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.expected import expected_means
from dxdask.scaling.fit import group_means
from dxdask.scaling.intensities import NEEDED_BY_FIT
from dxdask.scaling.observations import NEEDED, Observations
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.scale import chosen_observations
from dxdask.storage.store.store import Store


def true_means(store: Store, obs: Observations, group: gemmi.SpaceGroup) -> Floats:
    """Return the true intensities (n_groups,) on the scale of the store; 0 where not known."""
    merged = store.columns("merge", ["hkl", "intensity"])
    measured = dict(zip(pack(merged["hkl"]).tolist(), merged["intensity"], strict=True))
    own = np.array([measured.get(key, np.nan) for key in pack(obs.hkl).tolist()])
    crystal = store.experiments("merge")[0].crystal
    assert crystal is not None
    cell = gemmi.UnitCell(*crystal.unit_cell)
    out = np.nan_to_num(true_of(obs.hkl, own, cell, group)[0])
    strong = out > np.quantile(out, 0.9)
    return np.asarray(out * np.median(own[strong] / out[strong]))


def drawn(obs: Observations, expected: Floats, errors: ErrorModel, seed: int) -> Observations:
    """Return the observations with counts drawn anew; expected : (n,) true intensities."""
    random = np.random.default_rng(seed)
    unit = np.where(obs.counts > 0, obs.counts, 1.0)
    counts = unit * random.poisson(expected / unit)
    noise = counts - expected + np.sqrt(obs.variance) * random.standard_normal(len(obs))
    return replace(obs, intensity=expected + errors.a * noise)


def print_tenths(title: str, key: Floats, true: Floats, means: Floats, sigmas: Floats) -> None:
    """Print a line for each tenth of a quantity (n,); means, sigmas : (draws, n)."""
    print(f"{title:>24}{'n':>7}{'median':>9}{'+-':>8}{'mean z':>8}{'sd z':>7}{'rms z':>7}")
    z = (means - true) / sigmas
    for low, high, rows in tenths(key):
        medians = np.median(means[:, rows] / true[rows], axis=1)
        print(f"{low:12.4g}{high:12.4g}{rows.sum():7d}{medians.mean():9.4f}"
              f"{medians.std(ddof=1):8.4f}{deviations(z[:, rows].ravel())}")  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--d-max", type=float, default=10.0)
    parser.add_argument("--known-variances", action="store_true")
    given = parser.parse_args()
    store = dxdask.open(given.store)
    source = "symmetry" if store.has_step("symmetry") else "integrate"
    table = store.columns(source, [*NEEDED, *NEEDED_BY_FIT, "intensity_prf_variance"])
    chosen = chosen_observations(table, store.experiments(source), ScalingParameters())
    scaled = store.columns("scale", ["scale", "flags"])
    obs = chosen.observations
    g = scaled["scale"][obs.rows]
    row = store.table("scale", "error_model").iloc[0]
    errors = ErrorModel(a=float(row["a"]), b=float(row["b"]))
    true = true_means(store, obs, chosen.group)
    expected = g * true[obs.group]
    obs = obs.combined(expected)
    use = ((scaled["flags"][obs.rows] & Flag.SCALED) != 0) & (expected > 0)
    at_truth = errors.variance(obs, expected)
    means, sigmas = [], []
    for seed in range(given.draws):
        sample = drawn(obs, expected, errors, seed)
        variance = at_truth
        if not given.known_variances:
            _, variance = expected_means(sample, g, at_truth, use, errors)
        weight = np.where(use, 1.0 / variance, 0.0)
        mean, information = group_means(obs.offsets, weight, g, sample.intensity)
        shown = (information > 0) & (obs.d <= given.d_max)
        means.append(mean[shown])
        sigmas.append(1.0 / np.sqrt(information[shown]))
    all_means, all_sigmas = np.array(means), np.array(sigmas)
    print_tenths("true intensity", true[shown], true[shown], all_means, all_sigmas)
    print_tenths("1 / d^3 (1/A^3)", obs.d[shown] ** -3.0, true[shown], all_means, all_sigmas)


if __name__ == "__main__":
    main()
