"""The step `calibrate_detector`: the response of each detector by the pixels of its spots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Detector, ExperimentList
from dxdask.response.fit import ResponseFit, fit_response
from dxdask.response.model import DetectorResponse
from dxdask.response.parameters import CalibrateDetectorParameters
from dxdask.results import StepResult
from dxdask.tables import Table

_HEADINGS = {
    "factor": ("factor", ".6f"),
    "factor_su": ("su", ".6f"),
    "offset": ("offset", ".4f"),
    "offset_su": ("su", ".4f"),
    "saturation": ("saturation", "g"),
    "examined": ("examined\nbelow", "d"),
    "n_skipped": ("skipped\ncounts", "d"),
}


def calibrate_detector(
    values: Mapping[str, NDArray[Any]],
    experiments: ExperimentList,
    parameters: CalibrateDetectorParameters | None = None,
) -> StepResult:
    """Return the response of each detector by the counts that its pixels never have.

    Parameters
    ----------
    values : of each run, (n,) counts of the pixels of its spots, as recorded.
    experiments : the runs; those that share a detector are taken together.
    parameters : range of counts.

    Returns
    -------
    StepResult
        no reflections; table `detector_response`, a row a run: threshold (photons), factor, offset
        (counts) with their standard uncertainties, None for a detector without a second law.
    """
    parameters = parameters or CalibrateDetectorParameters()
    rows, messages = [], []
    for runs, detector in _detectors(experiments):
        saturation = min((p.trusted_range[1] for p in detector.panels), default=np.inf)
        largest = int(min(parameters.largest_count, max(saturation, 1.0)))
        found = _fit([values[run] for run in runs], detector, largest)
        rows += [_row(run, found, float(saturation)) for run in runs]
        name = runs[0] if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        messages.append(f"{name}: {_verdict(found)}")
    table = Table(
        name="detector_response",
        title="Counts recorded for n photons, factor n + offset from the threshold on, by the "
        "counts that are skipped",
        rows=rows,
        headings=_HEADINGS,
    )
    return StepResult(
        experiments=experiments, reflections={}, tables=(table,), messages=tuple(messages)
    )


def response_of_run(tables: Sequence[Table], run: str) -> DetectorResponse | None:
    """Return the response of a run from the tables of the step; None where there is none."""
    for table in (t for t in tables if t.name == "detector_response"):
        for row in table.rows:
            if row["run"] == run and row["threshold"] is not None:
                names = DetectorResponse.__dataclass_fields__
                return DetectorResponse.from_dict({name: row[name] for name in names})
    return None


def _detectors(experiments: ExperimentList) -> list[tuple[list[str], Detector]]:
    """Return the runs of each detector: those with the same gain and trusted range."""
    groups: dict[Any, tuple[list[str], Detector]] = {}
    for run in experiments.runs:
        detector = next(e for e in experiments if e.run == run).detector
        key = tuple((p.gain, p.pedestal, p.trusted_range) for p in detector.panels)
        groups.setdefault(key, ([], detector))[0].append(run)
    return list(groups.values())


def _fit(values: Sequence[NDArray[Any]], detector: Detector, largest: int) -> ResponseFit:
    nothing = np.empty(0, np.int64)
    if any(p.gain not in (0.0, 1.0) or p.pedestal for p in detector.panels):
        return ResponseFit(None, 0, nothing, "counts are scaled by a gain or a pedestal")
    histogram = np.zeros(largest + 1, np.int64)
    for v in values:
        if not np.array_equal(v, np.rint(v)):
            return ResponseFit(None, 0, nothing, "counts are not whole numbers")
        inside = v[(v >= 0) & (v < largest)].astype(np.int64)
        histogram += np.bincount(inside, minlength=largest + 1)
    found = fit_response(histogram)
    if found.response is not None and found.response.factor < 1.0:
        return found._replace(response=None, reason="the factor is below 1, which skips no counts")
    return found


def _row(run: str, found: ResponseFit, saturation: float) -> dict[str, Any]:
    given = dict.fromkeys(DetectorResponse.__dataclass_fields__)
    if found.response is not None:
        given = found.response.to_dict()
    return {
        "run": run,
        **given,
        "saturation": saturation if np.isfinite(saturation) else None,
        "examined": found.largest,
        "n_skipped": len(found.skipped),
        "note": found.reason,
    }


def _verdict(found: ResponseFit) -> str:
    r = found.response
    if r is None:
        return f"no second law below {found.largest} counts: {found.reason}"
    return (
        f"from {r.threshold} photons on counts are {r.factor:.5f} n + {r.offset:.3f} "
        f"(su {r.factor_su:.5f}, {r.offset_su:.3f})"
    )
