"""The step `histogram`: how often each pixel value occurs in the spots of each run.

A detector that switches gain at the wrong level leaves a notch, values that never occur; a full
counter leaves a pile at its largest value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.analysis.parameters import HistogramParameters
from dxdask.columns import Flag, Reflections, check, has_flag, n_rows
from dxdask.errors import InputError, ParameterError
from dxdask.models import ExperimentList
from dxdask.models.vectors import Floats
from dxdask.results import StepResult
from dxdask.tables import Table

Counts = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def _fill(offsets, values, rows, data_min, width, out):  # type: ignore[no-untyped-def]
    last = len(out) - 1
    for row in rows:
        for i in range(offsets[row], offsets[row + 1]):
            if values[i] >= data_min:
                out[min(int((values[i] - data_min) / width), last)] += 1


def pixel_histogram(
    offsets: Counts,
    values: NDArray[Any],
    rows: Counts,
    *,
    data_min: int,
    data_max: int,
    n_slots: int,
) -> Counts:
    """Count the pixels of some spots by value; counts of disjoint sets of spots add.

    Parameters
    ----------
    offsets : (n_spots + 1,) where the pixels of each spot begin.
    values : (n_pixels,) counts.
    rows : which spots.
    data_min, data_max, n_slots : bins of equal width; the last takes what is above, what is below
        is left out.
    """
    out = np.zeros(n_slots, dtype=np.int64)
    _fill(offsets, values, rows, data_min, (data_max - data_min) / n_slots, out)
    return out


def histogram(
    reflections: Reflections,
    arrays: Mapping[str, NDArray[Any]],
    experiments: ExperimentList,
    parameters: HistogramParameters | None = None,
) -> StepResult:
    """Histogram the strong pixels of the indexed spots, run by run.

    Parameters
    ----------
    reflections : spots: experiment, flags.
    arrays : their pixels, `pixel_offsets` (n_spots + 1,) and `pixel_value` (n_pixels,), counts.
    experiments : one row of the result each run of theirs.
    parameters : bins.

    Returns
    -------
    StepResult
        no reflections; arrays `histogram` (run, bin) int64 and `bin_centres` (bin,) counts; table
        `runs`.

    Raises
    ------
    SchemaError
        A column is missing.
    ParameterError
        There is no room between data_min and data_max.
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
    run_of = np.array([experiments.runs.index(m.run) for m in experiments.members], dtype=np.int64)
    counts = np.zeros((len(experiments.runs), parameters.n_slots), dtype=np.int64)
    n_spots = []
    for i in range(len(experiments.runs)):
        mine = np.flatnonzero(chosen & (run_of[reflections["experiment"]] == i))
        n_spots.append(len(mine))
        counts[i] = pixel_histogram(
            offsets,
            values,
            mine,
            data_min=parameters.data_min,
            data_max=parameters.data_max,
            n_slots=parameters.n_slots,
        )
    return _result(experiments, counts, n_spots, parameters)


def add_histograms(parts: Sequence[StepResult]) -> StepResult:
    """Return the histogram of the spots of all parts, which have the same experiments and bins."""
    counts = np.sum([p.arrays["histogram"] for p in parts], axis=0)
    n_spots = np.sum([[r["n_spots"] for r in p.table("runs").rows] for p in parts], axis=0)
    first = parts[0]
    return _shown(
        first.experiments,
        counts,
        n_spots.tolist(),
        first.arrays["bin_centres"],
        int(first.arrays["notch_max"]),
    )


def _row(
    run: str, panels: Sequence[Any], n_spots: int, counts: Counts, lower: Floats, notch_max: int
) -> dict[str, Any]:
    """Return the row of a run in the table."""
    filled = np.flatnonzero(counts)
    saturation = min((p.trusted_range[1] for p in panels), default=np.inf)
    return {
        "run": run,
        "n_spots": n_spots,
        "n_pixels": int(counts.sum()),
        "max": int(lower[filled[-1]]) if len(filled) else None,
        "notch": notches(counts, lower, notch_max),
        "n_saturated": int(counts[lower >= saturation].sum()),
    }


def notches(counts: Counts, lower: Floats, below: int) -> str:
    """Return the values that never occur between values that do, below a limit, such as "30-31,
    40"; "" for none.
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


def _result(
    experiments: ExperimentList,
    counts: Counts,
    n_spots: Sequence[int],
    parameters: HistogramParameters,
) -> StepResult:
    width = (parameters.data_max - parameters.data_min) / parameters.n_slots
    centres: Floats = np.asarray(
        parameters.data_min + (np.arange(parameters.n_slots) + 0.5) * width
    )
    return _shown(experiments, counts, n_spots, centres, parameters.notch_max)


def _shown(
    experiments: ExperimentList,
    counts: Counts,
    n_spots: Sequence[int],
    centres: Floats,
    notch_max: int,
) -> StepResult:
    """Return the result with the table that the counts give."""
    panels = {e.run: e.detector.panels for e in experiments}
    lower = (
        np.ceil(centres - (centres[1] - centres[0]) / 2) if len(centres) > 1 else np.floor(centres)
    )
    rows = [
        _row(run, panels[run], n, c, lower, notch_max)
        for run, n, c in zip(experiments.runs, n_spots, counts, strict=True)
    ]
    headings = {
        "notch": (f"empty below\n{notch_max}", ""),
        "n_saturated": ("at or above\nsaturation", "d"),
    }
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays={"histogram": counts, "bin_centres": centres, "notch_max": np.array(notch_max)},
        tables=(
            Table(name="runs", title="Pixel values of spots by run", rows=rows, headings=headings),
        ),
        messages=tuple(
            f"{r['run']}: {r['n_pixels']} pixels of {r['n_spots']} spots"
            + (f"; no pixel has the value {r['notch']}" if r["notch"] else "")
            for r in rows
        ),
    )
