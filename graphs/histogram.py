"""Pixel histograms of many runs as a graph: one part a run, counts added by a tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from dxdask.analysis.histogram import add_histograms
from dxdask.analysis.histogram import histogram as histogram_of
from dxdask.analysis.parameters import HistogramParameters
from dxdask.columns import Reflections
from dxdask.graphs.fold import tree_fold
from dxdask.models import ExperimentList

Spots = tuple[Reflections, Mapping[str, NDArray[Any]]]


def _part(spots: Spots, experiments: ExperimentList, parameters: HistogramParameters) -> Any:
    return histogram_of(spots[0], spots[1], experiments, parameters)


def histogram(
    parts: Sequence[Delayed | Spots],
    experiments: ExperimentList,
    parameters: HistogramParameters | None = None,
    *,
    fan_in: int = 8,
) -> Delayed:
    """Return the `StepResult` of the pixel histogram of spots that are given in parts.

    Counts are whole numbers: the result is that of `dxdask.analysis.histogram` for any parts.

    Parameters
    ----------
    parts : pairs (reflections, arrays) of spots and their pixels, or Delayed that give them.
    experiments : all of them; the column `experiment` counts these in every part.
    parameters : bins.
    fan_in : how many partial results one task adds.

    Returns
    -------
    Delayed
        parts + folds tasks besides those of the parts (and one each for the experiments and for
        pairs that are not Delayed).
    """
    parameters = parameters or HistogramParameters()
    models = delayed(experiments, pure=True, traverse=False)
    count = delayed(_part, pure=True)
    given = [p if isinstance(p, Delayed) else delayed(p, pure=True, traverse=False) for p in parts]
    return tree_fold(
        [count(p, models, parameters) for p in given],
        add_histograms,
        fan_in=fan_in,
        label="histogram",
    )
