"""Sums of strong reflections on a grid, in integers, in a pass over the frames.

The grid is Kabsch's eps1, eps2 about the place of the reflection, in widths of its Gaussian. Counts
of a pixel above background are added where its centre is, so what is learnt is the profile
averaged over pixels (Anderson & King 2000, PASP 112, 1360). A reflection on a frame is used if its
counts there are strong, its pixels are all valid and no other shares them: no shoebox is kept.
Source of regions and stretches: Kabsch (2010), Acta Cryst. D66, 133.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.context import IntegrationContext
from dxdask.integration.frame_photons import FramePhotons
from dxdask.integration.parameters import LearntParameters
from dxdask.integration.profile_pixels import add_strong
from dxdask.integration.shared_pixels import pairs_of

REGIONS = 3  # of the frame, along a side


class ProfileSums(NamedTuple):
    """Sums of strong reflections on the grid; those of two blocks add up to those of both.

    sums: (half, stretch, region, 3, n, n) int64: counts above background, those times the density
    of 1, and those that the Gaussian has there. Halves are of even and of odd rows. n_used: number
    of reflections, counted on each frame.
    """

    sums: NDArray[np.int64]
    n_used: int


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
    sums = np.zeros((2, n_stretches(shapes, given), REGIONS**2, 3, given.n, given.n), np.int64)
    rows = np.flatnonzero((shapes.box[:, 4] < start + len(frames)) & (shapes.box[:, 5] > start))
    stretch, region = places(shapes, given, mask.shape)
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
                stretch,
                region,
                given.half,
                sums,
            )
    return ProfileSums(sums, n_used)


def n_stretches(shapes: Ellipsoids, given: LearntParameters) -> int:
    """Return the number of stretches of the scan."""
    angle = abs(float(np.rad2deg(shapes.phi[-1] - shapes.phi[0])))
    return max(round(angle / given.scan_step), 1)


def places(
    shapes: Ellipsoids, given: LearntParameters, frame: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the stretch of the scan and the region of the frame of each reflection (n,)."""
    n = n_stretches(shapes, given)
    part = (shapes.centre[:, 2] - shapes.phi[0]) / (shapes.phi[-1] - shapes.phi[0])
    stretch = np.clip(np.floor(part * n), 0, n - 1).astype(np.int64)
    across = np.clip(
        np.floor(shapes.centre[:, :2] * REGIONS / (frame[1], frame[0])), 0, REGIONS - 1
    ).astype(np.int64)
    return stretch, across[:, 1] * REGIONS + across[:, 0]
