"""Merging statistics of each run, and of batches of its images."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.merging.observed import Observed
from dxdask.merging.statistics import cc_half
from dxdask.models import ExperimentList
from dxdask.tables import Table

IMAGES = 10
"""Images of a batch."""
HEADINGS = {
    "run": ("run", ""),
    "experiment": ("experiment", "d"),
    "first_image": ("first", "d"),
    "last_image": ("last", "d"),
    "n_obs": ("#obs", "d"),
    "n_unique": ("#uniq", "d"),
    "i_over_sigma": ("<I/sI>", ".2f"),
    "r_merge": ("r_mrg", ".4f"),
    "chi_squared": ("chi^2", ".2f"),
    "cc_others": ("cc others", ".4f"),
}


def run_tables(observed: Observed, experiments: ExperimentList) -> tuple[Table, Table]:
    """Return the tables `runs` and `batches`.

    Observations are compared with the mean of the others of their unique reflection: chi^2 is their
    mean squared deviation over its variance, `cc others` the correlation.
    """
    others, variance = mean_of_others(observed)
    runs, batches = [], []
    for i, experiment in enumerate(experiments):
        of_run = observed.experiment == i
        if not of_run.any():
            continue
        name: dict[str, Any] = {"run": experiments.members[i].run, "experiment": i}
        row = _row(observed, of_run, others, variance)
        runs.append(name | row)
        if not np.isfinite(observed.z[of_run]).all() or experiment.scan is None:
            continue
        batch = np.floor(observed.z / IMAGES)
        offset = experiment.scan.image_range[0]
        last = experiment.scan.image_range[1]
        for k in np.unique(batch[of_run]).tolist():
            first_image = int(k) * IMAGES + offset
            images = {
                "first_image": first_image,
                "last_image": min(first_image + IMAGES - 1, last),
            }
            here = _row(observed, of_run & (batch == k), others, variance)
            batches.append(name | images | here)
    return (
        Table(
            name="runs",
            title="Merging statistics by run",
            rows=runs,
            headings=HEADINGS,
            printed=len(runs) > 1,
        ),
        Table(
            name="batches",
            title=f"Merging statistics by {IMAGES} images",
            rows=batches,
            headings=HEADINGS,
            printed=False,
        ),
    )


def mean_of_others(observed: Observed) -> tuple[Floats, Floats]:
    """Return the mean (n,) of the other observations of each one's reflection, and its variance.

    nan where there is no other.
    """
    _, w, wi = observed.sums().sum(axis=(1, 2)).T
    n = np.bincount(observed.place, minlength=len(observed.keys))
    own = 1 / observed.variance
    alone = n[observed.place] < 2
    left = np.where(alone, np.nan, w[observed.place] - own)
    mean = (wi[observed.place] - own * observed.intensity) / left
    return mean, 1 / left


def _row(observed: Observed, rows: Mask, others: Floats, variance: Floats) -> dict[str, Any]:
    intensity, own = observed.intensity[rows], observed.variance[rows]
    mean, error = others[rows], variance[rows]
    several = np.isfinite(mean)
    difference = (intensity - mean)[several]
    # the mean of all includes the observation, which draws it nearer by this factor
    shrink = (error / (error + own))[several]
    total = float(np.abs(intensity[several]).sum())
    return {
        "n_obs": int(rows.sum()),
        "n_unique": len(np.unique(observed.place[rows])),
        "i_over_sigma": float((intensity / np.sqrt(own)).mean()),
        "r_merge": float(np.abs(difference * (1 - shrink)).sum()) / total if total > 0 else None,
        "chi_squared": float(np.mean(difference**2 / (own + error)[several]))
        if several.any()
        else None,
        "cc_others": cc_half(intensity[several], mean[several]),
    }
