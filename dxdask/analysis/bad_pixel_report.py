"""The result of `find_bad_pixels`: masks, tables and messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.analysis.bad_pixel_groups import Verdict
from dxdask.analysis.parameters import BadPixelParameters
from dxdask.analysis.pixel_verdict import REASONS
from dxdask.arrays import Mask
from dxdask.masking import as_arrays
from dxdask.models import Detector, ExperimentList
from dxdask.results import StepResult
from dxdask.tables import Table

HEADINGS = {
    "n_hot": ("hot", "d"),
    "n_dead": ("dead", "d"),
    "n_strong": ("strong", "d"),
    "n_untrusted": ("untrusted", "d"),
    "n_images": ("images", "d"),
}


def result_of_verdicts(
    experiments: ExperimentList,
    masks: Sequence[Mask],
    of_runs: Sequence[Verdict],
    of_groups: Sequence[Verdict],
    parameters: BadPixelParameters,
) -> StepResult:
    """Return the result of the step.

    Parameters
    ----------
    experiments : the first of each run is used.
    masks : (slow, fast) of the frames of each run, as known before, True is good.
    of_runs : the verdict of each run on its own.
    of_groups : the verdict of each group of runs, which is applied to the masks.
    """
    runs, detectors = experiments.runs, _detectors(experiments)
    good = {run: mask.copy() for run, mask in zip(runs, masks, strict=True)}
    rows: list[dict[str, Any]] = []
    lines = []
    for verdict in of_groups:
        detector, label = detectors[verdict.runs[0]], _label(verdict, runs)
        places = frame_places(verdict, detector)
        for run in verdict.runs:
            good[run][places[:, 0], places[:, 1]] = False
        rows += _pixel_rows(verdict, label)
        lines.append(_line(verdict, label, parameters))
        if parameters.output.print_values:
            lines += [f"mask: {slow} {fast} 16" for slow, fast in sorted(places.tolist())]
    together = [v for v in of_groups if len(v.runs) > 1]
    summary = [_summary(v, _label(v, runs)) for v in (*of_runs, *together)]
    return StepResult(
        experiments=experiments,
        reflections={},
        arrays=as_arrays("mask", good),
        tables=(_summary_table(summary), _pixels_table(rows)),
        messages=tuple(lines),
        problems=tuple(p for v in of_runs for p in v.problems),
    )


def frame_places(verdict: Verdict, detector: Detector) -> NDArray[np.int64]:
    """Return the positions of the bad pixels in the stored frame: (n, 2), slow and fast."""
    offset = np.array([p.offset[::-1] for p in detector.panels], np.int64)[verdict.pixels.panel]
    return np.stack([verdict.pixels.slow, verdict.pixels.fast], axis=1) + offset


def _detectors(experiments: ExperimentList) -> dict[str, Detector]:
    found: dict[str, Detector] = {}
    for experiment in experiments:
        found.setdefault(experiment.run, experiment.detector)
    return found


def _label(verdict: Verdict, runs: tuple[str, ...]) -> str:
    whole = len(verdict.runs) > 1 and verdict.runs == runs
    return "all" if whole else ", ".join(verdict.runs)


def _line(verdict: Verdict, label: str, parameters: BadPixelParameters) -> str:
    n = _summary(verdict, label)
    text = (
        f"{label}: {len(verdict.pixels.slow)} bad pixels that were not masked before, by "
        f"{n['n_images']} images: {n['n_dead']} dead, {n['n_hot']} hot, {n['n_strong']} strong, "
        f"{n['n_untrusted']} untrusted"
    )
    if verdict.n_images < parameters.min_images:
        text += f"; hot and strong ones need at least min_images={parameters.min_images} images"
    return text


def _summary(verdict: Verdict, label: str) -> dict[str, Any]:
    counts = np.bincount(verdict.pixels.reason, minlength=len(REASONS))
    n = {name: int(count) for name, count in zip(REASONS, counts, strict=True)}
    return {
        "run": label,
        **{f"n_{name}": n[name] for name in ("hot", "dead", "strong", "untrusted")},
        "n_images": verdict.n_images,
    }


def _pixel_rows(verdict: Verdict, label: str) -> list[dict[str, Any]]:
    p = verdict.pixels
    return [
        {
            "run": label,
            "panel": panel,
            "slow": slow,
            "fast": fast,
            "reason": REASONS[reason],
            "value": _number(value),
            "expected": _number(expected),
            "fraction": _number(fraction),
        }
        for panel, slow, fast, reason, value, expected, fraction in zip(
            *(column.tolist() for column in p), strict=True
        )
    ]


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _summary_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    return Table(name="summary", title="Bad pixels", rows=rows, headings=HEADINGS)


def _pixels_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    headings = {
        "value": ("mean count", ".3f"),
        "expected": ("of\nneighbours", ".3f"),
        "fraction": ("of images\nstrong", ".2f"),
    }
    return Table(
        name="pixels", title="Bad pixels by panel", rows=rows, headings=headings, printed=False
    )
