"""Selection of events of a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError, ParameterError
from dxdask.fate import Fate
from dxdask.models import Experiment
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.storage.store.store import Store

_STEPS = ("integrate", "index", "hits")
_COLUMNS = ("experiment", "image", "hit", "indexed", "n_spots", "reason")

Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ChosenEvents:
    """Events of one run.

    Attributes
    ----------
    experiment : the models of the run of the latest step. places : (n,) of the frames in
    the store. image_number, event_id : (n,), the second that of the image where there is none.
    wavelengths : (n,), A.
    """

    experiment: Experiment
    places: NDArray[np.int64]
    image_number: NDArray[np.int64]
    event_id: NDArray[np.int64]
    wavelengths: NDArray[np.float64]


def choose(store: Store, parameters: DumpParameters) -> list[ChosenEvents]:
    """Return the selected events, of the runs that have some.

    Raises
    ------
    InputError
        A run or event is not there, no event is left, or the store has no table to select by.
    """
    names = parameters.runs or tuple(store.runs)
    missing = [run for run in names if run not in store.runs]
    if missing:
        raise InputError(
            f"runs={', '.join(missing)}: {store.path} has {', '.join(store.runs) or 'none'}"
        )
    step = parameters.step or next((s for s in _STEPS if store.has_step(s)), None)
    models, table = _of_step(store, step)
    chosen, left = [], parameters.max_events
    known: set[int] = set()
    for run in names:
        every = _events_of_run(store, run, models)
        known |= set(every.event_id.tolist())
        rows = np.flatnonzero(_selected(store, every, table, parameters, models))
        rows = rows if left is None else rows[:left]
        left = None if left is None else left - len(rows)
        if len(rows):
            chosen.append(_some(every, rows))
    lost = sorted(set(parameters.events) - known)
    if lost:
        raise InputError(f"events={', '.join(map(str, lost[:10]))}: no run has such an event_id")
    if not chosen:
        raise InputError(f"no event of {store.path} is selected: relax the conditions")
    return chosen


def _of_step(store: Store, step: str | None) -> tuple[dict[str, tuple[int, Experiment]], Table]:
    """Return number and models of each run by a step, and its table of stills (or none)."""
    if step is None:
        return {}, {}
    models = {e.run: (i, e) for i, e in enumerate(store.experiments(step))}
    kept = store.step_attributes(step).get("arrays", [])
    table = store.arrays(step, [n for n in _COLUMNS if n in kept])
    return models, table if "hit" in table else {}


def _events_of_run(
    store: Store, run: str, models: Mapping[str, tuple[int, Experiment]]
) -> ChosenEvents:
    """Return all events of a run."""
    n = store.frame_reader(run).shape[0]
    imported = store.run_experiment(run)
    experiment = models[run][1] if run in models else imported
    columns = store.image_columns(run)
    places = np.arange(n, dtype=np.int64)
    number = places + imported.first_image
    own = imported.beam.wavelengths
    wavelengths = (
        np.array(own)
        if own is not None and len(own) == n
        else np.asarray(columns.get("wavelength", np.full(n, experiment.beam.wavelength)))
    )
    event_id = np.asarray(columns.get("event_id", number), dtype=np.int64)
    return ChosenEvents(experiment, places, number, event_id, wavelengths)


def _selected(
    store: Store,
    every: ChosenEvents,
    table: Table,
    p: DumpParameters,
    models: Mapping[str, tuple[int, Experiment]],
) -> NDArray[np.bool_]:
    """Return the mask (n,) of the events of a run that fulfil all parameters."""
    good = np.ones(len(every.places), np.bool_)
    if p.images:
        good &= np.isin(every.image_number, p.images)
    if p.events:
        good &= np.isin(every.event_id, p.events)
    tests = _tests(p)
    if not tests:
        return good
    if not table:
        raise InputError(
            f"{store.path} has no table of hits; run: dxdask stills_process "
            f"{store.path}, or give which=all and images= or events="
        )
    if every.experiment.run not in models:
        # it came after the step was run, whose table has no rows of it
        return np.zeros(len(good), np.bool_)
    mine = table["experiment"] == models[every.experiment.run][0]
    place = table["image"][mine].astype(np.int64) + 1 - every.image_number[0]
    for test in tests:
        holds = np.zeros(len(good), np.bool_)
        holds[place] = test({name: values[mine] for name, values in table.items()})
        good &= holds
    return good


def _tests(p: DumpParameters) -> list[Callable[[Table], NDArray[np.bool_]]]:
    """Return the conditions on events that need a table of stills."""
    which = p.which or ("all" if p.images or p.events or p.fate else "hits")
    tests: list[Callable[[Table], NDArray[np.bool_]]] = []
    if which != "all":
        tests.append(lambda t: _fits(t, which))
    if p.fate:
        fates = [_fate(text) for text in p.fate]
        tests.append(lambda t: np.isin(t["reason"], fates))
    if p.min_spots is not None:
        least = p.min_spots
        tests.append(lambda t: t["n_spots"] >= least)
    if p.max_spots is not None:
        most = p.max_spots
        tests.append(lambda t: t["n_spots"] <= most)
    return tests


def _fits(table: Table, which: str) -> NDArray[np.bool_]:
    hit = table["hit"]
    indexed = table["indexed"] if "indexed" in table else np.zeros(len(hit), np.bool_)
    found = {
        "hits": hit,
        "blank": ~hit,
        "indexed": indexed,
        "not_indexed": hit & ~indexed,
        "integrated": table["reason"] == Fate.INTEGRATED,
    }
    return np.asarray(found[which])


def _fate(text: str) -> int:
    for fate in Fate:
        if text.strip().lower() in (fate.name.lower(), fate.words.lower()):
            return int(fate)
    names = ", ".join(f.name for f in Fate)
    raise ParameterError(f"fate={text!r} is none; give one of {names}")


def _some(every: ChosenEvents, rows: NDArray[np.int64]) -> ChosenEvents:
    return ChosenEvents(
        every.experiment,
        every.places[rows],
        every.image_number[rows],
        every.event_id[rows],
        every.wavelengths[rows],
    )
