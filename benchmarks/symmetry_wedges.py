"""CPU and memory of symmetry, scaling and merging of a thousand wedges: python symmetry_wedges.py.

Wedges of 2000 reflections of P 6 in both settings of its lattice, a tenth of them of another form.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import n_rows
from dxdask.merging import merge
from dxdask.scaling import scale
from dxdask.symmetry import symmetry


def main(n: int = 1000, most: int = 2000) -> None:
    """Print seconds of CPU of each step and the peak memory."""
    cell = (80.0, 80.0, 60.0, 90.0, 90.0, 120.0)
    n_other = n // 10
    rng = np.random.default_rng(3)
    parts, experiments = [], []
    for seed, count in ((1, n - n_other), (2, n_other)):
        truth = Truth.of("P 6", cell=cell, d_min=2.2, seed=seed)
        # y, x, -z: of the lattice and not of the crystal
        swap = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
        turns = [swap if rng.random() < 0.5 else np.eye(3) for _ in range(count)]
        table, found = crystals_of(
            truth, n=count, width=5.0, most=most, seed=seed, keep_axes=True, settings=turns
        )
        table["experiment"] = table["experiment"] + np.int32(len(experiments))
        parts.append(table)
        experiments += list(found)
    table = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    models = type(found).of(experiments)
    print(f"{n} wedges, {n_rows(table)} reflections")
    start = time.process_time()
    result = symmetry(table, models)
    print(f"symmetry {time.process_time() - start:.1f} s of CPU")
    print("\n".join(result.messages))
    forms = np.array([r["form"] or 0 for r in result.table("forms").rows])
    print("forms right:", np.array_equal(forms == 1, np.arange(n) < n - n_other))
    start = time.process_time()
    scaled = scale({**table, **result.reflections}, result.experiments)
    print(f"scale {time.process_time() - start:.1f} s of CPU")
    start = time.process_time()
    merged = merge(scaled.reflections, scaled.experiments)
    print(f"merge {time.process_time() - start:.1f} s of CPU")
    print(merged.table("overall"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
