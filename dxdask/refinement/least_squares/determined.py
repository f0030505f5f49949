"""Check that reflections determine the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import ConvergenceError
from dxdask.refinement.least_squares.equations import Equations, reduced

SMALLEST_EIGENVALUE = 1e-12
"""Of a normal matrix scaled to a unit diagonal, above rounding."""


def check_equations(
    equations: Equations, shared: Sequence[str], crystals: Sequence[Sequence[str]]
) -> None:
    """Check that all parameters are determined, each crystal's by itself and then the shared ones.

    shared, crystals : names of the parameters, the latter for each crystal.

    Raises
    ------
    ConvergenceError
        They are not; the message names the parameters.
    """
    for block in equations.blocks:
        diagonal = np.einsum("nii->ni", block.matrix)
        for i in np.flatnonzero(~(diagonal > 0.0).all(axis=1)):
            check_determined(block.matrix[i], crystals[block.first + int(i)])
        scale = 1.0 / np.sqrt(diagonal)
        values = np.linalg.eigvalsh(block.matrix * scale[:, :, None] * scale[:, None, :])
        for i in np.flatnonzero(values[:, 0] < SMALLEST_EIGENVALUE):
            check_determined(block.matrix[i], crystals[block.first + int(i)])
    if len(shared):
        _check_diagonal(equations.matrix, shared)
        _check_shared(equations, shared, crystals)


def _check_shared(
    equations: Equations, shared: Sequence[str], crystals: Sequence[Sequence[str]]
) -> None:
    """Check the matrix of what is shared, the crystals eliminated."""
    scale = 1.0 / np.sqrt(np.diag(equations.matrix))
    values, vectors = np.linalg.eigh(reduced(equations).matrix * np.outer(scale, scale))
    if values[0] >= SMALLEST_EIGENVALUE:
        return
    shares, names = [np.abs(vectors[:, 0])], list(shared)
    for block in equations.blocks:
        # crystals follow the undetermined change of what they share
        follow = block.followed() @ (scale * vectors[:, 0])
        shares.append((np.abs(follow) * np.sqrt(np.einsum("nii->ni", block.matrix))).ravel())
        for i in range(len(block.matrix)):
            names += crystals[block.first + i]
    raise ConvergenceError(_singular(np.concatenate(shares), names))


def check_determined(matrix: Floats, names: Sequence[str]) -> None:
    """Check that a normal matrix (k, k) of the parameters `names` is not singular.

    Raises
    ------
    ConvergenceError
        It is; the message names the parameters.
    """
    _check_diagonal(matrix, names)
    scale = 1.0 / np.sqrt(np.diag(matrix))
    values, vectors = np.linalg.eigh(matrix * np.outer(scale, scale))
    if values[0] < SMALLEST_EIGENVALUE:
        raise ConvergenceError(_singular(np.abs(vectors[:, 0]), names))


def _singular(share: Floats, names: Sequence[str]) -> str:
    mixed = [name for name, s in zip(names, share, strict=True) if s > 0.1 * share.max()]
    return (
        f"the normal matrix is singular: these reflections do not determine "
        f"{', '.join(mixed)} separately; fix one of them (parameterisation....fix)"
    )


def _check_diagonal(matrix: Floats, names: Sequence[str]) -> None:
    idle = [
        name
        for name, d in zip(names, np.diag(matrix), strict=True)
        if not (np.isfinite(d) and d > 0.0)
    ]
    if idle:
        raise ConvergenceError(
            f"no reflection depends on {', '.join(idle)}; fix them "
            "(parameterisation....fix) or exclude models without reflections"
        )
