"""Exclusions from scaling, by reason, and warnings about its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.scaling.error_model import LARGEST_B, ErrorModel
from dxdask.scaling.failures import FAILURES
from dxdask.scaling.intensities import is_variance
from dxdask.scaling.observations import is_corrected
from dxdask.scaling.parameters import CutDataParameters
from dxdask.scaling.scaled import Scaled
from dxdask.tables import Table

_FEW = 0.5  # of the integrated reflections
_WIDEST = 10.0  # largest over least scale of a run
_MOST = 3.0  # a of the error model: scatter over the errors of counting


def exclusions(
    reflections: Reflections,
    d: Floats,
    well: Mask,
    kept: Mask,
    excluded: Mask,
    cut: CutDataParameters,
) -> list[dict[str, Any]]:
    """Return rows (reason, n) of the reflections that are not scaled, each counted once.

    Parameters
    ----------
    reflections : integrated. d : (n,) Angstrom.
    well, kept : (n,), integrated well, and within the limits too. excluded : (n,), by image.
    cut : the limits.
    """
    left, rows = ~well, []

    def count(reason: str, among: Mask) -> None:
        if n := int(among.sum()):
            rows.append({"reason": reason, "n": n})

    for flag, reason in FAILURES:
        failed = left & has_flag(reflections, flag)
        count(reason, failed)
        left = left & ~failed
    summed = has_flag(reflections, Flag.INTEGRATED_SUM)
    for reason, out in (
        ("variance negative or not finite", ~is_variance(reflections["intensity_sum_variance"])),
        ("intensity not finite", ~np.isfinite(reflections["intensity_sum"])),
        ("lp, qe, partiality or z_cal not known", ~is_corrected(reflections)),
    ):
        count(reason, left & summed & out)
        left = left & ~(summed & out)
    count("not integrated", left)
    left = well & ~kept
    count("exclude_images", left & excluded)
    left = left & ~excluded
    for reason, out in (
        ("partiality", reflections["partiality"] < max(cut.partiality_cutoff, 1e-3)),
        ("resolution", (d < (cut.d_min or 0.0)) | (d > (cut.d_max or np.inf))),
    ):
        count(reason, left & out)
        left = left & ~out
    count("I/sigma", left)
    return rows


def exclusion_table(excluded: Sequence[Mapping[str, Any]], scaled: Scaled) -> Table:
    """Return the table `exclusions`: of `exclusions`, and of what scaling itself leaves out."""
    rows = list(excluded)
    for reason, out in (
        ("delta CC1/2", scaled.removed),
        ("small scale", scaled.faint),
        ("outlier", scaled.outlier),
    ):
        if n := int(out.sum()):
            rows.append({"reason": reason, "n": n})
    return Table(name="exclusions", title="Reflections left out of scaling", rows=rows)


def _undetermined(scaled: Scaled) -> list[str]:
    """Return lines about what the data do not determine."""
    obs = scaled.observations
    if not (np.diff(obs.offsets) > 1).any():
        return [
            "every unique reflection was observed once: neither scales nor errors are determined; "
            "check the space group, or process more images"
        ]
    lines = []
    counts = np.bincount(obs.experiment, minlength=scaled.model.n_experiments)
    if empty := int((counts == 0).sum()):
        lines.append(f"{empty} of {len(counts)} runs have no reflection that can be scaled")
    return lines


def warnings(scaled: Scaled, n_all: int, excluded: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return lines about what is suspicious.

    n_all : number of integrated reflections. excluded : rows of `exclusion_table`.
    """
    lines = []
    used = int((~scaled.outlier & ~scaled.faint & ~scaled.removed).sum())
    if used < _FEW * n_all:
        worst = max(excluded, key=lambda row: int(row["n"]))
        lines.append(
            f"only {used} of {n_all} reflections are scaled; most of the others: "
            f"{worst['reason']} ({worst['n']}), see the table exclusions"
        )
    lines.extend(_undetermined(scaled))
    both = scaled.observations.estimates
    if both.has_fit.any() and both.has_sum.mean() < _FEW:
        lines.append(
            f"only {int(both.has_sum.sum())} of {len(both.has_sum)} reflections have a sum of "
            "their own: the others overlap or have bad pixels, and depend on fitted profiles alone"
        )
    lines.extend(_of_scales(scaled))
    lines.extend(_of_errors(scaled.error_model))
    return tuple(f"Warning: {line}" for line in lines)


def _of_scales(scaled: Scaled) -> list[str]:
    """Return lines about scales that vary much, or are too small."""
    lines = []
    g, experiment = scaled.g[~scaled.faint], scaled.observations.experiment[~scaled.faint]
    n = scaled.model.n_experiments
    least, most = np.full(n, np.inf), np.zeros(n)
    np.minimum.at(least, experiment, g)
    np.maximum.at(most, experiment, g)
    wide = int((most > _WIDEST * least).sum())
    if wide:
        lines.append(
            f"scales of {wide} of {n} runs range over more than a factor of {_WIDEST:g}, up to "
            f"{float((most / least).max()):.0f}: check the table runs, and leave out images "
            "that hardly diffract"
        )
    if faint := int(scaled.faint.sum()):
        lines.append(
            f"{faint} observations are left out because the scale is too small "
            "(cut_data.small_scale_cutoff)"
        )
    return lines


def _of_errors(errors: ErrorModel) -> list[str]:
    """Return lines about equivalents that scatter more than they should."""
    lines = []
    if errors.b >= 0.99 * LARGEST_B:
        lines.append(f"b of the error model is at its limit of {LARGEST_B:g}: equivalents disagree")
    if errors.a > _MOST:
        lines.append(
            f"equivalents scatter {errors.a:.1f} times as much as counting explains: check the "
            "space group, gain and detector"
        )
    return lines
