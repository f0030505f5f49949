"""Normal equations of crystals and of all that they share, accumulated over reflections.

The normal matrix is an arrowhead: a block for each crystal, one for what all share, and the cross
terms of the two. Gradients by local parameters (see `local`) are mapped to the free ones by sparse
maps: scan points of a crystal, models of an experiment, and parts of the detector that a panel
belongs to.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dxdask.refinement.least_squares.local import N_CRYSTAL, N_MODELS, N_MOVES, PANEL


@njit(cache=True, nogil=True, error_model="numpy")
def _smooth_columns(
    gradient: Any, point: Any, part: Any, nearest: Any, shares: Any, free: Any, n_free: Any,
    columns: Any, values: Any,
) -> Any:  # fmt: skip
    """Write columns (n,) and values (3, n) of what is smooth along the scan; return n.

    nearest, shares : (t,) the first of the smoother's points of each scan point, and (t, 3) their
    weights. Weights between two scan points are interpolated, as A and s0 are.
    """
    first, n_points = nearest[point], 3
    if part > 0.0 and nearest[point + 1] > first:
        n_points = 4
    n = 0
    for j in range(n_points):
        share = shares[point, j] if j < 3 else 0.0
        if part > 0.0:
            i = j - (nearest[point + 1] - first)
            after = shares[point + 1, i] if 0 <= i < 3 else 0.0
            share += part * (after - share)
        if share == 0.0:
            continue
        for k in range(n_free):
            columns[n] = (first + j) * n_free + k
            for d in range(3):
                values[d, n] = share * gradient[d, free[k]]
            n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def _shared_columns(
    gradient: Any, n: Any, model_columns: Any, first: Any, last: Any, part_columns: Any, moves: Any,
    columns: Any, values: Any,
) -> Any:  # fmt: skip
    """Append columns (n,) and values (3, n) of the shared parameters; return their number.

    model_columns : (5,) of beam and setting, -1 where fixed. part_columns, moves : (z,), (z, 6) of
    the free moves of parts, and the moves of the panel by them; those of this panel first to last.
    """
    for k in range(N_MODELS - N_CRYSTAL):
        if model_columns[k] >= 0:
            columns[n] = model_columns[k]
            for d in range(3):
                values[d, n] = gradient[d, N_CRYSTAL + k]
            n += 1
    for z in range(first, last):
        columns[n] = part_columns[z]
        for d in range(3):
            values[d, n] = 0.0
        for m in range(N_MOVES):
            move = moves[z, m]
            if move != 0.0:
                values[0, n] += move * gradient[0, PANEL + m]
                values[1, n] += move * gradient[1, PANEL + m]
        n += 1
    return n


@njit(cache=True, nogil=True, error_model="numpy")
def accumulate(
    residual: Any, gradient: Any, predicted: Any, weights: Any, crystal: Any, experiment: Any,
    panel: Any, point: Any, part: Any, nearest: Any, shares: Any, free: Any, beam_point: Any,
    beam_part: Any, beams: Any, model_columns: Any, first_part: Any, part_columns: Any, moves: Any,
    own: Any, cross: Any, right: Any, shared: Any, shared_right: Any, sums: Any,
) -> None:  # fmt: skip
    """Add rows to the normal equations; of matrices, to the lower triangles.

    beam_point, beam_part : (n,) of rows, used where `beams` (see `BeamTable`) have a column.
    crystal : (n,) index in own (c, k, k), cross (c, k, m) and right (c, k), the crystals' blocks.
    shared : (m, m), shared_right : (m,). sums : (5,) half the weighted sum of squares, the squares
    of the three residuals, and the number of rows that have a prediction.
    """
    n_free, n_beam = len(free), len(beams.free)
    most = 5
    for p in range(len(first_part) - 1):
        most = max(most, 5 + first_part[p + 1] - first_part[p])
    most += 4 * n_beam
    col, val = np.empty(4 * n_free + 1, np.int64), np.empty((3, 4 * n_free + 1))
    gcol, gval = np.empty(most, np.int64), np.empty((3, most))
    for n in range(len(residual)):
        if not predicted[n]:
            continue
        r, w, c = residual[n], weights[n], crystal[n]
        n_own = _smooth_columns(
            gradient[n], point[n], part[n], nearest, shares, free, n_free, col, val
        )
        n_shared, base = 0, beams.base[experiment[n]]
        if base >= 0:
            n_shared = _smooth_columns(
                gradient[n], beam_point[n], beam_part[n], beams.nearest, beams.shares, beams.free,
                n_beam, gcol, gval,
            )  # fmt: skip
            for i in range(n_shared):
                gcol[i] += base
        n_shared = _shared_columns(
            gradient[n], n_shared, model_columns[experiment[n]], first_part[panel[n]],
            first_part[panel[n] + 1], part_columns, moves, gcol, gval,
        )  # fmt: skip
        for d in range(3):
            sums[0] += 0.5 * w[d] * r[d] * r[d]
            sums[1 + d] += r[d] * r[d]
        sums[4] += 1.0
        for i in range(n_own):
            a, b, e = w[0] * val[0, i], w[1] * val[1, i], w[2] * val[2, i]
            right[c, col[i]] += a * r[0] + b * r[1] + e * r[2]
            for j in range(i + 1):
                own[c, col[i], col[j]] += a * val[0, j] + b * val[1, j] + e * val[2, j]
            for j in range(n_shared):
                cross[c, col[i], gcol[j]] += a * gval[0, j] + b * gval[1, j] + e * gval[2, j]
        for i in range(n_shared):
            a, b, e = w[0] * gval[0, i], w[1] * gval[1, i], w[2] * gval[2, i]
            shared_right[gcol[i]] += a * r[0] + b * r[1] + e * r[2]
            for j in range(n_shared):
                if gcol[j] <= gcol[i]:
                    shared[gcol[i], gcol[j]] += a * gval[0, j] + b * gval[1, j] + e * gval[2, j]
