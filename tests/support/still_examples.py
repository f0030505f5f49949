"""Single shots of known crystals: spots as scattering vectors, orientations, those of a file."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models.crystal import b_matrix
from dxdask.models.rotations import rotation_matrices

LYSOZYME = (79.2, 79.2, 38.0, 90.0, 90.0, 90.0)
BEAM = np.array([0.0, 0.0, -1.0])


def random_rotation(rng: np.random.Generator) -> Floats:
    """Return a rotation (3, 3), any as likely."""
    left, _, right = np.linalg.svd(rng.normal(size=(3, 3)))
    rotation: Floats = left @ right
    return rotation if np.linalg.det(rotation) > 0 else -rotation


def still_of(
    a_matrix: Floats,
    rng: np.random.Generator,
    *,
    n: int = 120,
    d_min: float = 2.5,
    wavelength: float = 1.3,
    noise: float = 3e-4,
    centring: str = "P",
) -> tuple[Floats, NDArray[np.int64]]:
    """Return q (n, 3), 1/A, of the n lattice points nearest to the sphere, and their hkl (n, 3).

    noise : standard deviation of each component of q, 1/A.
    """
    reach = (np.linalg.norm(np.linalg.inv(a_matrix), axis=1) / d_min).astype(int) + 1
    axes = [np.arange(-m, m + 1) for m in reach]
    hkl = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    hkl = hkl[np.any(hkl != 0, axis=1)]
    if centring == "I":
        hkl = hkl[hkl.sum(axis=1) % 2 == 0]
    q = hkl @ a_matrix.T
    s1 = q + BEAM / wavelength
    length = np.linalg.norm(s1, axis=1)
    inside = (np.linalg.norm(q, axis=1) < 1 / d_min) & (s1 @ BEAM > 0)
    off = np.where(inside, np.abs(length - 1 / wavelength), np.inf)
    nearest = np.sort(np.argsort(off, kind="stable")[:n])
    seen = s1[nearest] / length[nearest][:, None] / wavelength - BEAM / wavelength
    return seen + rng.normal(0.0, noise, seen.shape), hkl[nearest]


def noise_of(q: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Return n spots (n, 3) of no lattice, as far out as those of q (m, 3)."""
    some = q[rng.integers(len(q), size=n)]
    rotation = rotation_matrices(rng.uniform(-np.pi, np.pi, n)[:, None] * BEAM)
    return np.asarray(np.einsum("nij,nj->ni", rotation, some))


def misorientation(a_matrix: Floats, truth: Floats, symmetry: list[Floats]) -> float:
    """Return the angle, degree, between A and the truth, the least over a lattice's symmetry.

    symmetry : rotations (3, 3) that act on indices: h' = W h.
    """
    angles = []
    for w in symmetry:
        rotation = a_matrix @ w @ np.linalg.inv(truth)
        left, _, right = np.linalg.svd(rotation)
        angles.append(np.degrees(np.arccos(np.clip((np.trace(left @ right) - 1) / 2, -1, 1))))
    return float(min(angles))


def crystal_of(cell: tuple[float, ...], rng: np.random.Generator) -> Floats:
    """Return A (3, 3) of a crystal in any orientation."""
    return np.asarray(random_rotation(rng) @ b_matrix(cell))


def true_crystals(folder: Path, name: str = "corrected.h5") -> dict[int, Floats]:
    """Return the true A (3, 3) of each hit of a simulated run in `folder`, by image from 0."""
    with h5py.File(folder / name) as file:
        numbers = file["entry/event_id"][:].tolist()
    events_of_file = json.loads((folder / "events.json").read_text())["events"]
    events = {e["event"]: e for e in events_of_file}
    return {
        i: np.array(events[n]["A_rows_xyz_cols_abc_star"])
        for i, n in enumerate(numbers)
        if events[n]["kind"] == "hit"
    }


TETRAGONAL = [
    np.array(w, dtype=float)
    for w in (
        np.diag([1, 1, 1]), np.diag([-1, -1, 1]), np.diag([1, -1, -1]), np.diag([-1, 1, -1]),
        [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
        [[0, 1, 0], [1, 0, 0], [0, 0, -1]], [[0, -1, 0], [-1, 0, 0], [0, 0, -1]],
    )
]  # fmt: skip
