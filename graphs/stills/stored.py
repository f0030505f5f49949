"""Events as they were after find_spots or index, from the results of these steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dxdask.columns import Reflections, select
from dxdask.graphs.stills.events import with_hits
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.rows import event_rows, without_wavelength
from dxdask.graphs.stills.run import StillsRun
from dxdask.results import StepResult
from dxdask.still_columns import STILL_COLUMNS, Stills


def stills_of(result: StepResult) -> Stills:
    """Return the table of stills in a step's result."""
    return {n: v for n, v in result.arrays.items() if n in STILL_COLUMNS}


def part_of_spots(spots: StepResult, run: StillsRun) -> StillsPart:
    """Return the part of one run from the result of find_spots of all runs, without hits yet."""
    name = run.experiment.run
    images = [row for row in spots.table("images").rows if row["run"] == name]
    failed = {p["image"] - 1 for p in spots.problems if p["run"] == name}
    return StillsPart(
        stills=event_rows(
            np.array([row["image"] - 1 for row in images], np.int64),
            np.array([row["n_strong_pixels"] for row in images], np.int64),
            failed,
            run,
        ),
        spots=_spots_of(spots, run),
    )


def spots_of_hits(spots: StepResult, run: StillsRun) -> StillsPart:
    """Return the part of one run from the result of find_spots of all runs, with its hits."""
    return with_hits(part_of_spots(spots, run), run)


def part_of_index(
    indexed: StepResult, run: StillsRun, spots: StepResult | None = None
) -> StillsPart:
    """Return the part of one run from the result of index of all runs.

    spots : of find_spots; None: the part is without spots but those of hits.
    """
    mine = indexed.reflections["experiment"] == run.index
    stills = stills_of(indexed)
    of_run = stills["experiment"] == run.index
    table = select(indexed.reflections, mine)
    of_mine = {name: values[of_run] for name, values in stills.items()}
    additional = of_run[indexed.arrays["additional_still"]]
    image = stills["image"][indexed.arrays["additional_still"][additional]]
    return StillsPart(
        stills=of_mine,
        spots=(
            {name: values[:0] for name, values in table.items()}
            if spots is None
            else _spots_of(spots, run)
        ),
        indexed=table,
        additional_image=image.astype(np.int64),
        additional_a_matrix=indexed.arrays["additional_a_matrix"][additional],
        problems=(*_problems_of(indexed, run), *without_wavelength(of_mine, run)),
    )


def _spots_of(spots: StepResult, run: StillsRun) -> Reflections:
    """Return the spots of one run, those of an event together, in the order of events."""
    mine = select(spots.reflections, spots.reflections["experiment"] == run.index)
    return select(mine, np.argsort(np.floor(mine["z"]), kind="stable"))


def _problems_of(result: StepResult, run: StillsRun) -> tuple[Mapping[str, Any], ...]:
    return tuple(p for p in result.problems if p["run"] == run.experiment.run)
