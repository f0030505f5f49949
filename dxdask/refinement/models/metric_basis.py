"""Basis of the reciprocal metric tensors that obey a symmetry.

The reciprocal metric tensors G* that obey a space group (see `dxdask.models.metric`) form a linear
space of one (cubic) to six (triclinic) dimensions (the symmetry-reduced metrical matrix of Waterman
et al. 2016, Acta Cryst. D72, 558, section 2.3).
"""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.metric import rotations_of, symmetric_metric

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
