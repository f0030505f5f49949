"""Strong pixels of consecutive frames, as a list."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.models import Experiment
from dxdask.models.pixel_maps import PixelMaps
from dxdask.spotfinding.offsets import offsets_of
from dxdask.spotfinding.panel_pixels import Found, PanelPixels, panel_pixels
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.spotfinding.pixel_evidence import EvidenceOfBlock, PixelEvidence
from dxdask.spotfinding.workspaces import Workspace


class Pixels(NamedTuple):
    """Pixels (n,): panel, x (fast) and y (slow) in it, z (image), value in photons."""

    panel: NDArray[np.int32]
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    z: NDArray[np.int32]
    value: NDArray[np.float64]


def concatenate_pixels(parts: Sequence[Pixels]) -> Pixels:
    """Return the pixels of all parts as one list."""
    if not parts:
        none = np.empty(0, np.int32)
        return Pixels(none, none, none, none, np.empty(0, np.float64))
    p, x, y, z, v = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Pixels(p, x, y, z, v)


class FramePiece(NamedTuple):
    """Consecutive frames (frame, slow, fast), the first at z.

    unread : index in the piece of a frame that could not be read -> reason.
    """

    z: int
    frames: NDArray[Any]
    unread: Mapping[int, str] = MappingProxyType({})


class BlockPixels(NamedTuple):
    """Strong pixels of consecutive frames, with photons and background of each frame.

    Attributes
    ----------
    pixels : the strong pixels, frame by frame, panel by panel, row by row.
    frame_offsets : (frames + 1,) first pixel of each frame.
    used : (frames,) False for frames that were skipped.
    n_strong : (frames,) number of strong pixels, also of frames that have too many to be used.
    background : (frames,) mean of the other valid pixels, photons; NaN where there are none, or
        without `compute_mean_background`.
    reasons : frame, from 0 -> reason why it could not be used.
    saturated : the saturated pixels.
    evidence : for bad pixels; None without `mask_bad_pixels`.
    """

    pixels: Pixels
    frame_offsets: NDArray[np.int64]
    used: NDArray[np.bool_]
    n_strong: NDArray[np.int64]
    background: NDArray[np.float64]
    reasons: dict[int, str]
    saturated: Pixels
    evidence: PixelEvidence | None = None


def strong_pixels(
    pieces: Iterable[FramePiece],
    experiment: Experiment,
    masks: Sequence[Mask],
    parameters: SpotfinderParameters,
    *,
    first_z: int,
    n_frames: int,
    skip: frozenset[int] = frozenset(),
    maps: PixelMaps | None = None,
    workspace: Workspace | None = None,
) -> BlockPixels:
    """Return the strong pixels of `n_frames` consecutive frames, the first at z = first_z.

    pieces : the frames in order, one piece in memory at a time; a piece may be missing if `skip`
        holds all its frames. masks : one (slow, fast) per panel, True is good. skip : frames, from
        0, that are not used. maps : gain and pedestal of single pixels.
    workspace : used for this run only; it may hold the frames.
    """
    workspace = workspace or Workspace()
    found: list[Found] = []
    saturated: list[Pixels] = []
    counts = np.zeros((n_frames, len(experiment.detector)), np.int64)
    n_strong = np.zeros(n_frames, np.int64)
    background = np.full(n_frames, np.nan)
    reasons: dict[int, str] = {}
    evidence = (
        EvidenceOfBlock(experiment, masks, parameters) if parameters.mask_bad_pixels else None
    )
    for z, frames, unread in pieces:
        panels = workspace.panels(
            frames.dtype, lambda d: panel_pixels(experiment, masks, parameters, d, maps)
        )
        for i in range(len(frames)):
            f = z - first_z + i
            if f in skip:
                continue
            if i in unread:
                reasons[f] = unread[i]
                continue
            strong = [panel.strong(frames[i]) for panel in panels]
            counts[f] = [x.size for x, _, _ in strong]
            n_strong[f] = counts[f].sum()
            if parameters.compute_mean_background:
                background[f] = _mean_background(frames[i], panels, strong)
            reason = _unusable(frames[i], panels, parameters, int(n_strong[f]))
            if reason:
                reasons[f], counts[f] = reason, 0
            else:
                found += strong
                saturated += _saturated(frames[i], panels, first_z + f)
                if evidence is not None:
                    evidence.add(frames[i], first_z + f, strong)
        del frames  # frees their memory before the next piece is read
    used = np.array([f not in skip for f in range(n_frames)], np.bool_)
    offsets = offsets_of(counts.sum(axis=1))
    pixels = _pixels(found, counts, first_z)
    full = concatenate_pixels(saturated)
    seen = None if evidence is None else evidence.result()
    return BlockPixels(pixels, offsets, used, n_strong, background, reasons, full, seen)


def _pixels(found: Sequence[Found], counts: NDArray[np.int64], first_z: int) -> Pixels:
    """Return one list of x, y and value by panel and frame; counts (frame, panel) of each."""
    n_frames, n_panels = counts.shape
    if not found:
        return concatenate_pixels([])
    x, y, value = (np.concatenate(column) for column in zip(*found, strict=True))
    panel = np.repeat(np.tile(np.arange(n_panels, dtype=np.int32), n_frames), counts.ravel())
    z = np.repeat(np.arange(first_z, first_z + n_frames, dtype=np.int32), counts.sum(axis=1))
    return Pixels(panel, x, y, z, value)


def _saturated(frame: NDArray[Any], panels: Sequence[PanelPixels], z: int) -> list[Pixels]:
    out = []
    for number, panel in enumerate(panels):
        x, y, value = panel.saturated(frame)
        if x.size:
            at = np.full((2, x.size), [[number], [z]], np.int32)
            out.append(Pixels(at[0], x, y, at[1], value))
    return out


def _mean_background(
    frame: NDArray[Any], panels: Sequence[PanelPixels], strong: Sequence[Found]
) -> float:
    """Return the mean of the valid pixels of all panels that are not strong, NaN without any."""
    sums = [panel.sum_valid(frame) for panel in panels]
    n = sum(n for n, _ in sums) - sum(v.size for _, _, v in strong)
    total = sum(s for _, s in sums) - sum(float(v.sum()) for _, _, v in strong)
    return total / n if n > 0 else math.nan


def _unusable(
    frame: NDArray[Any],
    panels: Sequence[PanelPixels],
    parameters: SpotfinderParameters,
    n_strong: int,
) -> str | None:
    """Return the reason why a frame with `n_strong` strong pixels cannot be used, or None."""
    fraction = parameters.filter.max_strong_pixel_fraction
    allowed = math.ceil(fraction * sum(p.n_pixels for p in panels))
    if fraction < 1 and n_strong > allowed:
        return (
            f"{n_strong} strong pixels, more than the {allowed} that "
            f"filter.max_strong_pixel_fraction={fraction:g} allows; change the threshold"
        )
    if n_strong == 0 and not any(p.has_valid(frame) for p in panels):
        return "every pixel is masked, outside the trusted range or not a number"
    return None
