"""Independent parameters of the unit cell under its symmetry, and B with its derivatives.

The reciprocal metric tensors G* that obey a space group (see `dxdask.models.metric`) form a linear
space of one (cubic) to six (triclinic) dimensions, whose coordinates are the parameters (the
symmetry-reduced metrical matrix of Waterman et al. 2016, Acta Cryst. D72, 558, section 2.3).
"""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.metric import rotations_of, symmetric_metric

# Parameters are 10^5 times elements of G* (1/Angstrom^2), so that they are of the order of 10.
SCALE = 1e-5

_FLIP = np.eye(3)[::-1]
_ROWS, _COLUMNS = np.array([0, 1, 2, 0, 0, 1]), np.array([0, 1, 2, 1, 2, 2])


def metric_basis(group: gemmi.SpaceGroup) -> Floats:
    """Return a basis (k, 3, 3) of the metric tensors G* that obey the symmetry, k from 1 to 6.

    In reduced echelon form, so that each coordinate is one element of G* (the first six of which
    are a*a*, b*b*, c*c*, a*b*, a*c*, b*c*).
    """
    rows, rotations = [], rotations_of(group.operations())
    for i, j in zip(_ROWS, _COLUMNS, strict=True):
        element = np.zeros((3, 3))
        element[i, j] = element[j, i] = 1.0
        rows.append(symmetric_metric(element, rotations)[_ROWS, _COLUMNS])
    reduced = _echelon(np.array(rows))
    basis = np.empty((len(reduced), 3, 3))
    basis[:, _ROWS, _COLUMNS] = reduced
    basis[:, _COLUMNS, _ROWS] = reduced
    return basis


def _echelon(rows: Floats) -> Floats:
    left, out = rows.copy(), 0
    for column in range(left.shape[1]):
        if out == len(left):
            break
        pivot = out + int(np.argmax(np.abs(left[out:, column])))
        if abs(left[pivot, column]) < 1e-9:
            continue
        left[[out, pivot]] = left[[pivot, out]]
        left[out] /= left[out, column]
        for k in range(len(left)):
            if k != out:
                left[k] -= left[k, column] * left[out]
        out += 1
    reduced: Floats = np.where(np.abs(left[:out]) < 1e-9, 0.0, left[:out])
    return reduced


def coordinates(metric: Floats, basis: Floats) -> Floats:
    """Return the parameters (k,) of a metric tensor G* (3, 3), in units of `SCALE` 1/Angstrom^2."""
    solution = np.linalg.lstsq(basis.reshape(len(basis), 9).T, metric.ravel(), rcond=None)[0]
    return np.asarray(solution / SCALE)


def b_with_derivatives(values: Floats, basis: Floats) -> tuple[Floats, Floats]:
    """Return B (3, 3), 1/Angstrom, lower triangular, and dB / dvalues (k, 3, 3).

    B^T B = G* is a Cholesky factorisation taken from the last row up. With X = dB B^-1, lower
    triangular, dG* = B^T (X + X^T) B, so X is the lower triangle of B^-T dG* B^-1, its diagonal
    halved.

    Raises
    ------
    numpy.linalg.LinAlgError
        G* is not positive definite: no cell has this metric.
    """
    metric = SCALE * np.einsum("k,kij->ij", values, basis)
    b: Floats = _FLIP @ np.linalg.cholesky(_FLIP @ metric @ _FLIP).T @ _FLIP
    inverse = np.linalg.inv(b)
    derivatives = np.empty((len(basis), 3, 3))
    for k, part in enumerate(basis):
        full = inverse.T @ (SCALE * part) @ inverse
        derivatives[k] = (np.tril(full, -1) + 0.5 * np.diag(np.diag(full))) @ b
    return b, derivatives


def cell_derivatives(values: Floats, basis: Floats) -> Floats:
    """Return the derivatives (6, k) of a, b, c (Angstrom), alpha, beta, gamma (degree)."""
    direct = np.linalg.inv(SCALE * np.einsum("k,kij->ij", values, basis))
    slopes = -np.einsum("ij,kjl,lm->kim", direct, SCALE * basis, direct)
    lengths = np.sqrt(np.diag(direct))
    d_lengths = slopes[:, [0, 1, 2], [0, 1, 2]] / (2.0 * lengths)
    out = np.empty((6, len(basis)))
    out[:3] = d_lengths.T
    for row, (i, j) in enumerate(((1, 2), (0, 2), (0, 1)), start=3):
        cosine = direct[i, j] / (lengths[i] * lengths[j])
        d_cosine = slopes[:, i, j] / (lengths[i] * lengths[j]) - cosine * (
            d_lengths[:, i] / lengths[i] + d_lengths[:, j] / lengths[j]
        )
        out[row] = np.degrees(-d_cosine / np.sqrt(1.0 - cosine**2))
    out[np.abs(out) < 1e-12 * np.abs(out).max()] = 0.0
    return out
