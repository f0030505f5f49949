"""Cells that obey the symmetry of a space group, by their metric tensors.

The metric tensor G = (a, b, c) (a, b, c)^T of a crystal obeys G = W^T G W, and the reciprocal one
G* = B^T B obeys G* = W G* W^T, for every rotation W of its space group, which acts on fractional
coordinates: |h|^2 = h G* h^T must equal that of h W.
"""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.crystal import b_matrix, cell_of


def rotations_of(operations: gemmi.GroupOps) -> Floats:
    """Return the rotations W (n, 3, 3) of symmetry operations, acting on fractional coordinates."""
    return np.array([op.rot for op in operations.sym_ops], dtype=np.float64) / gemmi.Op.DEN


def symmetric_metric(metric: Floats, rotations: Floats) -> Floats:
    """Return the metric tensor (3, 3) that obeys a symmetry and lies nearest to this one.

    rotations : (n, 3, 3), W for a reciprocal metric tensor, W^T for a direct one.
    """
    mean: Floats = np.einsum("gij,jk,glk->gil", rotations, metric, rotations).mean(axis=0)
    return 0.5 * (mean + mean.T)


def symmetric_cell(cell: tuple[float, ...], group: gemmi.SpaceGroup) -> Floats:
    """Return the cell (6,) that obeys a space group and whose reciprocal metric is nearest."""
    b = b_matrix(cell)
    reciprocal = symmetric_metric(b.T @ b, rotations_of(group.operations()))
    # any B with B^T B = G* will do
    return np.array(cell_of(np.linalg.cholesky(reciprocal).T))
