"""Runs of one detector, and what they say together of its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.analysis.pixel_verdict import BadPixels, take
from dxdask.models import Experiment


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The bad pixels of a run, or of several together.

    Attributes
    ----------
    runs : which.
    n_images : that were used.
    pixels : what is bad.
    problems : of images that could not be used: keys run, image, step, reason.
    """

    runs: tuple[str, ...]
    n_images: int
    pixels: BadPixels
    problems: tuple[Mapping[str, Any], ...] = ()


def groups_of_runs(
    experiments: Sequence[Experiment],
    shapes: Sequence[tuple[int, ...]],
) -> list[list[int]]:
    """Return which runs (by index, each once) share a detector: frames and panels of one layout.

    shapes : of the frames (slow, fast) of each run.
    """
    groups: dict[object, list[int]] = {}
    for i, (experiment, shape) in enumerate(zip(experiments, shapes, strict=True)):
        layout = tuple((p.offset, p.image_size) for p in experiment.detector.panels)
        groups.setdefault((tuple(shape), layout), []).append(i)
    return list(groups.values())


def by_votes(verdicts: Sequence[Verdict], *, every: bool) -> Verdict:
    """Return what is bad by the verdict of any run, or of every one.

    A pixel is shown with the evidence of the first run that calls it bad.
    """
    keys = [_keys(v.pixels) for v in verdicts]
    joined = BadPixels(
        *(np.concatenate(c) for c in zip(*(v.pixels for v in verdicts), strict=True))
    )
    unique, first, votes = np.unique(np.concatenate(keys), return_index=True, return_counts=True)
    chosen = first[votes == len(verdicts)] if every else first[np.arange(len(unique))]
    return Verdict(
        runs=tuple(r for v in verdicts for r in v.runs),
        n_images=sum(v.n_images for v in verdicts),
        pixels=take(joined, chosen),
    )


def _keys(pixels: BadPixels) -> NDArray[np.int64]:
    """Return a number (n,) for each pixel, in the order of panel, slow, fast."""
    return np.asarray((pixels.panel << 40) | (pixels.slow << 20) | pixels.fast)
