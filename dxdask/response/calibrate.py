"""The step `calibrate_detector`: the response of each detector by the pixels of its spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, ExperimentList
from dxdask.response.by_transmissions import FEWEST_PIXELS, fit_by_transmissions
from dxdask.response.compared_runs import PixelsOfRun, compared_runs, counts_of_runs
from dxdask.response.fit import fit_response
from dxdask.response.parameters import CalibrateDetectorParameters
from dxdask.response.ratios import PairedCounts
from dxdask.response.reports import (
    Found,
    linearity_message,
    linearity_rows,
    linearity_table,
    response_row,
    response_table,
    verdict,
)
from dxdask.results import StepResult
from dxdask.tables import Table


def calibrate_detector(
    values: Mapping[str, NDArray[Any]],
    experiments: ExperimentList,
    parameters: CalibrateDetectorParameters | None = None,
    pixels: PixelsOfRun | None = None,
) -> StepResult:
    """Return the response of each detector, and how linear it is with and without it.

    The response is that of the counts that pixels never have, or of the ratios of runs of one scan
    at several transmissions; see `fit` and `by_transmissions`.

    Parameters
    ----------
    values : of each run, (n,) counts of the pixels of its spots, as recorded.
    experiments : the runs; those that share a detector are taken together.
    parameters : method, and range of counts.
    pixels : returns the pixels of a run by their position; None where runs are not compared.

    Returns
    -------
    StepResult
        no reflections; table `detector_response`, a row a run: threshold (photons), factor, offset
        (counts) with their standard uncertainties, None for a detector without a second law, and
        the method; table `detector_linearity`, of runs that were compared: deviations of ratios
        by photons, of counts and of photons.
    """
    parameters = parameters or CalibrateDetectorParameters()
    rows, messages, linearity = [], [], []
    for runs, detector in _detectors(experiments):
        is_scaled = any(p.gain not in (0.0, 1.0) or p.pedestal for p in detector.panels)
        compared = [] if pixels is None or is_scaled else compared_runs(experiments, runs)
        pairs = counts_of_runs(compared, pixels) if compared and pixels is not None else None
        if is_scaled:
            found = Found(reason="counts are scaled by a gain or a pedestal")
        else:
            found = _found([values[run] for run in runs], detector, parameters, pairs)
        saturation = min((p.trusted_range[1] for p in detector.panels), default=np.inf)
        rows += [response_row(run, found, float(saturation)) for run in runs]
        name = runs[0] if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        messages.append(f"{name}: {verdict(found)}")
        if pairs is not None and len(pairs.low) >= FEWEST_PIXELS:
            more, laws = linearity_rows(pairs, found.response)
            linearity += [{"runs": name, **row} for row in more]
            messages.append(f"{name}: {linearity_message(more, laws, compared)}")
    tables: list[Table] = [response_table(rows)]
    if linearity:
        tables.append(linearity_table(linearity))
    return StepResult(
        experiments=experiments, reflections={}, tables=tuple(tables), messages=tuple(messages)
    )


def _detectors(experiments: ExperimentList) -> list[tuple[list[str], Detector]]:
    """Return the runs of each detector: those with the same gain and trusted range."""
    groups: dict[Any, tuple[list[str], Detector]] = {}
    for run in experiments.runs:
        detector = next(e for e in experiments if e.run == run).detector
        key = tuple((p.gain, p.pedestal, p.trusted_range) for p in detector.panels)
        groups.setdefault(key, ([], detector))[0].append(run)
    return list(groups.values())


def _found(
    values: Sequence[NDArray[Any]],
    detector: Detector,
    parameters: CalibrateDetectorParameters,
    pairs: PairedCounts | None,
) -> Found:
    """Return the response by the method that is asked for; pairs : of compared runs."""
    found = Found()
    if parameters.method != "transmissions":
        saturation = min((p.trusted_range[1] for p in detector.panels), default=np.inf)
        found = _by_skipped(values, int(min(parameters.largest_count, max(saturation, 1.0))))
        if found.response is not None or parameters.method == "skipped_counts":
            return found
    if pairs is None:
        reason = "there are no runs of one scan at several transmissions to compare"
        return found._replace(reason=f"{found.reason}; {reason}" if found.reason else reason)
    fit = fit_by_transmissions(pairs)
    reason = fit.reason if fit.response is not None or not found.reason else (
        f"{found.reason}; {fit.reason}"
    )  # fmt: skip
    return found._replace(
        response=fit.response, method="transmissions", reason=reason, n_pixels=fit.n_pixels,
        chi2=fit.chi2, chi2_linear=fit.chi2_linear,
    )  # fmt: skip


def _by_skipped(values: Sequence[NDArray[Any]], largest: int) -> Found:
    histogram = np.zeros(largest + 1, np.int64)
    for v in values:
        if not np.array_equal(v, np.rint(v)):
            return Found(reason="counts are not whole numbers")
        inside = v[(v >= 0) & (v < largest)].astype(np.int64)
        histogram += np.bincount(inside, minlength=largest + 1)
    fit = fit_response(histogram)
    found = Found(
        response=fit.response, method="skipped counts", reason=fit.reason, examined=fit.largest,
        n_skipped=len(fit.skipped),
    )  # fmt: skip
    if fit.response is not None and fit.response.factor < 1.0:
        return found._replace(response=None, reason="the factor is below 1, which skips no counts")
    return found
