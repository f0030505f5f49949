"""Events as they were after find_spots or index, from the results of these steps."""

from __future__ import annotations

import numpy as np

from dxdask.columns import select
from dxdask.results import StepResult
from dxdask.stills.columns import STILL_COLUMNS, Stills
from dxdask.stills.parts import StillsPart
from dxdask.stills.rows import event_rows
from dxdask.stills.run import StillsRun


def stills_of(result: StepResult) -> Stills:
    """Return the table of stills in a step's result."""
    return {n: v for n, v in result.arrays.items() if n in STILL_COLUMNS}


def part_of_spots(spots: StepResult, run: StillsRun) -> StillsPart:
    """Return the part of one run from what find_spots has stored of all runs; hits not told."""
    name = run.experiment.run
    images = [row for row in spots.table("images").rows if row["run"] == name]
    failed = {p["image"] - 1 for p in spots.problems if p["run"] == name}
    mine = select(spots.reflections, spots.reflections["experiment"] == run.index)
    return StillsPart(
        stills=event_rows(
            np.array([row["image"] - 1 for row in images], np.int64),
            np.array([row["n_strong_pixels"] for row in images], np.int64),
            failed,
            run,
        ),
        spots=select(mine, np.argsort(np.floor(mine["z"]), kind="stable")),
    )


def part_of_index(indexed: StepResult, run: StillsRun) -> StillsPart:
    """Return the part of one run from what index has stored of all runs; without other spots."""
    mine = indexed.reflections["experiment"] == run.index
    stills = stills_of(indexed)
    of_run = stills["experiment"] == run.index
    table = select(indexed.reflections, mine)
    further = of_run[indexed.arrays["further_still"]]
    image = stills["image"][indexed.arrays["further_still"][further]]
    return StillsPart(
        stills={name: values[of_run] for name, values in stills.items()},
        spots={name: values[:0] for name, values in table.items()},
        indexed=table,
        further_image=image.astype(np.int64),
        further_a_matrix=indexed.arrays["further_a_matrix"][further],
    )
