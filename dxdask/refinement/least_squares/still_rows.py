"""Residuals and gradients of spots of stills: positions, and the angle to the Ewald sphere.

See `dxdask.geometry.still_rays` for the rays. The third residual is the angle delta psi by which
the lattice point misses the sphere (Brewster et al. 2018, Acta Cryst. D74, 877).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from dxdask.geometry.rays import transform
from dxdask.refinement.least_squares.local import N_CRYSTAL, ROTATION, STRAIN
from dxdask.refinement.least_squares.rotation_rows import cross, dot, on_panel, panel_moves


@njit(cache=True, nogil=True, error_model="numpy")
def still_rows(
    hkl: Any, crystal: Any, experiment: Any, panel: Any, observed: Any, point: Any,
    wavelength: Any, a_table: Any, form: Any, forms: Any, n_strains: Any, beam: Any, inverse_d: Any,
    normals: Any, centres: Any, residual: Any, gradient: Any, predicted: Any,
) -> None:  # fmt: skip
    """Fill residual (n, 3), gradient (n, 3, N_LOCAL) and predicted (n,) of rows (see `Rows`).

    beam : (e, 3) unit vectors along the beams. Parameters of beam and setting have no gradient.
    """
    q, s1, pv, dq, v, w = (
        np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    )  # fmt: skip
    radial = np.empty(3)
    for n in range(hkl.shape[0]):
        e, p, f, lam = experiment[n], panel[n], form[crystal[n]], wavelength[n]
        transform(a_table[point[n]], hkl[n], q)
        q2, along = dot(q, q), dot(q, beam[e])
        across2 = 0.0
        for i in range(3):
            s1[i] = q[i] + beam[e, i] / lam
            radial[i] = q[i] - along * beam[e, i]
            across2 += radial[i] * radial[i]
        across, length = math.sqrt(across2), math.sqrt(dot(s1, s1))
        # r = -depth beam + root radial lies on the sphere, as long as q, in one plane with the beam
        depth = 0.5 * lam * q2
        root = math.sqrt(q2 - depth * depth) if q2 > depth * depth else np.nan
        for i in range(3):
            s1[i] /= length * lam
            radial[i] /= across
        transform(inverse_d[p], s1, pv)
        predicted[n] = pv[2] > 0.0 and not math.isnan(root)
        if not predicted[n]:
            continue
        x, y = pv[0] / pv[2], pv[1] / pv[2]
        residual[n, 0], residual[n, 1] = observed[n, 0] - x, observed[n, 1] - y
        residual[n, 2] = observed[n, 2] - (math.atan2(along, across) + math.atan2(depth, root))
        g = gradient[n]
        for k in range(N_CRYSTAL):
            if k < STRAIN:
                w[:] = 0.0
                w[k - ROTATION] = 1.0
                cross(w, q, dq)
            else:
                if k - STRAIN >= n_strains[f]:
                    continue
                transform(forms[f, k - STRAIN], hkl[n], v)
                transform(a_table[point[n]], v, dq)
            off = dot(s1, dq) * lam * lam
            for i in range(3):
                v[i] = (dq[i] - s1[i] * off) / (length * lam)
            on_panel(v, inverse_d[p], pv, k, w, g)
            q_dq = dot(q, dq)
            d_depth = lam * q_dq
            d_root = (q_dq - depth * d_depth) / root
            d_psi = across * dot(dq, beam[e]) - along * dot(radial, dq)
            g[2, k] = (d_psi + root * d_depth - depth * d_root) / q2
        panel_moves(x, y, centres[p], normals[p], g)
