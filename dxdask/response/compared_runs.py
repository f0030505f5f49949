"""Runs of one scan at several transmissions, whose pixels are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from dxdask.models import ExperimentList
from dxdask.response.peaks import PixelCounts, pixel_pairs
from dxdask.response.ratios import PairedCounts, paired_counts

PixelsOfRun: TypeAlias = Callable[[str], PixelCounts]
MOST_RUNS = 6
LEAST_RATIO = 1.1
"""Of transmissions that count as different."""


def compared_runs(experiments: ExperimentList, runs: Sequence[str]) -> list[str]:
    """Return the runs of the scan with the most transmissions, ascending; fewer than 2: none.

    Of many transmissions `MOST_RUNS` are taken, spread over all of them.
    """
    scans: dict[object, list[tuple[float, str]]] = {}
    for run in runs:
        experiment = next(e for e in experiments if e.run == run)
        if experiment.scan is not None and experiment.beam.transmission > 0.0:
            key = (
                experiment.scan.image_range,
                experiment.scan.oscillation,
                *experiment.scan.angles,
            )
            scans.setdefault(key, []).append((float(experiment.beam.transmission), run))
    best: list[tuple[float, str]] = []
    for members in scans.values():
        different: list[tuple[float, str]] = []
        for transmission, run in sorted(members):
            if not different or transmission >= LEAST_RATIO * different[-1][0]:
                different.append((transmission, run))
        best = max(best, different, key=len)
    if len(best) < 2:
        return []
    chosen = np.unique(np.linspace(0, len(best) - 1, MOST_RUNS).round().astype(int))
    return [best[i][1] for i in chosen]


def counts_of_runs(runs: Sequence[str], pixels: PixelsOfRun) -> PairedCounts:
    """Return the counts of the same pixels in all pairs of these runs."""
    counts = [pixels(run) for run in runs]
    pairs = [
        (i, j, found)
        for j in range(len(runs))
        for i in range(j)
        if (found := pixel_pairs(counts[i], counts[j])) is not None
    ]
    return paired_counts(pairs, len(runs))
