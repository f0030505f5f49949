"""The result of `find_spots`: of a run, from the spots of all its frames, and of an ensemble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Integers
from dxdask.columns import check, select
from dxdask.errors import InputError
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult, joined
from dxdask.spotfinding import bad_pixels
from dxdask.spotfinding.boxes import Boxes
from dxdask.spotfinding.centroid import measure_spots, whole_counts
from dxdask.spotfinding.extract import Pixels
from dxdask.spotfinding.filters import boxes_wanted, is_near, keep_spots, require_surroundings
from dxdask.spotfinding.hot import hot_mask
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.parts import SpotPart, close_part
from dxdask.spotfinding.reports.image_statistics import image_statistics
from dxdask.spotfinding.reports.summary import (
    images_table,
    lines_after,
    lines_before,
    printed_if_short,
)
from dxdask.spotfinding.shoeboxes import Surroundings, shoeboxes_of
from dxdask.spotfinding.spot_lists import take_spots
from dxdask.spotfinding.without_pixels import without_pixels


def result_of_part(
    part: SpotPart,
    experiment: Experiment,
    parameters: SpotfinderParameters,
    *,
    experiment_index: int = 0,
    frame_shape: tuple[int, int] | None = None,
    around: Surroundings | None = None,
) -> StepResult:
    """Return the result of a run from the spots of all its frames.

    Spots are in order of panel and first pixel (z, y, x), as DIALS's. `arrays` holds their
    pixels, spot by spot: pixel_offsets (n + 1,), pixel_x, pixel_y, pixel_z (m,), pixel_value (m,)
    photons, int32 where all are whole, else float32; saturated_panel, _x, _y, _z and
    _value, the saturated pixels; and hot_mask (slow, fast), with
    `write_hot_mask`.

    frame_shape : (slow, fast) of the stored frames; that of the panels by default.

    around : the pixels of `boxes_to_cut`, where `needs_surroundings`.
    """
    whole = close_part(part)
    bad = _bad_pixels(whole, experiment)
    pixels, offsets = _good_spots(whole, bad, experiment, parameters)
    table, separation = measure_spots(pixels, offsets)
    keep, filtered = keep_spots(table, separation, parameters.filter, around)
    pixels, offsets = take_spots(pixels, offsets, np.flatnonzero(keep))
    kept = select(table, keep)
    kept["experiment"] = np.full(int(keep.sum()), experiment_index, np.int32)
    arrays = _arrays(pixels, offsets) | _saturated(whole.images.saturated)
    background = parameters.compute_mean_background
    tables = [images_table(experiment.run, whole, kept, with_background=background)]
    reasons = dict(whole.images.reasons)
    if parameters.output.shoeboxes:
        boxes = require_surroundings(around)
        which = np.flatnonzero(keep[is_near(separation, parameters.filter)])
        arrays |= shoeboxes_of(boxes, which, kept["bbox"], pixels, offsets)
    if parameters.per_image_statistics:
        tables.append(image_statistics(kept, experiment, whole.images.z))
    if around is not None:
        reasons = {**around.unread, **reasons}
    hot = None
    shape = frame_shape or experiment.detector.frame_shape
    if parameters.write_hot_mask:
        arrays["hot_mask"] = hot = hot_mask(whole.images.hot, experiment.detector, shape)
    notes = []
    if bad is not None:
        arrays["bad_pixel_mask"] = bad_pixels.mask_of(bad, experiment.detector, shape)
        tables.append(bad_pixels.table_of(bad, experiment.run, experiment.detector))
        if len(bad.key):
            notes.append(bad_pixels.line_of(bad))
    messages = [
        *lines_before(whole, parameters, keep.size),
        *notes,
        *filtered,
        *lines_after(
            kept["z"],
            hot,
            experiment_index,
            parameters.threshold.algorithm,
            n_images=len(whole.images.z),
            n_unused=len(whole.images.reasons),
        ),
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
    """Return the boxes whose pixels `result_of_part` needs as `around`, from the same `part`."""
    whole = close_part(part)
    bad = _bad_pixels(whole, experiment)
    table, separation = measure_spots(*_good_spots(whole, bad, experiment, parameters))
    near = is_near(separation, parameters.filter)
    return boxes_wanted(table, near, experiment.detector, parameters)


def require_usable_images(results: Sequence[StepResult]) -> None:
    """Check that an image of any of the sweeps was used.

    Raises
    ------
    InputError
        There is none; the message has the first reason.
    """
    if not all(_is_sweep(e) for r in results for e in r.experiments):
        return
    n_images = sum(len(t.rows) for r in results for t in r.tables if t.name == "images")
    problems = [p for r in results for p in r.problems]
    if not n_images or len({(p["run"], p["image"]) for p in problems}) < n_images:
        return
    first = problems[0]
    raise InputError(
        f"none of {n_images} images could be used; image {first['image']} of {first['run']}: "
        f"{first['reason']}"
    )


def combine_reports(results: Sequence[StepResult]) -> StepResult:
    """Return models, tables, messages and problems of runs as of all of them, without rows."""
    whole = joined(results)
    tables = (printed_if_short(t) if t.name == "images" else t for t in whole.tables)
    return replace(whole, tables=tuple(tables))


def _is_sweep(experiment: Experiment) -> bool:
    return experiment.scan is not None and not experiment.scan.is_still


def _bad_pixels(whole: SpotPart, experiment: Experiment) -> bad_pixels.BadPixels | None:
    """Return the bad pixels by the images used; None where no evidence was kept."""
    images = whole.images
    if images.evidence is None:
        return None
    used = np.array([z for z in images.z.tolist() if z not in images.reasons], np.int64)
    return bad_pixels.find_in(images.evidence, experiment, used)


def _good_spots(
    whole: SpotPart,
    bad: bad_pixels.BadPixels | None,
    experiment: Experiment,
    parameters: SpotfinderParameters,
) -> tuple[Pixels, Integers]:
    """Return the spots in order, without bad pixels."""
    pixels, offsets = whole.closed, whole.offsets
    if bad is not None and len(bad.key):
        pixels, offsets = without_pixels(
            pixels, offsets, bad.key, experiment, parameters, limits=whole.size_limits
        )
    return _in_order(pixels, offsets)


def _in_order(pixels: Pixels, offsets: Integers) -> tuple[Pixels, Integers]:
    f = offsets[:-1]
    n_z, n_y, n_x = (int(c.max(initial=0)) + 1 for c in (pixels.z, pixels.y, pixels.x))
    place = (pixels.panel[f].astype(np.int64) * n_z + pixels.z[f]) * n_y + pixels.y[f]
    return take_spots(pixels, offsets, np.argsort(place * n_x + pixels.x[f]))


def _saturated(pixels: Pixels) -> dict[str, NDArray[Any]]:
    return {f"saturated_{name}": values for name, values in pixels._asdict().items()}


def _arrays(pixels: Pixels, offsets: Integers) -> dict[str, NDArray[Any]]:
    largest = max(int(pixels.x.max(initial=0)), int(pixels.y.max(initial=0)))
    small = np.int16 if largest <= np.iinfo(np.int16).max else np.int32
    return {
        "pixel_offsets": offsets,
        "pixel_x": pixels.x.astype(small),
        "pixel_y": pixels.y.astype(small),
        "pixel_z": pixels.z,
        "pixel_value": _kept(pixels.value),
    }


def _kept(values: NDArray[np.float64]) -> NDArray[Any]:
    if (values == np.rint(values)).all():
        return whole_counts(values)
    return values.astype(np.float32)
