"""Choice among candidate vectors of the direct lattice: near ones and multiples are not kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats


def unique_vectors(vectors: Floats, weights: Floats) -> Floats:
    """Return the vectors (n, 3), sorted by weight (n,), largest first.

    Vectors near another of more weight (10 %, 5 degrees) and multiples of a shorter one are left
    out.
    """
    vectors, weights = _without_near(vectors, weights)
    return _without_multiples(vectors, weights)


def upper_half(vectors: Floats) -> NDArray[np.bool_]:
    """Return true for vectors (n, 3) with z > 0 (with z = 0, y > 0, and so on)."""
    x, y, z = np.round(vectors, 6).T
    return np.asarray((z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0)))))


def _order(vectors: Floats, weights: Floats) -> NDArray[np.intp]:
    """Return the order by weight, largest first, then length, shortest first."""
    return np.lexsort((np.linalg.norm(vectors, axis=1), -weights))


def _without_near(vectors: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return one vector of each group within 10 % of length and 5 degrees."""
    order = _order(vectors, weights)
    kept: list[int] = []
    for i in order:
        if not any(_alike(vectors[i], vectors[k]) for k in kept):
            kept.append(int(i))
    return vectors[kept], weights[kept]


def _alike(v: Floats, w: Floats) -> bool:
    first, second = float(np.linalg.norm(v)), float(np.linalg.norm(w))
    if abs(first - second) > 0.1 * max(first, second):
        return False
    return _angle(v, w) < 5.0


def _angle(v: Floats, w: Floats) -> float:
    """Return the angle between the lines along v and w, degrees, 0 to 90."""
    cosine = float(abs(v @ w) / np.sqrt((v @ v) * (w @ w)))
    return float(np.degrees(np.arccos(min(cosine, 1.0))))


def _without_multiples(vectors: Floats, weights: Floats) -> Floats:
    """Return the vectors that are no integer multiple (5 degrees, 0.2) of a shorter one."""
    length = np.linalg.norm(vectors, axis=1)
    kept: list[int] = []
    for i in np.argsort(length, kind="stable"):
        along = [k for k in kept if _angle(vectors[i], vectors[k]) < 5.0]
        ratios = [float(length[i] / length[k]) for k in along]
        if not any(round(r) > 1 and abs(r - round(r)) < 0.2 for r in ratios):
            kept.append(int(i))
    order = [k for k in _order(vectors, weights) if k in set(kept)]
    return np.asarray(vectors[order])
