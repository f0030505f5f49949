"""Effect of the response of a detector: ISa, Rmeas and linearity of counts and of photons.

    python benchmarks/detector_response.py STORE

STORE has been through `process`. Its runs are integrated, scaled and merged again, with
`detector_response=none`, on a branch of its own, so that both columns are those of whole scaling.
The largest deviation of a ratio of runs is that of sums of matched reflections from transmissions.
"""

from __future__ import annotations

import sys

import numpy as np

import dxdask
from dxdask.columns import Flag, has_flag
from dxdask.storage.store.store import Store

BRANCH = "counts"


def figures(store: Store) -> dict[str, float]:
    """Return the figures of one branch."""
    errors = store.table("scale", "error_model").iloc[0]
    overall = store.table("merge", "overall").iloc[0]
    ratios = store.table("linearity", "ratios")
    deviation = ratios["sum_ratio"] / ratios["transmission"] - 1.0
    table = store.columns("scale", ["flags"])
    saturated = has_flag(table, Flag.OVERLOADED)
    return {
        "ISa, 1/(a b)": errors["i_over_sigma_limit"],
        "a": errors["a"],
        "b": errors["b"],
        "Rmeas": overall["r_meas"],
        "Rpim": overall["r_pim"],
        "I/sigma": overall["i_over_sigma"],
        "outliers": store.table("scale", "summary")["n_outliers"][0],
        "ratios of sums by transmissions, largest deviation (%)": 100 * np.abs(deviation).max(),
        "saturated reflections": saturated.sum(),
        "of these scaled": (saturated & has_flag(table, Flag.SCALED)).sum(),
    }


def main(path: str) -> None:
    """Print the table."""
    store = dxdask.open(path)
    dxdask.linearity(store, selection="reference", i_over_sigma=30.0)
    dxdask.integrate(store, branch=BRANCH, detector_response="none")
    for step in (dxdask.symmetry, dxdask.scale, dxdask.merge):
        step(store, branch=BRANCH)
    dxdask.linearity(store, branch=BRANCH, selection="reference", i_over_sigma=30.0)
    recorded, photons = figures(dxdask.open(path).on_branch(BRANCH)), figures(dxdask.open(path))
    print(f"{'':56}{'counts':>12}{'photons':>12}")
    for name, value in recorded.items():
        print(f"{name:56}{value:12.5g}{photons[name]:12.5g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
