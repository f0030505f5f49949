"""The step `histogram`: numbers of pixels by value in the spots of each run.

A detector that switches gain at the wrong level leaves a notch, values that never occur; a
saturated counter leaves a peak at its largest value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.parameters import HistogramParameters
from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows
from dxdask.errors import InputError, ParameterError
from dxdask.models import ExperimentList, Panel
from dxdask.results import StepResult
from dxdask.spotfinding.saturated import REACH, REACH_Z
from dxdask.tables import Table

Counts = NDArray[np.int64]

NOTHING = int(np.iinfo(np.int64).min)


class PixelCounts(NamedTuple):
    """Pixel values of spots; counts and numbers of disjoint sets of spots add up.

    histogram: (bin,) int64, the last bin includes values above. largest: NOTHING without pixels.
    n_saturated: pixels at or above the saturation value, also above the bins.
    """

    histogram: Counts
    largest: int
    n_saturated: int


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(
    offsets: Any, values: Any, rows: Any, data_min: Any, width: Any, saturation: Any, out: Any
) -> Any:
    last = len(out) - 1
    largest, n_saturated = NOTHING, 0
    for row in rows:
        for i in range(offsets[row], offsets[row + 1]):
            if values[i] >= data_min:
                out[min(int((values[i] - data_min) / width), last)] += 1
                largest = max(largest, values[i])
                n_saturated += values[i] >= saturation
    return largest, n_saturated


def pixel_counts(
    offsets: Counts,
    values: NDArray[Any],
    rows: Counts,
    parameters: HistogramParameters,
    saturation: float,
) -> PixelCounts:
    """Return the numbers of pixels of spots by value; those below `data_min` are not counted.

    offsets: (n_spots + 1,) first pixel of each spot. values: (n_pixels,) photons.
    rows: indices of the spots. saturation: photons.
    """
    out = np.zeros(parameters.n_slots, dtype=np.int64)
    width = (parameters.data_max - parameters.data_min) / parameters.n_slots
    largest, n = _fill(offsets, values, rows, parameters.data_min, width, saturation, out)
    return PixelCounts(out, int(largest), int(n))


def histogram(
    reflections: Reflections,
    arrays: Mapping[str, NDArray[Any]],
    experiments: ExperimentList,
    parameters: HistogramParameters | None = None,
) -> StepResult:
    """Return the histogram of the strong pixels of the indexed spots, run by run.

    Parameters
    ----------
    reflections : spots: experiment, flags.
    arrays : their pixels, `pixel_offsets` (n_spots + 1,) and `pixel_value` (n_pixels,), photons;
        and `saturated_panel`, `_x`, `_y`, `_z`, `_value`, the saturated pixels, of which those
        in or at the boxes (columns panel and bbox) of the spots are counted.
    experiments : one row of the result per run.
    parameters : bins.

    Returns
    -------
    StepResult
        no reflections; arrays `histogram` (run, bin) int64 and `bin_centres` (bin,) photons; table
        `runs`.

    Raises
    ------
    SchemaError
        A column is missing.
    ParameterError
        data_max is not above data_min.
    InputError
        The pixels do not belong to the spots.
    """
    parameters = parameters or HistogramParameters()
    if parameters.data_max <= parameters.data_min:
        raise ParameterError(
            f"data_max is {parameters.data_max}, must be above data_min ({parameters.data_min})"
        )
    check(
        {k: reflections[k] for k in ("experiment", "flags") if k in reflections},
        ("experiment", "flags"),
    )
    offsets, values = arrays["pixel_offsets"], arrays["pixel_value"]
    if len(offsets) != n_rows(reflections) + 1 or int(offsets[-1]) != len(values):
        raise InputError(
            f"pixel_offsets ({len(offsets)}) and pixel_value ({len(values)}) do not fit "
            f"{n_rows(reflections)} spots: "
            "give the arrays that find_spots returned with these spots, in their order"
        )
    chosen = (
        has_flag(reflections, Flag.INDEXED)
        if parameters.indexed_only
        else np.ones(n_rows(reflections), bool)
    )
    counted = np.flatnonzero(chosen)
    run_of = experiments.run_indices[reflections["experiment"][counted]]
    saturation = {
        e.run: min(map(_saturation, e.detector.panels), default=np.inf) for e in experiments
    }
    full, owner = _saturated(reflections, arrays, counted)
    counts, n_spots = [], []
    for i, run in enumerate(experiments.runs):
        mine = counted[run_of == i]
        own = pixel_counts(offsets, values, mine, parameters, saturation[run])
        beside = full[run_of[owner] == i]
        ends = np.array([0, len(beside)])
        rows = np.zeros(min(len(beside), 1), np.int64)
        # saturated by their counts, whatever their photons
        more = pixel_counts(ends, beside, rows, parameters, -np.inf)
        counts.append(_added(own, more))
        n_spots.append(len(mine))
    width = (parameters.data_max - parameters.data_min) / parameters.n_slots
    centres: Floats = np.asarray(
        parameters.data_min + (np.arange(parameters.n_slots) + 0.5) * width, dtype=np.float64
    )
    return _shown(experiments, counts, n_spots, centres, parameters.notch_max)


def _saturation(panel: Panel) -> float:
    """Return the photons from which a pixel is saturated."""
    gain = panel.gain if panel.gain > 0.0 else 1.0
    return (panel.trusted_range[1] - panel.pedestal) / gain


def _added(a: PixelCounts, b: PixelCounts) -> PixelCounts:
    return PixelCounts(
        a.histogram + b.histogram, max(a.largest, b.largest), a.n_saturated + b.n_saturated
    )


def _saturated(
    reflections: Reflections, arrays: Mapping[str, NDArray[Any]], counted: Counts
) -> tuple[NDArray[Any], Counts]:
    """Return the values of the saturated pixels of spots, and the place in `counted` of the spot of
    each; of several spots the first has it.
    """
    if "saturated_value" not in arrays or "bbox" not in reflections:
        return np.empty(0), np.empty(0, np.int64)
    panel, x, y, z, value = (arrays[f"saturated_{n}"] for n in ("panel", "x", "y", "z", "value"))
    boxes, on = reflections["bbox"][counted].astype(np.int64), reflections["panel"][counted]
    # spots by panel and image
    boxes += np.array([-REACH, REACH, -REACH, REACH, -REACH_Z, REACH_Z])
    depth = boxes[:, 5] - boxes[:, 4]
    owner = np.repeat(np.arange(len(boxes)), depth)
    image = np.arange(len(owner)) - np.repeat(np.cumsum(depth) - depth, depth) + boxes[owner, 4]
    order = np.lexsort((image, on[owner]))
    spot = np.full(len(value), -1, np.int64)
    for p in np.unique(panel):
        mine = order[on[owner[order]] == p]
        first, last = (np.searchsorted(image[mine], z, side=s) for s in ("left", "right"))
        for i in np.flatnonzero(panel == p):
            near = owner[mine[first[i] : last[i]]]
            b = boxes[near]
            inside = (x[i] >= b[:, 0]) & (x[i] < b[:, 1])
            inside &= (y[i] >= b[:, 2]) & (y[i] < b[:, 3])
            spot[i] = near[inside].min(initial=len(boxes)) if inside.any() else -1
    there = spot >= 0
    return value[there], spot[there]


def _row(
    run: str, n_spots: int, counts: PixelCounts, lower: Floats, notch_max: int
) -> dict[str, Any]:
    """Return the row of a run in the table."""
    return {
        "run": run,
        "n_spots": n_spots,
        "n_pixels": int(counts.histogram.sum()),
        "max": None if counts.largest == NOTHING else counts.largest,
        "notch": notches(counts.histogram, lower, notch_max),
        "n_saturated": counts.n_saturated,
    }


def notches(counts: Counts, lower: Floats, below: int) -> str:
    """Return the values between others that never occur, below a limit, such as "30-31, 40"; ""
    for none.
    """
    filled = np.flatnonzero(counts)
    if not len(filled):
        return ""
    inside = np.arange(len(counts))
    empty = inside[(counts == 0) & (inside > filled[0]) & (inside < filled[-1]) & (lower < below)]
    if not len(empty):
        return ""
    groups = np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
    pairs = [(int(lower[g[0]]), int(lower[g[-1]])) for g in groups]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)


def _shown(
    experiments: ExperimentList,
    counts: Sequence[PixelCounts],
    n_spots: Sequence[int],
    centres: Floats,
    notch_max: int,
) -> StepResult:
    """Return the result of the step from the counts of each run."""
    lower = (
        np.ceil(centres - (centres[1] - centres[0]) / 2) if len(centres) > 1 else np.floor(centres)
    )
    rows = [
        _row(run, n, c, lower, notch_max)
        for run, n, c in zip(experiments.runs, n_spots, counts, strict=True)
    ]
    headings = {
        "notch": (f"empty below\n{notch_max}", ""),
        "n_saturated": ("at or above\nsaturation", "d"),
    }
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays={
            "histogram": np.array([c.histogram for c in counts]),
            "bin_centres": centres,
            "notch_max": np.array(notch_max),
        },
        tables=(
            Table(
                name="runs",
                title="Pixel values of spots by run, photons",
                rows=rows,
                headings=headings,
            ),
        ),
        messages=tuple(
            f"{r['run']}: {r['n_pixels']} pixels of {r['n_spots']} spots"
            + (f"; no pixel has the value {r['notch']}" if r["notch"] else "")
            for r in rows
        ),
    )
