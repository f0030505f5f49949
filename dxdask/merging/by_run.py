"""Merging statistics of each run, and of batches of its images, with resolution limits.

The limits are where the mean I/sigma of single observations, and their correlation with the others
of their unique reflections, fall below the thresholds of `resolution`, interpolated between bins of
equal numbers of observations.
"""

from __future__ import annotations

from typing import Any

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.merging.limits import LEAST, limit_by_ratio
from dxdask.merging.observed import Observed
from dxdask.merging.parameters import ResolutionParameters
from dxdask.merging.statistics import cc_half
from dxdask.models import ExperimentList
from dxdask.models.symmetry import spacings, unpack
from dxdask.scaling.components import rows_by_experiment
from dxdask.tables import Table

Rows = NDArray[np.int64]
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
    "d_misigma": ("d (I/sigma)", ".2f"),
    "d_cc_others": ("d (cc)", ".2f"),
}


def run_tables(
    observed: Observed,
    experiments: ExperimentList,
    cell: gemmi.UnitCell,
    resolution: ResolutionParameters,
) -> tuple[Table, Table]:
    """Return the tables `runs` and `batches`.

    Observations are compared with the mean of the others of their unique reflection: chi^2 is their
    mean squared deviation over its variance, `cc others` the correlation.
    """
    others, variance = mean_of_others(observed)
    d = spacings(unpack(observed.keys), cell)[observed.place]

    def row_of(rows: Rows) -> dict[str, Any]:
        found = _row(observed, rows, others, variance)
        return found | _limits(observed, rows, others, d, resolution)

    runs, batches = [], []
    each = rows_by_experiment(observed.experiment, len(experiments))
    for i, (experiment, of_run) in enumerate(zip(experiments, each, strict=True)):
        if not len(of_run):
            continue
        name: dict[str, Any] = {"run": experiments.members[i].run, "experiment": i}
        runs.append(name | row_of(of_run))
        if not np.isfinite(observed.z[of_run]).all() or experiment.scan is None:
            continue
        first, last = experiment.scan.image_range
        # calculated z may be a little before or behind the scan
        image = np.clip(np.floor(observed.z[of_run]).astype(np.int64) + 1, first, last)
        batch = (image - first) // IMAGES
        for k in np.unique(batch).tolist():
            begin = first + k * IMAGES
            images = {"first_image": begin, "last_image": min(begin + IMAGES - 1, last)}
            batches.append(name | images | row_of(of_run[batch == k]))
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


def _limits(
    observed: Observed, rows: Rows, others: Floats, d: Floats, resolution: ResolutionParameters
) -> dict[str, float | None]:
    """Return the limits of some observations, None where they are too few or have no signal."""
    order = rows[np.argsort(-d[rows], kind="stable")]
    starts = _bin_starts(len(order), max(min(resolution.bins, len(order) // LEAST), 1))
    counts = np.diff(np.append(starts, len(order)))
    s2 = np.add.reduceat(d[order] ** -2, starts) / counts
    ratio = observed.intensity[order] / np.sqrt(observed.variance[order])
    ratios = np.add.reduceat(ratio, starts) / counts
    ccs = correlations_in_bins(observed.intensity[order], others[order], starts)
    known = np.isfinite(ccs)
    d_min = float(d[rows].min())
    by_ratio = limit_by_ratio(s2, ratios, resolution.misigma)
    by_cc = limit_by_ratio(s2[known], ccs[known], resolution.cc_half)
    return {
        "d_misigma": None if by_ratio is None else max(by_ratio, d_min),
        "d_cc_others": None if by_cc is None else max(by_cc, d_min),
    }


def _bin_starts(n: int, n_bins: int) -> Rows:
    """Return where each of so many bins begins; the first ones have one more where n asks for it.

    n : observations, at least as many as bins.
    """
    counts = np.full(n_bins, n // n_bins)
    counts[: n % n_bins] += 1
    return np.asarray(np.cumsum(counts) - counts)


def correlations_in_bins(x: Floats, y: Floats, starts: Rows) -> Floats:
    """Return the correlation (m,) of x (n,) and y (n,) in consecutive bins.

    y : nan where it is not known. starts : (m,) first observation of each bin, none of them empty.
    nan for a bin of fewer than three known values, or of equal ones.
    """
    known = np.isfinite(y)
    n = np.add.reduceat(known.astype(np.int64), starts)
    of_bin = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(x))))

    def centred(values: Floats) -> Floats:
        values = np.where(known, values, 0.0)
        mean = np.add.reduceat(values, starts) / np.maximum(n, 1)
        return np.where(known, values - mean[of_bin], 0.0)

    u, v = centred(x), centred(y)
    both, of_x, of_y = (np.add.reduceat(a, starts) for a in (u * v, u * u, v * v))
    defined = (n >= 3) & (of_x > 0.0) & (of_y > 0.0)
    # the product of the two roots, since the product of the squares may overflow
    norm = np.where(defined, np.sqrt(of_x) * np.sqrt(of_y), 1.0)
    return np.where(defined, np.clip(both / norm, -1.0, 1.0), np.nan)


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


def _row(observed: Observed, rows: Rows, others: Floats, variance: Floats) -> dict[str, Any]:
    intensity, own = observed.intensity[rows], observed.variance[rows]
    mean, error = others[rows], variance[rows]
    several = np.isfinite(mean)
    difference = (intensity - mean)[several]
    # the mean of all includes the observation, which draws it nearer by this factor
    shrink = (error / (error + own))[several]
    total = float(np.abs(intensity[several]).sum())
    return {
        "n_obs": len(rows),
        "n_unique": len(np.unique(observed.place[rows])),
        "i_over_sigma": float((intensity / np.sqrt(own)).mean()),
        "r_merge": float(np.abs(difference * (1 - shrink)).sum()) / total if total > 0 else None,
        "chi_squared": float(np.mean(difference**2 / (own + error)[several]))
        if several.any()
        else None,
        "cc_others": cc_half(intensity[several], mean[several]),
    }
