"""Bad pixels of stills, by a sample of the images, found before the spots of any image.

The spots of a still are indexed and integrated as soon as they are found, so the mask has to be
there before. The evidence and its limits are those of sweeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.results import StepResult
from dxdask.spotfinding.bad_pixels import (
    FEWEST_IMAGES,
    HOT,
    BadPixels,
    find_in,
    line_of,
    mask_of,
    table_of,
)
from dxdask.spotfinding.extract import FramePiece, strong_pixels
from dxdask.spotfinding.images import ZRange, first_z, is_used, z_ranges
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.pixel_evidence import PixelEvidence, combine_evidence
from dxdask.spotfinding.workspaces import Workspace


class SampleEvidence(NamedTuple):
    """Evidence of consecutive images of a sample; n_images : number of those that were used."""

    evidence: PixelEvidence | None
    n_images: int


class SampledBadPixels(NamedTuple):
    """Bad pixels of a run by a sample of its images.

    Attributes
    ----------
    bad : the bad pixels; None where the images are too few to find any.
    mask : (slow, fast) of the stored frame, False where a pixel is bad.
    n_images : number of images used.
    """

    bad: BadPixels | None
    mask: Mask
    n_images: int

    def of_panels(self, masks: Sequence[Mask], experiment: Experiment) -> tuple[Mask, ...]:
        """Return the masks (slow, fast) of panels without the bad pixels."""
        panels = experiment.detector.panels
        return tuple(m & self.mask[p.slices] for m, p in zip(masks, panels, strict=True))


def is_sampled(experiment: Experiment, parameters: SpotfinderParameters) -> bool:
    """Return whether bad pixels are found by a sample of the images: those of stills."""
    scan = experiment.scan
    return parameters.mask_bad_pixels and (scan is None or scan.is_still)


def sampled_images(
    experiment: Experiment, parameters: SpotfinderParameters, n_run: int
) -> list[int]:
    """Return the images of the sample, from 0 in ascending order: spread evenly over those used.

    n_run : number of images of the run.

    Raises
    ------
    InputError
        See `z_ranges`.
    """
    ranges: Sequence[ZRange] = z_ranges(experiment, parameters, n_run)
    z0, most = first_z(experiment), parameters.bad_pixel_images
    used = np.array([i for i in range(n_run) if is_used(z0 + i, ranges)], np.int64)
    if len(used) > most:
        used = used[np.rint(np.linspace(0, len(used) - 1, most)).astype(np.int64)]
    return [int(i) for i in used]


def evidence_of_images(
    frames: NDArray[Any],
    first: int,
    experiment: Experiment,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    unread: Mapping[int, str] = MappingProxyType({}),
    maps: PixelMaps | None = None,
    workspace: Workspace | None = None,
) -> SampleEvidence:
    """Return the evidence of some images of a sample.

    frames : (n, slow, fast), the first of them number `first` of the sample. masks : one
    (slow, fast) a panel, True is good. unread : frame of these -> reason why it was not read.
    maps : gain and pedestal of single pixels. workspace : used with these masks only.
    """
    found = strong_pixels(
        (FramePiece(first, frames, unread),), experiment, masks,
        parameters.model_copy(update={"mask_bad_pixels": True, "compute_mean_background": False}),
        first_z=first, n_frames=len(frames), maps=maps, workspace=workspace,
    )  # fmt: skip
    return SampleEvidence(found.evidence, len(frames) - len(found.reasons))


def combine_samples(parts: Sequence[SampleEvidence]) -> SampleEvidence:
    """Return the evidence of all images of the parts, which are consecutive."""
    return SampleEvidence(
        combine_evidence([p.evidence for p in parts]), sum(p.n_images for p in parts)
    )


def bad_pixels_of_sample(
    sample: SampleEvidence, experiment: Experiment, frame_shape: tuple[int, int]
) -> SampledBadPixels:
    """Return the bad pixels by the evidence of the images of a sample; none by too few of them.

    frame_shape : (slow, fast) of the stored frames.
    """
    n = sample.n_images
    if sample.evidence is None or n < FEWEST_IMAGES:
        return SampledBadPixels(None, np.ones(frame_shape, np.bool_), n)
    bad = find_in(sample.evidence, experiment, np.arange(n))
    return SampledBadPixels(bad, mask_of(bad, experiment.detector, frame_shape), n)


def with_bad_pixels(
    result: StepResult, found: SampledBadPixels, experiment: Experiment
) -> StepResult:
    """Return the result of find_spots of one run with its array and table of bad pixels.

    It has the array bad_pixel_mask (slow, fast), the table bad_pixels and a message, as that of a
    sweep. In an array hot_mask those that are hot are false, too: they are masked before it can be
    seen whether they are strong on all images.
    """
    bad, n = found.bad, found.n_images
    if bad is None:
        line = f"{n} images are too few to find bad pixels ({FEWEST_IMAGES} needed): none masked"
        return replace(result, messages=(*result.messages, line))
    lines = (line_of(bad, n_images=n),) if len(bad.key) else ()
    arrays = {**result.arrays, "bad_pixel_mask": found.mask}
    if "hot_mask" in arrays:
        hot = BadPixels(*(column[bad.reason == HOT] for column in bad))
        arrays["hot_mask"] &= mask_of(hot, experiment.detector, found.mask.shape)
    return replace(
        result,
        arrays=arrays,
        tables=(*result.tables, table_of(bad, experiment.run, experiment.detector)),
        messages=(*result.messages, *lines),
    )
