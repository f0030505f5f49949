"""Reflections and models that plots are made of, from a store or as given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, n_rows, select
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.results import StepResult

if TYPE_CHECKING:
    from dxdask.storage.store.store import Store


class Results(NamedTuple):
    """Reflections, and the experiments that their column `experiment` counts."""

    reflections: Reflections
    experiments: ExperimentList


Source: TypeAlias = "Store | StepResult | Results | tuple[Reflections, ExperimentList]"
"""A store, the result of a step, or reflections with their experiments."""


def results_of(
    source: Source,
    steps: Sequence[str],
    needed: Sequence[str] = (),
    wanted: Sequence[str] = (),
    *,
    step: str | None = None,
) -> Results:
    """Return the reflections and experiments of a source.

    Parameters
    ----------
    source : a store; the result of a step; or reflections with their experiments, as files of
        DIALS are read.
    steps : of a store, those to look in, in this order: the first that there is.
    needed, wanted : columns that must be there, and those read where they are.
    step : of a store, the one to read instead.

    Raises
    ------
    InputError
        The store has none of the steps, a column is missing, or there are no reflections.
    """
    if isinstance(source, StepResult):
        found = Results(source.reflections, source.experiments)
    elif isinstance(source, tuple):
        found = Results(*source)
    else:
        found = _stored(source, steps if step is None else (step,), (*needed, *wanted))
    missing = [name for name in needed if name not in found.reflections]
    if needed and missing:
        raise InputError(
            f"reflections lack {', '.join(missing)}; give those of a step that has them "
            f"({', '.join(steps)})"
        )
    if needed:
        found = _of_experiments(found)
    if needed and n_rows(found.reflections) == 0:
        raise InputError("no reflections to plot; process the runs first, or give another step")
    return found


def _of_experiments(results: Results) -> Results:
    """Return the results with every reflection of an experiment.

    Spots that are not indexed have none (-1) in files of DIALS: they become those of the first
    where there is one run; of several runs it is not known whose they are, and they are left out.
    """
    table, experiments = results
    of = table["experiment"]
    none = (of < 0) | (of >= len(experiments))
    if not none.any():
        return results
    if len(experiments.runs) != 1:
        return Results(select(table, ~none), experiments)
    return Results({**table, "experiment": np.where(none, 0, of).astype(of.dtype)}, experiments)


def _stored(store: Store, steps: Sequence[str], columns: Sequence[str]) -> Results:
    name = next((s for s in steps if store.has_step(s)), None)
    if name is None:
        raise InputError(
            f"{store.path} has no result of {' or '.join(steps)}; run: "
            f"dxdask {steps[0]} {store.path}"
        )
    there = store.manifest(name).columns
    present = [c for c in dict.fromkeys(columns) if c in there]
    return Results(store.columns(name, present) if present else {}, store.experiments(name))


def runs_of(results: Results) -> NDArray[np.str_]:
    """Return the run (n,) of each reflection."""
    names = np.array([e.run for e in results.experiments], dtype=np.str_)
    return np.asarray(names[results.reflections["experiment"]])


def on_frame(results: Results, x: Floats, y: Floats) -> Floats:
    """Return positions (n, 2), px of the stored frame, of x, y (n,), px of the panels."""
    table = results.reflections
    xy = np.stack([x, y], axis=1)
    for i, e in enumerate(results.experiments):
        mine = table["experiment"] == i
        offsets = np.array([p.offset for p in e.detector.panels], dtype=np.float64)
        xy[mine] += offsets[table["panel"][mine]]
    return xy
