"""Scaling without runs, crystals or images: by delta CC1/2, and of images by parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gemmi
import numpy as np

from dxdask.arrays import Floats, Integers, Mask
from dxdask.columns import Reflections
from dxdask.errors import ParameterError
from dxdask.models import ExperimentList
from dxdask.scaling.delta_cc_half import Parts, delta_cc_half, doubtful, parts_of
from dxdask.scaling.observations import Observations
from dxdask.scaling.parameters import ScalingParameters
from dxdask.scaling.rounds import scale_observations
from dxdask.scaling.scaled import Scaled
from dxdask.scaling.variables import Variables

if TYPE_CHECKING:
    from dxdask.reindex import Reference


def on_images(
    reflections: Reflections, experiments: ExperimentList, excluded: Sequence[str]
) -> Mask:
    """Return true for the reflections (n,) whose predicted centroid is on images excluded.

    excluded : RUN:FIRST:LAST, image numbers, both included.

    Raises
    ------
    ParameterError
        One has another form, or there is no such run or image.
    """
    out = np.zeros(len(reflections["z_cal"]), dtype=np.bool_)
    for text in excluded:
        run, *numbers = text.rsplit(":", 2)
        if len(numbers) != 2 or not all(x.isdigit() for x in numbers):
            raise ParameterError(f"exclude_images={text}: write RUN:FIRST:LAST, as in run1:100:120")
        members = [i for i, m in enumerate(experiments.members) if m.run == run]
        if not members:
            known = ", ".join(experiments.runs[:10])
            raise ParameterError(f"exclude_images={text}: there is no run {run} among {known}")
        first, last = map(int, numbers)
        for i in members:
            scan = experiments[i].scan
            if scan is None or not scan.image_range[0] <= first <= last <= scan.image_range[1]:
                span = "no images" if scan is None else "images {} to {}".format(*scan.image_range)
                raise ParameterError(f"exclude_images={text}: {run} has {span}")
            z = reflections["z_cal"]
            out |= (reflections["experiment"] == i) & (z >= first - 1) & (z < last)
    return out


def scale_and_filter(
    obs: Observations,
    experiments: ExperimentList,
    group: gemmi.SpaceGroup,
    parameters: ScalingParameters,
    variables: Variables,
    reference: Reference | None = None,
) -> Scaled:
    """Return the observations scaled, again without parts of bad delta CC1/2 if these are excluded.

    Arguments as in `scale_observations`.
    """
    options = parameters.filtering.deltacchalf
    parts = parts_of(obs, experiments, options)
    removed = np.zeros(len(obs), dtype=np.bool_)
    cycle_of = np.zeros(len(parts.rows), dtype=np.int64)

    def scale(removed: Mask) -> Scaled:
        return scale_observations(
            obs, experiments, group, parameters, variables, removed, reference
        )

    scaled = scale(removed)
    delta = _delta(scaled, parts)
    first = delta
    if parameters.filtering.method == "deltacchalf":
        limit = options.max_percent_removed / 100.0 * len(obs)
        for cycle in range(1, options.max_cycles + 1):
            bad = doubtful(delta, options.stdcutoff, cycle_of == 0)
            bad = _within(bad, delta, parts, removed, limit)
            if not bad.any():
                break
            cycle_of[bad] = cycle
            removed = (cycle_of > 0)[parts.of]
            scaled = scale(removed)
            delta = _delta(scaled, parts)
    return replace(scaled, delta_rows=_rows(parts, first, cycle_of))


def _delta(scaled: Scaled, parts: Parts) -> Floats:
    obs = scaled.observations
    use = ~scaled.outlier & ~scaled.faint & ~scaled.removed
    if not use.any():
        return np.zeros(len(parts.rows))
    return delta_cc_half(obs, obs.intensity / scaled.g, use, parts)


def _within(bad: Mask, delta: Floats, parts: Parts, removed: Mask, limit: float) -> Mask:
    """Return the worst of these parts, as many as the limit of observations allows."""
    sizes = np.bincount(parts.of, minlength=len(parts.rows))
    left, out = limit - removed.sum(), np.zeros_like(bad)
    for k in np.argsort(delta, kind="stable"):
        if bad[k] and sizes[k] <= left:
            out[k], left = True, left - sizes[k]
    return out


def _rows(parts: Parts, delta: Floats, cycle_of: Integers) -> list[dict[str, Any]]:
    counts = np.bincount(parts.of, minlength=len(parts.rows))
    return [
        {**row, "n": int(n), "delta_cc_half": float(value), "excluded_in_cycle": int(cycle) or None}
        for row, n, value, cycle in zip(parts.rows, counts, delta, cycle_of, strict=True)
    ]
