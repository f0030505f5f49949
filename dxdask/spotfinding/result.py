"""From the spots of all frames of a run to the result of the step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Reflections, check, concatenate, select
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.spotfinding.boxes import Boxes
from dxdask.spotfinding.centroid import measure_spots
from dxdask.spotfinding.extract import Pixels, take_pixels
from dxdask.spotfinding.filters import boxes_wanted, is_near, keep_spots, require_surroundings
from dxdask.spotfinding.image_statistics import image_statistics
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import SpotPart, close_part
from dxdask.spotfinding.shoeboxes import Surroundings, shoeboxes_of
from dxdask.tables import Table

Ints = NDArray[np.int64]

HEADINGS = {
    "run": ("Run", ""),
    "image": ("Image", ""),
    "n_strong_pixels": ("Strong\npixels", ""),
    "n_spots": ("Spots", ""),
}


def result_of_part(
    part: SpotPart,
    experiment: Experiment,
    parameters: SpotfinderParameters,
    *,
    experiment_index: int = 0,
    around: Surroundings | None = None,
) -> StepResult:
    """Return the result of a run from the spots of all its frames.

    Spots are in order of panel and first pixel (z, y, x), as DIALS's. `arrays` holds their
    pixels, spot
    by spot: pixel_offsets (n + 1,), pixel_x, pixel_y, pixel_z (m,), pixel_value (m,) counts.

    around : the pixels of `boxes_to_cut`, where `needs_surroundings`.
    """
    whole = close_part(part)
    pixels, offsets = _in_order(whole.closed, whole.offsets)
    table, separation = measure_spots(pixels, offsets)
    keep, filtered = keep_spots(table, separation, parameters.filter, around)
    pixels, offsets = take_spots(pixels, offsets, np.flatnonzero(keep))
    kept = select(table, keep)
    kept["experiment"] = np.full(int(keep.sum()), experiment_index, np.int32)
    arrays, tables = dict(_arrays(pixels, offsets)), [_images(experiment.run, whole, kept)]
    reasons = dict(whole.reasons)
    if parameters.output.shoeboxes:
        boxes = require_surroundings(around)
        which = np.flatnonzero(keep[is_near(separation, parameters.filter)])
        arrays |= shoeboxes_of(boxes, which, kept["bbox"], pixels, offsets)
    if parameters.per_image_statistics:
        tables.append(image_statistics(kept, experiment, whole.z))
    if around is not None:
        reasons = {**around.unread, **reasons}
    (n_all, n_small, n_large), (smallest, largest) = whole.sizes, whole.size_limits
    messages = [
        f"Extracted {n_all} spots",
        f"Removed {n_small} spots with size < {smallest} pixels",
        f"Removed {n_large} spots with size > {largest} pixels",
        f"Calculated {keep.size} spot centroids",
        f"Calculated {keep.size} spot intensities",
        *filtered,
    ]
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections=check(kept),
        arrays=arrays,
        tables=tuple(tables),
        messages=tuple(messages),
        problems=tuple(
            {"run": experiment.run, "image": int(z) + 1, "step": "find_spots", "reason": reason}
            for z, reason in sorted(reasons.items())
        ),
    )


def boxes_to_cut(part: SpotPart, experiment: Experiment, parameters: SpotfinderParameters) -> Boxes:
    """Return the boxes whose pixels `result_of_part` takes as `around`, from the same `part`."""
    whole = close_part(part)
    table, separation = measure_spots(*_in_order(whole.closed, whole.offsets))
    near = is_near(separation, parameters.filter)
    return boxes_wanted(table, near, experiment.detector, parameters)


def combine(results: Sequence[StepResult]) -> StepResult:
    """Return the result of an ensemble from those of its runs, one experiment each, in order.

    Raises
    ------
    InputError
        No results.
    """
    if not results:
        raise InputError("no runs to combine; give the spots of at least one")
    members = [e for r in results for e in r.experiments]
    arrays: dict[str, NDArray[Any]] = {}
    for name in results[0].arrays:
        parts = [r.arrays[name] for r in results]
        ragged = name.endswith("_offsets")
        arrays[name] = (
            _offsets(np.concatenate([np.diff(p) for p in parts]))
            if ragged
            else np.concatenate(parts)
        )
    runs = [r.experiments.members[0].run for r in results]
    return StepResult(
        experiments=ExperimentList.of(members),
        reflections=concatenate([r.reflections for r in results]),
        arrays=arrays,
        tables=tuple(Table.joined([r.table(t.name) for r in results]) for t in results[0].tables),
        messages=tuple(
            line if len(results) == 1 else f"{run}: {line}"
            for run, r in zip(runs, results, strict=True)
            for line in r.messages
        ),
        problems=tuple(p for r in results for p in r.problems),
    )


def take_spots(pixels: Pixels, offsets: Ints, which: NDArray[np.intp]) -> tuple[Pixels, Ints]:
    """Return the pixels and offsets of the spots `which`, in that order."""
    lengths = np.diff(offsets)[which]
    new = _offsets(lengths)
    source = np.repeat(offsets[which] - new[:-1], lengths) + np.arange(new[-1])
    return take_pixels(pixels, source), new


def _offsets(lengths: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _in_order(pixels: Pixels, offsets: Ints) -> tuple[Pixels, Ints]:
    first = offsets[:-1]
    keys = (pixels.x[first], pixels.y[first], pixels.z[first], pixels.panel[first])
    return take_spots(pixels, offsets, np.lexsort(keys))


def _arrays(pixels: Pixels, offsets: Ints) -> Mapping[str, NDArray[Any]]:
    largest = max(int(pixels.x.max(initial=0)), int(pixels.y.max(initial=0)))
    small = np.int16 if largest <= np.iinfo(np.int16).max else np.int32
    return {
        "pixel_offsets": offsets,
        "pixel_x": pixels.x.astype(small),
        "pixel_y": pixels.y.astype(small),
        "pixel_z": pixels.z,
        "pixel_value": np.rint(pixels.value).astype(np.int32),
    }


def _images(run: str, part: SpotPart, table: Reflections) -> Table:
    image = np.floor(table["z"]).astype(np.int64)
    counts = np.bincount(image - part.first, minlength=part.stop - part.first)
    rows = [
        {"run": run, "image": z + 1, "n_strong_pixels": n, "n_spots": int(counts[z - part.first])}
        for z, n in zip(part.z.tolist(), part.n_strong.tolist(), strict=True)
    ]
    title = "Strong pixels and spots per image (by centroid)"
    return Table(name="images", title=title, rows=rows, headings=HEADINGS)
