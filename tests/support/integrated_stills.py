"""Made-up integrated stills: partial intensities of known crystals, with counting noise."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections
from dxdask.merging.stills.partiality import partialities
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices
from dxdask.models.symmetry import asu_indices, is_absent, pack, unpack
from dxdask.still_columns import Stills

CELL = (60.0, 60.0, 40.0, 90.0, 90.0, 90.0)
D_MIN = 3.0
RADIUS, TAIL = 4e-4, 0.05


@dataclass(frozen=True)
class Simulated:
    """Integrated stills, and the truth."""

    reflections: Reflections
    stills: Stills
    experiments: ExperimentList
    truth: dict[int, float]
    scale: NDArray[np.float64]
    tilts: NDArray[np.float64]


def simulated(
    n: int = 40, *, seed: int = 0, tilt: float = 3e-4, stretch: float = 1e-3,
    background: float = 4.0, bright: float = 300.0, symbol: str = "P 43 21 2",
    cell: tuple[float, ...] = CELL, mosaic: float = 0.0,
) -> Simulated:  # fmt: skip
    """Return stills of random orientation whose A are wrong by tilts (rad) and a stretch.

    mosaic : standard deviation of the tilts of blocks, rad.
    """
    rng, group = np.random.default_rng(seed), gemmi.SpaceGroup(symbol)
    m = [int(c / D_MIN) + 1 for c in cell[:3]]
    hkl = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in m]), -1).reshape(-1, 3)
    b = b_matrix(cell)
    length = np.linalg.norm(hkl @ b.T, axis=1)
    hkl = hkl[(length > 0) & (length < 1 / D_MIN)].astype(np.int32)
    hkl = hkl[~is_absent(hkl, group)]
    keys = pack(asu_indices(hkl, group)[0])
    unique = np.unique(keys)
    s2 = np.array([0.5 * np.sum((b @ h) ** 2) for h in unpack(unique)])
    full = rng.exponential(1.0, len(unique)) * np.exp(-10 * s2) * bright
    u = rotation_matrices(rng.normal(0, 2, (n, 3)))
    tilts = np.concatenate([rng.normal(0, tilt, (n, 2)), np.zeros((n, 1))], axis=1)
    wavelength = 1.3 * (1 + rng.normal(0, 1e-3, n))
    scale, radius = np.exp(rng.normal(0, 0.5, n)), RADIUS * np.exp(rng.normal(0, 0.15, n))
    tables = []
    for i in range(n):
        q = hkl @ (u[i] @ b).T
        off = np.linalg.norm(q + [0, 0, -1 / wavelength[i]], axis=1) - 1 / wavelength[i]
        near = np.abs(off) < 1.6e-3
        width = np.hypot(radius[i], mosaic * np.linalg.norm(q[near], axis=1))
        p = radius[i] / width * partialities(off[near] / width, TAIL)
        model = scale[i] * p * full[np.searchsorted(unique, keys[near])]
        counts = rng.poisson(model + background) - background
        k = len(counts)
        tables.append({
            "experiment": np.zeros(k, np.int32), "z": np.full(k, i + 0.5), "hkl": hkl[near],
            "flags": np.full(k, Flag.INTEGRATED_SUM, np.uint32), "intensity_sum": counts,
            "intensity_sum_variance": np.maximum(counts, 0) + background,
        })  # fmt: skip
    reflections = {name: np.concatenate([t[name] for t in tables]) for name in tables[0]}
    wrong = rotation_matrices(-tilts) @ u @ b / (1 + stretch)
    stills = {
        "experiment": np.zeros(n, np.int32), "image": np.arange(n, dtype=np.int32),
        "wavelength": wavelength, "indexed": np.ones(n, np.bool_), "a_matrix": wrong,
    }  # fmt: skip
    experiment = Experiment(
        identifier="a", run="a", beam=Beam(wavelength=1.3), detector=Detector(panels=()),
        crystal=Crystal.from_cell(cell, space_group=symbol),
    )  # fmt: skip
    truth = dict(zip(unique.tolist(), full.tolist(), strict=True))
    return Simulated(reflections, stills, [experiment], truth, scale, tilts)
