"""The step `find_bad_pixels`: pixels that are dead, hot or strong in too many images.

The criterion of dials.find_bad_pixels, strong in half of the images, finds bright pixels. Each
pixel is also compared with its neighbours over all images, see `dxdask.analysis.pixel_verdict`:
that finds dead and slightly bright pixels, and does not reject pixels on a steep background.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.analysis.bad_pixel_groups import Verdict, by_votes, groups_of_runs
from dxdask.analysis.bad_pixel_report import result_of_verdicts
from dxdask.analysis.images import chosen_frames, good_pixels, require_counts
from dxdask.analysis.parameters import BadPixelParameters
from dxdask.analysis.pixel_evidence import EvidenceOfPanel, PanelEvidence, combine_panel_evidence
from dxdask.analysis.pixel_verdict import bad_pixels
from dxdask.arrays import Mask
from dxdask.models import Experiment, ExperimentList
from dxdask.results import StepResult

NOTHING_TRUSTED = "no pixel is good and within the trusted range"

Problems = tuple[Mapping[str, Any], ...]


class RunEvidence(NamedTuple):
    """Evidence of images of a run.

    Attributes
    ----------
    panels : the evidence on each panel.
    n_images : number of images used.
    problems : images that could not be used.
    """

    panels: tuple[PanelEvidence, ...]
    n_images: int
    problems: Problems = ()


def find_bad_pixels(
    frames: Sequence[NDArray[Any]],
    experiments: ExperimentList,
    masks: Sequence[Mask | None] | None = None,
    parameters: BadPixelParameters | None = None,
) -> StepResult:
    """Return the bad pixels of the detectors of runs, in memory.

    Parameters
    ----------
    frames : for each run (frame, slow, fast) integers, counts, all of the run.
    experiments : of the runs, in the order of the frames.
    masks : for each run (slow, fast), True is good; None for all. Masked pixels are not reported.
    parameters : by default all images of all runs of a detector are combined.

    Returns
    -------
    StepResult
        no reflections; tables `summary` (run, n_hot, n_dead, n_strong, n_untrusted, n_images: each
        run by its own images, then those of one detector together, which is applied) and `pixels`
        (run, panel, slow, fast in the panel, reason, value, expected, fraction); arrays `mask`
        (run, slow, fast) bool, True where a pixel was good before and is not bad, or `mask_RUN`
        (slow, fast) where frames differ in size. problems : images not used.

    Raises
    ------
    InputError
        Frames do not hold the panels, or are no numbers; an image is not in the run.
    ParameterError
        Both images and image_range are given.
    """
    parameters = parameters or BadPixelParameters()
    runs = first_of_runs(experiments)
    given = list(masks) if masks is not None else [None] * len(runs)
    known = [known_mask(m, f.shape) for m, f in zip(given, frames, strict=True)]
    evidence = []
    for f, e, m in zip(frames, runs, known, strict=True):
        adder = EvidenceOfRun(e, m, parameters, f.dtype, len(f))
        adder.add(f, 0, images_used(e, f, parameters))
        evidence.append(adder.result())
    own = [verdict(e, [x], [m], parameters) for e, x, m in zip(evidence, runs, known, strict=True)]
    together = []
    for group in judged_together(runs, [f.shape[1:] for f in frames], parameters):
        if len(group) > 1 and parameters.combine == "joint":
            whole = combine_evidence([evidence[i] for i in group])
            together.append(
                verdict(whole, [runs[i] for i in group], [known[i] for i in group], parameters)
            )
        else:
            together.append(of_group([own[i] for i in group], parameters))
    return result_of_verdicts(experiments, known, own, together, parameters)


def first_of_runs(experiments: ExperimentList) -> list[Experiment]:
    """Return the first experiment of each run, in order: those of a run share a detector."""
    found: dict[str, Experiment] = {}
    for experiment in experiments:
        found.setdefault(experiment.run, experiment)
    return list(found.values())


def judged_together(
    experiments: Sequence[Experiment],
    shapes: Sequence[tuple[int, ...]],
    parameters: BadPixelParameters,
) -> list[list[int]]:
    """Return groups of runs (by index) with a common verdict; shapes : (slow, fast) of frames."""
    if parameters.combine == "each":
        return [[i] for i in range(len(experiments))]
    return groups_of_runs(experiments, shapes)


def known_mask(mask: Mask | None, shape: tuple[int, ...]) -> Mask:
    """Return the mask (slow, fast) of frames of this shape (frame, slow, fast)."""
    return np.ones(shape[1:], np.bool_) if mask is None else mask


def images_used(
    experiment: Experiment, frames: Any, parameters: BadPixelParameters
) -> frozenset[int]:
    """Return the frames of a run that are used, numbered from 0; frames has a shape and a dtype.

    Raises
    ------
    InputError, ParameterError
        See `find_bad_pixels`.
    """
    require_counts(frames, experiment)
    chosen = chosen_frames(
        experiment,
        frames.shape[0],
        images=parameters.images,
        image_range=parameters.image_range,
        max_images=parameters.max_images,
    )
    return frozenset(chosen.tolist())


class EvidenceOfRun:
    """Accumulates the evidence of the images of a run, block by block.

    Parameters
    ----------
    experiment, mask : of the run; mask (slow, fast), True is good.
    dtype : of the frames, integers or floating.
    n_most : largest number of frames.
    """

    def __init__(
        self,
        experiment: Experiment,
        mask: Mask,
        parameters: BadPixelParameters,
        dtype: np.dtype[Any],
        n_most: int,
    ) -> None:
        self._run, self._first_image = experiment.run, experiment.first_image
        good = good_pixels(experiment, mask)
        self._panels = [
            EvidenceOfPanel(panel, experiment.beam, g, dtype, parameters.threshold, n_most)
            for panel, g in zip(experiment.detector.panels, good, strict=True)
        ]
        self._n_images = 0
        self._problems: list[Mapping[str, Any]] = []

    def add(
        self,
        frames: NDArray[Any],
        first: int,
        used: Collection[int],
        unread: Mapping[int, str] | None = None,
    ) -> None:
        """Add frames (frame, slow, fast), the first of them number `first` of the run from 0.

        used : those of the run to use. unread : frame of these -> reason why it was not read.
        """
        unread = unread or {}
        for i in range(len(frames)):
            if first + i not in used:
                continue
            reason = unread.get(i)
            if reason is None:
                trusted = [panel.add(frames[i]) for panel in self._panels]
                reason = None if any(trusted) else NOTHING_TRUSTED
            if reason is None:
                self._n_images += 1
            else:
                self._problems.append(
                    {
                        "run": self._run,
                        "image": self._first_image + first + i,
                        "step": "find_bad_pixels",
                        "reason": reason,
                    }
                )

    def result(self) -> RunEvidence:
        """Return the evidence of the frames added."""
        panels = tuple(panel.result() for panel in self._panels)
        return RunEvidence(panels, self._n_images, tuple(self._problems))


def combine_evidence(parts: Sequence[RunEvidence]) -> RunEvidence:
    """Return the evidence of all images of the parts; problems are in the order of the parts."""
    return RunEvidence(
        tuple(
            combine_panel_evidence(panel) for panel in zip(*(p.panels for p in parts), strict=True)
        ),
        sum(p.n_images for p in parts),
        tuple(problem for p in parts for problem in p.problems),
    )


def verdict(
    evidence: RunEvidence,
    experiments: Sequence[Experiment],
    masks: Sequence[Mask],
    parameters: BadPixelParameters,
) -> Verdict:
    """Return the bad pixels by all images of runs of one detector.

    masks : (slow, fast) of each; a pixel that is good in any of them is tested.
    """
    goods = [good_pixels(e, m) for e, m in zip(experiments, masks, strict=True)]
    good = [np.logical_or.reduce(panel) for panel in zip(*goods, strict=True)]
    panels = experiments[0].detector.panels
    return Verdict(
        runs=tuple(e.run for e in experiments),
        n_images=evidence.n_images,
        pixels=bad_pixels(evidence.panels, panels, good, parameters),
        problems=evidence.problems,
    )


def of_group(own: Sequence[Verdict], parameters: BadPixelParameters) -> Verdict:
    """Return the verdict of runs of one detector by those of the runs: bad in any, or in all."""
    return own[0] if len(own) == 1 else by_votes(own, every=parameters.combine == "all")
