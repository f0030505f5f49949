"""Bad pixels of runs of one detector, run by run and together."""

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
    runs : names of the runs.
    n_images : number of images used.
    pixels : the bad pixels.
    problems : images that could not be used: keys run, image, step, reason.
    """

    runs: tuple[str, ...]
    n_images: int
    pixels: BadPixels
    problems: tuple[Mapping[str, Any], ...] = ()


def groups_of_runs(
    experiments: Sequence[Experiment],
    shapes: Sequence[tuple[int, ...]],
) -> list[list[int]]:
    """Return groups of runs (by index, each once) that share a detector: frames and panels of one
    layout.

    shapes : (slow, fast) of the frames of each run.
    """
    groups: dict[object, list[int]] = {}
    for i, (experiment, shape) in enumerate(zip(experiments, shapes, strict=True)):
        layout = tuple((p.offset, p.image_size) for p in experiment.detector.panels)
        groups.setdefault((tuple(shape), layout), []).append(i)
    return list(groups.values())


def by_votes(verdicts: Sequence[Verdict], *, every: bool) -> Verdict:
    """Return the pixels that are bad in any run, or in every one.

    A pixel is listed with the evidence of the first run in which it is bad.
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
    """Return a key (n,) for each pixel, in the order of panel, slow, fast."""
    return np.asarray((pixels.panel << 40) | (pixels.slow << 20) | pixels.fast)
