"""The step `generate_mask`: masks of frames from geometry and parameters, counted by reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.arrays import Mask
from dxdask.masking.panels import masked_for
from dxdask.masking.parameters import MaskParameters
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

Shape = tuple[int, int]

REASONS = ("border", "untrusted", "resolution", "ice_rings")
HEADINGS = {
    "run": ("Run", ""), "panel": ("Panel", ""), "n_border": ("Border", ""),
    "n_untrusted": ("Untrusted", ""), "n_resolution": ("Resolution", ""),
    "n_ice_rings": ("Ice rings", ""), "n_masked": ("Masked", ""), "percent": ("%", ".2f"),
}  # fmt: skip


def generate_mask(
    experiments: ExperimentList,
    parameters: MaskParameters,
    shapes: Sequence[Shape] | None = None,
) -> StepResult:
    """Return the mask of each run by its detector, its beam and the parameters, as in DIALS.

    Parameters
    ----------
    experiments : one per run.
    parameters : borders, regions and resolutions to mask. Masks of frames and panels are ignored.
    shapes : (slow, fast) of the frames of each run; by default the smallest that hold the panels.

    Returns
    -------
    StepResult
        arrays : mask (run, slow, fast) bool, true where a pixel is good, false between panels;
        where frames differ in size mask_RUN (slow, fast) of each run instead.
        tables : masks, pixels masked for each reason (some for several) and in all.

    Raises
    ------
    InputError
        A region is not on its panel, or a shape does not hold the panels.
    """
    shapes = shapes or [e.detector.frame_shape for e in experiments]
    made: dict[Any, tuple[Mask, list[dict[str, Any]]]] = {}
    masks: dict[str, Mask] = {}
    rows: list[dict[str, Any]] = []
    for experiment, shape in zip(experiments, shapes, strict=True):
        # runs of one crystal usually share their geometry, and a mask takes seconds
        key = (experiment.detector, tuple(experiment.beam.s0.tolist()), shape)
        if key not in made:
            made[key] = _of_run(experiment, parameters, shape)
        masks[experiment.run], counts = made[key]
        rows += [{"run": experiment.run, **row} for row in counts]
    n = sum(row["n_masked"] for row in rows)
    pixels = sum(p.image_size[0] * p.image_size[1] for e in experiments for p in e.detector.panels)
    message = f"Masked {n} of {pixels} pixels in {len(masks)} runs"
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays=as_arrays("mask", masks),
        tables=(Table(name="masks", title="Masked pixels", rows=rows, headings=HEADINGS),),
        messages=(message,),
    )


def as_arrays(name: str, masks: Mapping[str, Mask]) -> dict[str, Mask]:
    """Return the masks of the runs as arrays of a `StepResult`.

    They are `name` (run, slow, fast), or where frames differ in size name_RUN (slow, fast) each.
    """
    images = list(masks.values())
    if len({m.shape for m in images}) > 1:
        return {f"{name}_{run}": mask for run, mask in masks.items()}
    if len({id(m) for m in images}) == 1:  # a view, without a copy per run
        return {name: np.broadcast_to(images[0], (len(images), *images[0].shape))}
    return {name: np.stack(images)}


def _of_run(
    experiment: Experiment, parameters: MaskParameters, shape: Shape
) -> tuple[Mask, list[dict[str, Any]]]:
    """Return the mask (slow, fast) of one run, and a row of counts for each of its panels."""
    experiment.detector.require_room(shape, f"frames of {experiment.run} are")
    frame = np.zeros(shape, np.bool_)
    counts = []
    reasons = masked_for(experiment.detector, experiment.beam, parameters)
    for i, (panel, found) in enumerate(zip(experiment.detector.panels, reasons, strict=True)):
        good = frame[panel.slices]
        good[:] = True
        for masked in found.values():
            good &= ~masked
        n = good.size - int(np.count_nonzero(good))
        counts.append(
            {
                "panel": i,
                **{f"n_{r}": int(np.count_nonzero(found.get(r, ()))) for r in REASONS},
                "n_masked": n,
                "percent": 100.0 * n / good.size,
            }
        )
    return frame, counts
