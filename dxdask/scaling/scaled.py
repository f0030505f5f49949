"""The result of the rounds of scaling."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.model import ScalingModel
from dxdask.scaling.observations import Observations


@dataclass(frozen=True, kw_only=True, slots=True)
class Scaled:
    """Scaled observations.

    Attributes
    ----------
    observations : n of them. model, parameters : of the scales. g : (n,) scales.
    mean : (n_groups,) scaled means. variance : (n,) of the intensities. outlier : (n,).
    faint : (n,), of too small a scale. removed : (n,), excluded by delta CC1/2.
    error_model, error_rows : and the rows of its table. costs : at the steps of each fit.
    validation, free_set, delta_rows : rows of the tables of these names.
    """

    observations: Observations
    model: ScalingModel
    parameters: Floats
    g: Floats
    mean: Floats
    variance: Floats
    outlier: NDArray[np.bool_]
    faint: NDArray[np.bool_]
    removed: NDArray[np.bool_]
    error_model: ErrorModel
    error_rows: list[dict[str, Any]] = field(default_factory=list)
    costs: tuple[tuple[float, ...], ...] = ()
    validation: list[dict[str, Any]] = field(default_factory=list)
    free_set: list[dict[str, Any]] = field(default_factory=list)
    delta_rows: list[dict[str, Any]] = field(default_factory=list)
