"""Cost of merging a still: settings, post-refinement, and all of it.

    python benchmarks/stills_merging.py [--stills N ...]

Made-up stills of a tetragonal crystal in P4, whose lattice allows two settings, with 250
observations each. CPU seconds of one thread, kernels compiled before; memory is that of
observations and of what is modelled of them, not of the interpreter.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.columns import Flag, Reflections
from dxdask.merging.stills import StillsMergingParameters, merge_stills
from dxdask.merging.stills.ambiguity import resolve_ambiguity
from dxdask.merging.stills.cycles import post_refine
from dxdask.merging.stills.observations import observations_of
from dxdask.merging.stills.partiality import partialities
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.models.symmetry import asu_indices, pack
from dxdask.still_columns import Stills

CELL = (80.0, 80.0, 40.0, 90.0, 90.0, 90.0)
GROUP = gemmi.SpaceGroup("P 4")
D_MIN, OBSERVED = 2.5, 250


@dataclass(frozen=True)
class Made:
    """Integrated stills."""

    reflections: Reflections
    stills: Stills
    experiments: ExperimentList


def made_up(n: int) -> Made:
    """Return n stills, each in one of the two settings at random."""
    rng = np.random.default_rng(0)
    m = [int(c / D_MIN) + 1 for c in CELL[:3]]
    hkl = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in m]), -1).reshape(-1, 3)
    b = b_matrix(CELL)
    length = np.linalg.norm(hkl @ b.T, axis=1)
    hkl = hkl[(length > 0) & (length < 1 / D_MIN)].astype(np.int32)
    _, place = np.unique(pack(asu_indices(hkl, GROUP)[0]), return_inverse=True)
    full = rng.exponential(300.0, place.max() + 1)
    u = rotation_matrices(rng.normal(0, 2, (n, 3)))
    tables = []
    for i in range(n):
        off = np.linalg.norm(hkl @ (u[i] @ b).T + [0, 0, -1 / 1.3], axis=1) - 1 / 1.3
        near = np.flatnonzero(np.abs(off) < 1.5e-3)
        near = np.sort(rng.permutation(near)[:OBSERVED])
        counts = rng.poisson(np.exp(rng.normal(0, 0.3)) * full[place[near]]
                             * partialities(off[near] / 4e-4, 0.05) + 10.0) - 10.0  # fmt: skip
        k = len(near)
        setting = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]) if i % 2 else np.eye(3)
        u[i] = u[i] @ setting.T
        tables.append({
            "experiment": np.zeros(k, np.int32), "z": np.full(k, i + 0.5),
            "hkl": (hkl[near] @ setting.T).astype(np.int32), "intensity_sum": counts,
            "flags": np.full(k, Flag.INTEGRATED_SUM, np.uint32),
            "intensity_sum_variance": np.maximum(counts, 0) + 10.0,
        })  # fmt: skip
    stills = {
        "experiment": np.zeros(n, np.int32), "image": np.arange(n, dtype=np.int32),
        "wavelength": np.full(n, 1.3), "indexed": np.ones(n, np.bool_), "a_matrix": u @ b,
    }  # fmt: skip
    experiment = Experiment(
        identifier="a", run="a", beam=Beam(wavelength=1.3), detector=Detector(panels=()),
        crystal=Crystal.from_cell(CELL, space_group="P 4"),
    )  # fmt: skip
    table = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    return Made(table, stills, [experiment])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stills", type=int, nargs="+", default=[50, 200, 1000])
    counts = parser.parse_args().stills
    parameters = StillsMergingParameters()
    warm = made_up(20)
    merge_stills(warm.reflections, warm.stills, warm.experiments)
    print("ms a still: settings, a cycle of post-refinement, all of merging; B an observation")
    print(
        f"{'stills':>8}{'settings':>10}{'cycle':>10}{'all':>10}{'cycles':>8}{'memory':>12}{'CC1/2':>8}"
    )
    for n in counts:
        data = made_up(n)
        args = (data.reflections, data.stills, data.experiments)
        start = time.thread_time()
        one = resolve_ambiguity(*args)
        settings = time.thread_time() - start
        o = observations_of(
            one.reflections, one.stills, data.experiments, gemmi.UnitCell(*CELL), GROUP, parameters
        )
        start = time.thread_time()
        refined = post_refine(o, parameters.post_refinement)
        cycle = (time.thread_time() - start) / refined.n_cycles
        start = time.thread_time()
        merged = merge_stills(*args)
        whole = time.thread_time() - start
        tracemalloc.start()
        post_refine(o, parameters.post_refinement)
        peak = tracemalloc.get_traced_memory()[1] / len(o.still)
        tracemalloc.stop()
        cc = merged.table("overall").rows[0]["cc_half"]
        costs = "".join(f"{1e3 * t / n:10.2f}" for t in (settings, cycle, whole))
        print(f"{n:8d}{costs}{refined.n_cycles:8d}{peak:10.0f} B{cc:8.3f}")


if __name__ == "__main__":
    main()
