"""Sums of strong reflections on a grid, in integers, in a pass over the frames.

The grid is Kabsch's eps1, eps2 about the place of the reflection, in widths of its Gaussian. Counts
of a pixel above background are added where its centre is, so what is learnt is the profile
averaged over pixels (Anderson & King 2000, PASP 112, 1360). A reflection on a frame is used if its
counts there are strong, its pixels are all valid and no other shares them: no shoebox is kept.
Source of regions and stretches: Kabsch (2010), Acta Cryst. D66, 133.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.context import IntegrationContext
from dxdask.integration.frame_photons import FramePhotons
from dxdask.integration.parameters import LearntParameters
from dxdask.integration.profile_pixels import add_strong
from dxdask.integration.shared_pixels import pairs_of

REGIONS = 3  # of the frame, along a side


class ProfileSums(NamedTuple):
    """Sums of strong reflections on the grid; `add_profile_sums` gives those of several blocks.

    The three sums are of counts above background, of those times the density of 1, and of those
    that the Gaussian has there. stretches: (k, region, 3, n, n) int64, of the stretches of the scan
    from `first` on that these frames reach. halves: (2, k, 3, n, n) int64, of even and of odd rows
    in these stretches. n_used: number of reflections, counted on each frame.
    """

    halves: NDArray[np.int64]
    stretches: NDArray[np.int64]
    first: int
    n_used: int


class Places(NamedTuple):
    """Stretch of the scan (n,) and region of the frame (n,) of each reflection, int64.

    along: (n,), place along the scan in stretches; the middle of stretch k is at k + 1/2.
    """

    stretch: NDArray[np.int64]
    region: NDArray[np.int64]
    along: Floats


def sum_profiles(
    frames: NDArray[Any],
    first: int,
    context: IntegrationContext,
    mask: NDArray[np.bool_],
    *,
    unreadable: Container[int] = (),
) -> ProfileSums:
    """Return the sums of the strong reflections on a block of frames; arguments as `sum_block`."""
    shapes, start = context.shapes, context.shapes.first + first
    given = context.fit.learnt
    rows = np.flatnonzero((shapes.box[:, 4] < start + len(frames)) & (shapes.box[:, 5] > start))
    at = places(shapes, given, mask.shape)
    reached = at.stretch[rows]
    low, high = (int(reached.min()), int(reached.max()) + 1) if len(rows) else (0, 0)
    sums = _no_sums(low, high - low, given.n)
    conversion = FramePhotons.of(context, frames.dtype)
    n_used = 0
    for i, recorded in enumerate(frames):
        z = start + i
        here = rows[(shapes.box[rows, 4] <= z) & (shapes.box[rows, 5] > z)]
        if i not in unreadable:
            # neighbours of this frame: those of the block depend on its frames
            pairs = pairs_of(here, shapes)
            alone = np.ones(len(here), dtype=bool)
            alone[pairs.first] = alone[pairs.second] = False
            phi = shapes.phi[z - shapes.first : z - shapes.first + 2]
            frame, trusted = conversion.frame(recorded, z)
            n_used += add_strong(
                frame,
                mask,
                trusted,
                conversion.pixels,
                phi,
                here[alone],
                shapes,
                at.stretch - low,
                at.region,
                given.half,
                sums.halves,
                sums.stretches,
            )
    return sums._replace(n_used=n_used)


def add_profile_sums(parts: Sequence[ProfileSums]) -> ProfileSums:
    """Return the sums of the frames of all parts."""
    some = [p for p in parts if len(p.stretches)]
    first = min((p.first for p in some), default=0)
    end = max((p.first + len(p.stretches) for p in some), default=0)
    total = _no_sums(first, end - first, parts[0].halves.shape[-1])
    for p in parts:
        own = slice(p.first - first, p.first - first + len(p.stretches))
        total.halves[:, own] += p.halves
        total.stretches[own] += p.stretches
    return total._replace(n_used=sum(p.n_used for p in parts))


def _no_sums(first: int, n: int, size: int) -> ProfileSums:
    halves = np.zeros((2, n, 3, size, size), dtype=np.int64)
    return ProfileSums(halves, np.zeros((n, REGIONS**2, 3, size, size), np.int64), first, 0)


def n_stretches(shapes: Ellipsoids, given: LearntParameters) -> int:
    """Return the number of stretches of the scan."""
    angle = abs(float(np.rad2deg(shapes.phi[-1] - shapes.phi[0])))
    return max(round(angle / given.scan_step), 1)


def places(shapes: Ellipsoids, given: LearntParameters, frame: tuple[int, ...]) -> Places:
    """Return the places of reflections in the stretches of the scan and regions of the frame."""
    n = n_stretches(shapes, given)
    along = n * (shapes.centre[:, 2] - shapes.phi[0]) / (shapes.phi[-1] - shapes.phi[0])
    stretch = np.clip(np.floor(along), 0, n - 1).astype(np.int64)
    across = np.clip(
        np.floor(shapes.centre[:, :2] * REGIONS / (frame[1], frame[0])), 0, REGIONS - 1
    ).astype(np.int64)
    return Places(stretch, across[:, 1] * REGIONS + across[:, 0], along)
