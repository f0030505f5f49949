"""Masks put together, and what they add to what a run was imported with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.arrays import Mask
from dxdask.errors import InputError
from dxdask.models import Detector, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

HEADINGS = {
    "run": ("Run", ""), "n_imported": ("As\nimported", ""), "n_applied": ("In the\nmask", ""),
    "n_masked": ("Masked\nnow", ""), "percent": ("%", ".2f"),
}  # fmt: skip


def apply_mask(
    experiments: ExperimentList,
    imported: Mapping[str, Mask],
    masks: Mapping[str, Mask],
    names: Sequence[str] = (),
) -> StepResult:
    """Make `masks` those to be used with what the runs were imported with, until others are.

    Parameters
    ----------
    experiments : one a run.
    imported : mask (slow, fast) of each run as imported, true where a pixel may be used.
    masks : the one to apply to each run, (slow, fast); none at all takes any applied before away.
    names : what the masks were made from, for the message.

    Returns
    -------
    StepResult
        arrays : of each run, under its name, the mask (slow, fast) applied.
        tables : masks, the pixels masked on the panels of each run: as imported, in the mask
        applied, and by either.

    Raises
    ------
    InputError
        A mask is not of the size of the frames of its run.
    """
    rows = []
    for experiment in experiments:
        run = experiment.run
        good = imported[run]
        mask = masks.get(run)
        if mask is not None and mask.shape != good.shape:
            raise InputError(
                f"the mask for run {run} is {mask.shape}, its frames are {good.shape} (slow, fast)"
            )
        rows.append({"run": run, **_counts(experiment.detector, good, mask)})
    total = sum(row["n_masked"] for row in rows)
    what = f"Masks applied: {', '.join(names)}" if masks else "No mask is applied"
    messages = (
        f"{what}; {total} pixels of {len(rows)} runs are masked now, with those masked at import",
        "It takes the place of any applied before; steps that read frames are done anew",
    )
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays=dict(masks),
        tables=(Table(name="masks", title="Masked pixels", rows=rows, headings=HEADINGS),),
        messages=messages,
    )


def combined(masks: Sequence[Mask]) -> Mask:
    """Return which pixels (slow, fast) are good in every one of the masks, which agree in size."""
    if len(masks) == 1:
        return masks[0]
    return np.asarray(np.logical_and.reduce(list(masks)))


def _counts(detector: Detector, imported: Mask, mask: Mask | None) -> dict[str, Any]:
    """Return how many pixels of the panels are masked."""
    both = imported if mask is None else imported & mask
    n = {"n_imported": 0, "n_applied": 0, "n_masked": 0}
    for panel in detector.panels:
        for name, image in (("n_imported", imported), ("n_applied", mask), ("n_masked", both)):
            if image is not None:
                n[name] += int(np.count_nonzero(~image[panel.slices]))
    pixels = sum(p.image_size[0] * p.image_size[1] for p in detector.panels)
    return {**n, "percent": 100.0 * n["n_masked"] / pixels}
