"""Events as they were after find_spots or index, from the results of these steps."""

from __future__ import annotations

import numpy as np

from dxdask.results import StepResult
from dxdask.stills.columns import STILL_COLUMNS, Stills
from dxdask.stills.parts import StillsPart
from dxdask.stills.run import StillsRun


def stills_of(result: StepResult) -> Stills:
    """Return the table of stills in a step's result."""
    return {n: v for n, v in result.arrays.items() if n in STILL_COLUMNS}


def part_of_spots(spots: StepResult, stills: Stills, run: StillsRun) -> StillsPart:
    """Return the part of one run from what find_spots and hits have stored of all runs."""
    mine = spots.reflections["experiment"] == run.index
    of_run = stills["experiment"] == run.index
    table = {name: values[mine] for name, values in spots.reflections.items()}
    order = np.argsort(np.floor(table["z"]), kind="stable")
    return StillsPart(
        stills={name: values[of_run] for name, values in stills.items()},
        spots={name: values[order] for name, values in table.items()},
    )


def part_of_index(indexed: StepResult, run: StillsRun) -> StillsPart:
    """Return the part of one run from what index has stored of all runs; without other spots."""
    mine = indexed.reflections["experiment"] == run.index
    stills = stills_of(indexed)
    of_run = stills["experiment"] == run.index
    table = {name: values[mine] for name, values in indexed.reflections.items()}
    further = of_run[indexed.arrays["further_still"]]
    image = stills["image"][indexed.arrays["further_still"][further]]
    return StillsPart(
        stills={name: values[of_run] for name, values in stills.items()},
        spots={name: values[:0] for name, values in table.items()},
        indexed=table,
        further_image=image.astype(np.int64),
        further_a_matrix=indexed.arrays["further_a_matrix"][further],
    )
