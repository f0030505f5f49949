"""The design of observations: the derivatives of log g by the parameters, by rows.

A row has a few parameters anywhere (`index`, `value`), and where absorption is modelled the
harmonics of its rays (`dense`), whose parameters follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Design:
    """Derivatives of log g of n observations.

    Attributes
    ----------
    index, value : (n, k) int32 and float64, parameters and derivatives.
    first : (n,) int32, the parameter of the first column of `dense`; -1 where it does not count.
    dense : (n, j) float32, derivatives by j parameters that follow each other.
    """

    index: NDArray[np.int32]
    value: Floats
    first: NDArray[np.int32]
    dense: NDArray[np.float32]

    @property
    def arrays(
        self,
    ) -> tuple[NDArray[np.int32], Floats, NDArray[np.int32], NDArray[np.float32]]:
        """All arrays, in the order that kernels take them."""
        return self.index, self.value, self.first, self.dense

    def scales(self, parameters: Floats) -> Floats:
        """Return g (n,) of the parameters (m,)."""
        out = np.empty(len(self.index))
        _log_scales(*self.arrays, parameters, out)
        return np.asarray(np.exp(np.clip(out, -50.0, 50.0)))


@njit(cache=True, nogil=True, error_model="numpy")
def row_product(index, value, first, dense, i, v):  # type: ignore[no-untyped-def]
    """Return the product of row i with v (m,)."""
    total = 0.0
    for k in range(index.shape[1]):
        total += value[i, k] * v[index[i, k]]
    if first[i] >= 0:
        n = dense.shape[1]
        row, part = dense[i], v[first[i] : first[i] + n]
        # an addition waits for the one before it: four sums are added to at a time
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for k in range(n // 4):
            a += row[4 * k] * part[4 * k]
            b += row[4 * k + 1] * part[4 * k + 1]
            c += row[4 * k + 2] * part[4 * k + 2]
            d += row[4 * k + 3] * part[4 * k + 3]
        for k in range(n // 4 * 4, n):
            a += row[k] * part[k]
        total += (a + b) + (c + d)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def add_row(index, value, first, dense, i, factor, out):  # type: ignore[no-untyped-def]
    """Add row i times a factor to out (m,)."""
    for k in range(index.shape[1]):
        out[index[i, k]] += factor * value[i, k]
    if first[i] >= 0:
        n = dense.shape[1]
        row, part = dense[i], out[first[i] : first[i] + n]
        for k in range(n):
            part[k] += factor * row[k]


@njit(cache=True, nogil=True, error_model="numpy")
def _log_scales(index, value, first, dense, p, out):  # type: ignore[no-untyped-def]
    for i in range(index.shape[0]):
        out[i] = row_product(index, value, first, dense, i, p)
