"""Residuals, gradients and sums for the normal equations, in one pass over the reflections.

Gradients after Waterman et al. (2016), Acta Cryst. D72, 558: with r = R(phi) S F U B h and
s1 = s0 + r, the reflecting angle moves by dphi = -(dr . s1) / ((m2 x r) . s0) for a crystal
parameter and by -(r . ds0) / ((m2 x r) . s0) for a beam parameter; s1 by dr + (m2 x r) dphi and
ds0 + (m2 x r) dphi. On the panel (u, v, w) = D s1, X = u / w, Y = v / w; for a detector parameter
d(u, v, w) = -D dd (u, v, w).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.geometry.rays import nearest_angle, reflecting_angles, rotate, transform

# Places of the parameters of one experiment: 3 of orientation, 6 of cell, 3 of beam, 6 of detector.
N_LOCAL = 18
FIRST_BEAM, FIRST_DETECTOR = 9, 12

# Rows of a block of sums: the order of additions depends on it only.
BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedCentroids:
    """Reflections to refine against (n), sorted by experiment, in arrays for the kernel.

    Attributes
    ----------
    hkl : (n, 3) float64.
    experiment, panel : (n,) int64; panel is the index among those of all detectors.
    entering : (n,) bool.
    xyphi, weights : (n, 3) observed x, y (mm), phi (rad) and 1 / variance.
    blocks : (b, 3) int64: first row, row after the last, experiment.
    """

    hkl: Floats
    experiment: Integers
    panel: Integers
    entering: NDArray[np.bool_]
    xyphi: Floats
    weights: Floats
    blocks: Integers


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """The models of e experiments over p panels, and their derivatives.

    Attributes
    ----------
    settings, d_settings : (e, 3, 3) S F U B, 1/Angstrom, and (e, 9, 3, 3).
    s0, d_s0 : (e, 3), 1/Angstrom, and (e, 3, 3), one derivative a row.
    m2 : (e, 3) rotation axes.
    inverse_d, d_panels : (p, 3, 3) D, and (p, 6, 3, 3) the derivatives of d.
    columns : (e, `N_LOCAL`) int64, index of each parameter among the refined, -1 where fixed.
    """

    settings: Floats
    d_settings: Floats
    s0: Floats
    d_s0: Floats
    m2: Floats
    inverse_d: Floats
    d_panels: Floats
    columns: Integers


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockSums:
    """Sums over each of b blocks of rows; those of two sets of rows add up to those of both.

    Attributes
    ----------
    matrix, vector : (b, 18, 18) sum of w g g^T and (b, 18) of w g (observed - calculated); g are
        the derivatives with the k refined parameters of the block's experiment, which take the
        first k places.
    squares : (b, 3) unweighted sums of squared residuals, mm^2, mm^2, rad^2.
    objective : (b,) half the weighted sum of squares.
    n : (b,) reflections that have a prediction.
    """

    matrix: Floats
    vector: Floats
    squares: Floats
    objective: Floats
    n: Integers


def row_blocks(experiment: NDArray[Any]) -> Integers:
    """Return blocks (b, 3) of at most `BLOCK_ROWS` rows of one of the sorted `experiment` (n,)."""
    edges = np.flatnonzero(np.diff(experiment, prepend=-1, append=-2))
    out = [
        (start, min(start + BLOCK_ROWS, stop), int(experiment[begin]))
        for begin, stop in pairwise(edges)
        for start in range(int(begin), int(stop), BLOCK_ROWS)
    ]
    return np.array(out, dtype=np.int64).reshape(-1, 3)


@njit(cache=True, nogil=True, error_model="numpy")
def _ds1(
    k: Any, hkl: Any, m2: Any, r: Any, erxs: Any, s1: Any, cosine: Any, sine: Any,
    d_settings: Any, d_s0: Any, work: Any, dr: Any, out: Any,
) -> Any:  # fmt: skip
    """Write ds1 of crystal or beam parameter k into out (3,); return dphi.

    erxs: m2 x r, followed by (m2 x r) . s0.
    """
    if k < FIRST_BEAM:
        transform(d_settings[k], hkl, work)
        rotate(work, m2, cosine, sine, dr)
        rate = -(dr[0] * s1[0] + dr[1] * s1[1] + dr[2] * s1[2]) / erxs[3]
    else:
        for i in range(3):
            dr[i] = d_s0[k - FIRST_BEAM, i]
        rate = -(r[0] * dr[0] + r[1] * dr[1] + r[2] * dr[2]) / erxs[3]
    for i in range(3):
        out[i] = dr[i] + erxs[i] * rate
    return rate


@njit(cache=True, nogil=True, error_model="numpy")
def _work() -> Any:
    """Return the workspace of `_row`: r0, r, s1, pv, erxs and four more vectors."""
    v = np.empty((9, 4))
    return v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]


@njit(cache=True, nogil=True, error_model="numpy")
def _row(
    hkl: Any, entering: Any, observed: Any, setting: Any, d_setting: Any, s0: Any, d_s0: Any,
    m2: Any, inverse_d: Any, d_panel: Any, free: Any, n_free: Any, work: Any, residual: Any,
    gradient: Any,
) -> Any:  # fmt: skip
    """Fill residual (3,) and gradient (3, n_free) of a reflection; return true if predicted."""
    r0, r, s1, pv, erxs, v, dr, ds1, dpv = work
    transform(setting, hkl, r0)
    enters, leaves = reflecting_angles(r0, s0, m2)
    phi = nearest_angle(enters if entering else leaves, observed[2])
    cosine, sine = math.cos(phi), math.sin(phi)
    rotate(r0, m2, cosine, sine, r)
    for i in range(3):
        s1[i] = s0[i] + r[i]
    transform(inverse_d, s1, pv)
    erxs[0] = m2[1] * r[2] - m2[2] * r[1]
    erxs[1] = m2[2] * r[0] - m2[0] * r[2]
    erxs[2] = m2[0] * r[1] - m2[1] * r[0]
    erxs[3] = erxs[0] * s0[0] + erxs[1] * s0[1] + erxs[2] * s0[2]
    if not pv[2] > 0.0 or erxs[3] == 0.0:
        return False
    x, y = pv[0] / pv[2], pv[1] / pv[2]
    residual[0], residual[1], residual[2] = observed[0] - x, observed[1] - y, observed[2] - phi
    for m in range(n_free):
        k = free[m]
        rate = 0.0
        if k < FIRST_DETECTOR:
            rate = _ds1(k, hkl, m2, r, erxs, s1, cosine, sine, d_setting, d_s0, v, dr, ds1)
        else:
            transform(d_panel[k - FIRST_DETECTOR], pv, ds1)
            for i in range(3):
                ds1[i] = -ds1[i]
        transform(inverse_d, ds1, dpv)
        gradient[0, m] = (dpv[0] - x * dpv[2]) / pv[2]
        gradient[1, m] = (dpv[1] - y * dpv[2]) / pv[2]
        gradient[2, m] = rate
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    residual: Any, gradient: Any, w: Any, n_free: Any, matrix: Any, vector: Any, squares: Any
) -> None:
    """Add one reflection to the sums of its block; of the matrix, to the lower triangle."""
    for i in range(3):
        squares[i] += residual[i] * residual[i]
    for p in range(n_free):
        x, y, phi = w[0] * gradient[0, p], w[1] * gradient[1, p], w[2] * gradient[2, p]
        vector[p] += x * residual[0] + y * residual[1] + phi * residual[2]
        for q in range(p + 1):
            matrix[p, q] += x * gradient[0, q] + y * gradient[1, q] + phi * gradient[2, q]


@njit(cache=True, nogil=True, error_model="numpy")
def _sums(
    hkl: Any, panel: Any, entering: Any, xyphi: Any, weights: Any, blocks: Any, settings: Any,
    d_settings: Any, s0: Any, d_s0: Any, m2: Any, inverse_d: Any, d_panels: Any, columns: Any,
    matrix: Any, vector: Any, squares: Any, objective: Any, n: Any,
) -> None:  # fmt: skip
    work = _work()
    residual, gradient = np.empty(3), np.zeros((3, N_LOCAL))
    free = np.empty(N_LOCAL, dtype=np.int64)
    for b in range(blocks.shape[0]):
        e = blocks[b, 2]
        setting, d_setting, s0_e, d_s0_e, m2_e = settings[e], d_settings[e], s0[e], d_s0[e], m2[e]
        n_free = 0
        for k in range(N_LOCAL):
            if columns[e, k] >= 0:
                free[n_free] = k
                n_free += 1
        for row in range(blocks[b, 0], blocks[b, 1]):
            if not _row(
                hkl[row], entering[row], xyphi[row], setting, d_setting, s0_e, d_s0_e, m2_e,
                inverse_d[panel[row]], d_panels[panel[row]], free, n_free, work, residual, gradient,
            ):  # fmt: skip
                continue
            n[b] += 1
            _add(residual, gradient, weights[row], n_free, matrix[b], vector[b], squares[b])
            for i in range(3):
                objective[b] += 0.5 * weights[row, i] * residual[i] * residual[i]


def block_sums(observed: ObservedCentroids, state: State) -> BlockSums:
    """Return the sums of the normal equations for each block of `observed`.

    A reflection without a prediction at this state is not included.
    """
    b, o, s = len(observed.blocks), observed, state
    matrix, vector = np.zeros((b, N_LOCAL, N_LOCAL)), np.zeros((b, N_LOCAL))
    squares, objective, n = np.zeros((b, 3)), np.zeros(b), np.zeros(b, dtype=np.int64)
    _sums(
        o.hkl, o.panel, o.entering, o.xyphi, o.weights, o.blocks, s.settings, s.d_settings, s.s0,
        s.d_s0, s.m2, s.inverse_d, s.d_panels, s.columns, matrix, vector, squares, objective, n,
    )  # fmt: skip
    i, j = np.triu_indices(N_LOCAL, 1)
    matrix[:, i, j] = matrix[:, j, i]
    return BlockSums(matrix=matrix, vector=vector, squares=squares, objective=objective, n=n)
