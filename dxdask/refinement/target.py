"""The target function of refinement: the weighted sum of squared residuals in x, y and phi."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, select
from dxdask.errors import ConvergenceError
from dxdask.refinement.engine import Evaluation
from dxdask.refinement.geometry import geometry, panel_rows
from dxdask.refinement.normal import ObservedCentroids, block_sums, row_blocks
from dxdask.refinement.parameterisation import PredictionParameterisation
from dxdask.refinement.parameters import WeightingStrategy
from dxdask.refinement.selection import weights


def observed_centroids(
    table: Reflections,
    params: PredictionParameterisation,
    rows: NDArray[np.int64],
    entering: NDArray[np.bool_],
    strategy: WeightingStrategy,
) -> ObservedCentroids:
    """Return the centroids of `rows` (n,) of a table in the arrays of the normal equations.

    entering: for all rows of the table, the side of the Ewald sphere.
    """
    part = select(table, rows)
    experiment = part["experiment"].astype(np.int64)
    return ObservedCentroids(
        hkl=part["hkl"].astype(np.float64),
        experiment=experiment,
        panel=panel_rows(part, geometry(params.experiments).first_panel),
        entering=entering[rows],
        xyphi=np.column_stack([part[k] for k in ("x_mm", "y_mm", "phi_rad")]),
        weights=weights(part, strategy),
        blocks=row_blocks(experiment),
    )


def evaluate(
    params: PredictionParameterisation, observed: ObservedCentroids, values: Floats
) -> Evaluation:
    """Return the normal equations of all refined parameters at `values` (k,).

    Raises
    ------
    ConvergenceError
        No reflection has a prediction there, or no cell has these values.
    """
    state = params.state(values)
    sums = block_sums(observed, state)
    n, k = int(sums.n.sum()), len(values)
    if n == 0:
        raise ConvergenceError(
            f"none of {len(observed.hkl)} reflections is predicted by these models; "
            "start from better ones"
        )
    matrix, vector = np.zeros((k, k)), np.zeros(k)
    for b, e in enumerate(observed.blocks[:, 2]):
        at = state.columns[e][state.columns[e] >= 0]
        matrix[np.ix_(at, at)] += sums.matrix[b, : len(at), : len(at)]
        vector[at] += sums.vector[b, : len(at)]
    return Evaluation(
        matrix=matrix,
        vector=vector,
        objective=float(sums.objective.sum()),
        rmsds=np.sqrt(sums.squares.sum(axis=0) / n),
        n=n,
    )
