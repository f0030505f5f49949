"""Vectors and matrices of the models: nested tuples of floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats

Vector: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def vector(values: ArrayLike) -> Vector:
    """Return three numbers as a tuple of floats."""
    x, y, z = np.asarray(values, dtype=np.float64).reshape(3).tolist()
    return (x, y, z)


def matrix(values: ArrayLike) -> Matrix:
    """Return nine numbers, row by row (flat or 3 x 3), as a nested tuple of floats."""
    rows = np.asarray(values, dtype=np.float64).reshape(3, 3)
    return (vector(rows[0]), vector(rows[1]), vector(rows[2]))


def matrices(values: ArrayLike) -> tuple[Matrix, ...]:
    """Return n matrices (n, 3, 3), each as a nested tuple of floats."""
    rows = np.asarray(values, dtype=np.float64).reshape(-1, 3).tolist()
    vectors: list[Vector] = [(x, y, z) for x, y, z in rows]
    return tuple(zip(vectors[0::3], vectors[1::3], vectors[2::3], strict=True))


def flat(values: Matrix) -> list[float]:
    """Return a matrix as nine numbers, row by row, as DIALS writes it."""
    return [x for row in values for x in row]


def unit(values: ArrayLike) -> Floats:
    """Return the vector of length one along `values`."""
    v = np.asarray(values, dtype=np.float64)
    return v / np.linalg.norm(v)


def rotation_matrix(axis: ArrayLike, angle: float) -> Floats:
    """Return the right-handed rotation (3, 3) by `angle` (rad) about `axis` (Rodrigues).

    It is written out so that commands that only read models need not import scipy's rotations (see
    `dxdask.models.rotations`), which takes longer than all else that they do.
    """
    x, y, z = unit(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    out: Floats = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return out


def floats(values: Iterable[float] | None) -> tuple[float, ...] | None:
    """Return numbers as a tuple of floats, or None for None."""
    return None if values is None else tuple(float(x) for x in values)


def pair(values: Sequence[float]) -> tuple[float, float]:
    """Return two numbers as a tuple of floats."""
    a, b = values
    return (float(a), float(b))
