"""The step `apply_mask`: masks combined, and applied with those imported."""

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
    """Apply a mask to each run, together with the one it was imported with.

    Parameters
    ----------
    experiments : one per run.
    imported : mask (slow, fast) of each run as imported, true where a pixel is good.
    masks : the mask (slow, fast) to apply to each run; empty: the applied masks are removed.
    names : names of the masks that were combined, for the message.

    Returns
    -------
    StepResult
        arrays : of each run, under its name, the applied mask (slow, fast).
        tables : masks, the pixels masked on the panels of each run: as imported, by the applied
        mask, and by either.

    Raises
    ------
    InputError
        A mask differs in size from the frames of its run.
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
        "It replaces any mask applied before; the results of steps that read frames are stale",
    )
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays=dict(masks),
        tables=(Table(name="masks", title="Masked pixels", rows=rows, headings=HEADINGS),),
        messages=messages,
    )


def combined(masks: Sequence[Mask]) -> Mask:
    """Return the mask (slow, fast) of the pixels that are good in all masks, of equal size."""
    if len(masks) == 1:
        return masks[0]
    return np.asarray(np.logical_and.reduce(list(masks)))


def _counts(detector: Detector, imported: Mask, mask: Mask | None) -> dict[str, Any]:
    """Return the numbers of masked pixels of the panels."""
    both = imported if mask is None else imported & mask
    n = {"n_imported": 0, "n_applied": 0, "n_masked": 0}
    for panel in detector.panels:
        for name, image in (("n_imported", imported), ("n_applied", mask), ("n_masked", both)):
            if image is not None:
                n[name] += int(np.count_nonzero(~image[panel.slices]))
    pixels = sum(p.image_size[0] * p.image_size[1] for p in detector.panels)
    return {**n, "percent": 100.0 * n["n_masked"] / pixels}
