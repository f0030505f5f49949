"""Profiles learnt from strong reflections: sums on a grid, in integers, in a pass over the frames.

The grid is Kabsch's eps1, eps2 about the place of the reflection, in widths of its Gaussian. Counts
of a pixel above background are added where its centre is, so what is learnt is the profile
averaged over pixels (Anderson & King 2000, PASP 112, 1360). A reflection on a frame is used if its
counts there are strong, its pixels are all valid and no other shares them: no shoebox is kept.
Along the rotation the profile stays a Gaussian. Source of regions and stretches: Kabsch (2010),
Acta Cryst. D66, 133.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.integration.boxes import Ellipsoids
from dxdask.integration.context import IntegrationContext
from dxdask.integration.foreground import phi_term, xy_term
from dxdask.integration.frame_photons import FramePhotons
from dxdask.integration.gaussian import Learnt, grid_map, with_learnt
from dxdask.integration.parameters import LearntParameters
from dxdask.integration.photons import photons_of_pixel
from dxdask.integration.shared_pixels import pairs_of

COUNTS, EXPECTED, GAUSSIAN = range(3)  # what the grid sums, see `ProfileSums`
_UNIT = 4096  # of counts above background, and of densities
_LEAST_COUNTS, _LEAST_I_OVER_SIGMA = 200.0, 10.0  # of a reflection on a frame
_BINS = 256  # photons of the background, beyond which pixels are not part of it
_REGIONS = 3  # of the frame, along a side
_PRIOR_COUNTS = 200.0  # of a point of the grid, from the larger region
# least part of the counts that a Gaussian misplaces, for `auto` to prefer the learnt one: Gaussians
# are fitted wider than spots (`local_profile`), by which they misplace an eighth
_BEST = 0.25
_BETTER = 0.7  # most of the residuals of the Gaussian that are left


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
    sums = np.zeros((2, n_stretches(shapes, given), _REGIONS**2, 3, given.n, given.n), np.int64)
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
            n_used += _add_frame(
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


def add_profile_sums(parts: Sequence[ProfileSums]) -> ProfileSums:
    """Return the sums of all parts."""
    total = parts[0].sums.copy()
    for p in parts[1:]:
        total += p.sums
    return ProfileSums(total, sum(p.n_used for p in parts))


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
        np.floor(shapes.centre[:, :2] * _REGIONS / (frame[1], frame[0])), 0, _REGIONS - 1
    ).astype(np.int64)
    return stretch, across[:, 1] * _REGIONS + across[:, 0]


def with_best_profile(
    context: IntegrationContext, sums: ProfileSums, frame: tuple[int, ...]
) -> IntegrationContext:
    """Return the context with learnt profiles, if these are chosen, and a message of the choice.

    frame : shape of a frame. Too few strong reflections leave the Gaussian.
    """
    given, found = context.fit, compare_profiles(sums)
    chosen = found.learnt_is_better if given.algorithm == "auto" else found.n_used > 0
    name = "learnt from strong reflections" if chosen else "Gaussian"
    note = (
        f" Profile: {name}; a Gaussian misplaces {100 * found.misplaced:.1f} % of the counts of "
        f"{found.n_used} strong reflections on frames, a learnt one has {found.ratio:.2f} times "
        "its squared residuals"
    )
    if not found.n_used:
        note = " Profile: Gaussian; no reflection is strong enough to learn from"
    if not chosen:
        return replace(context, note=note)
    learnt = learn(sums, given.learnt.half)
    stretch, region = places(context.shapes, given.learnt, frame)
    profile = with_learnt(context.shapes.profile, learnt, stretch * _REGIONS**2 + region)
    return replace(context, note=note, shapes=context.shapes._replace(profile=profile))


class Comparison(NamedTuple):
    """Residuals of strong reflections that were not learnt from, by either profile.

    misplaced : part of the counts that the Gaussian misplaces beyond their errors. ratio : of the
    squared residuals of the learnt profile to those of the Gaussian. n_used : as in `ProfileSums`.
    """

    misplaced: float
    ratio: float
    n_used: int

    @property
    def learnt_is_better(self) -> bool:
        """True if the Gaussian does not fit, and the learnt profile does better."""
        return self.misplaced > _BEST and self.ratio < _BETTER


def compare_profiles(sums: ProfileSums) -> Comparison:
    """Return how the two profiles fit: each half by what is learnt from the other."""
    total = sums.sums.sum(axis=(1, 2)) / _UNIT
    residual, gaussian, misplaced = 0.0, 0.0, 0.0
    for own, other in ((0, 1), (1, 0)):
        counts, expected, by_gaussian = total[own]
        if not counts.sum() > 0 or not total[other, COUNTS].sum() > 0:
            return Comparison(0.0, 1.0, sums.n_used)
        scale = counts.sum() / by_gaussian.sum()
        by_learnt = _density(total[other], _no_prior(expected.shape)) * expected
        variance = np.abs(counts) + scale * by_gaussian + 1.0
        off = counts - scale * by_gaussian
        gaussian += float((off**2 / variance).sum())
        residual += float(((counts - by_learnt) ** 2 / variance).sum())
        misplaced += 0.25 * float((np.abs(off) - np.sqrt(variance)).clip(0).sum() / counts.sum())
    return Comparison(misplaced, residual / gaussian if gaussian > 0 else 1.0, sums.n_used)


def learn(sums: ProfileSums, half: float) -> Learnt:
    """Return the profiles, (stretch x region, n, n): each with what the larger region has.

    half : of the grid, widths.
    """
    total = sums.sums.sum(axis=0) / _UNIT
    whole = _density(total.sum(axis=(0, 1)), _no_prior(total.shape[-2:]))
    grids = [
        _density(region, _density(total[:, k].sum(axis=0), whole))
        for stretch in total
        for k, region in enumerate(stretch)
    ]
    return Learnt(np.stack(grids), half)


def _no_prior(shape: tuple[int, ...]) -> Floats:
    return np.zeros(shape)


def _density(sums: Floats, prior: Floats) -> Floats:
    """Return the density at the points of the grid, (n, n); not below 0."""
    weight = _PRIOR_COUNTS * np.where(prior.any(), 1.0, 1e-6)
    return np.asarray(
        np.maximum(sums[COUNTS] + weight * prior, 0.0) / np.maximum(sums[EXPECTED] + weight, 1e-9)
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _photons(frame: Any, panel: int, y: int, x: int, pixels: Any) -> float:
    if pixels is None:
        return float(frame[y, x])
    return float(photons_of_pixel(np.float64(frame[y, x]), panel, y, x, pixels))


@njit(cache=True, nogil=True, error_model="numpy")
def _background(frame: Any, mask: Any, limits: Any, pixels: Any, panel: int, box: Any, inner: Any,
                bins: Any) -> Any:  # fmt: skip
    """Return the mean photons of the pixels of a box off the foreground, without the brightest.

    Those above the median by three standard deviations are left out. NaN for too few.
    """
    bins[:] = 0
    low, high, n = limits[0], limits[1], 0
    for y in range(box[2], box[3]):
        for x in range(box[0], box[1]):
            if inner[0] <= x < inner[1] and inner[2] <= y < inner[3]:
                continue
            count = frame[y, x]
            if mask[y, x] and low < count < high:
                v = int(_photons(frame, panel, y, x, pixels) + 0.5)
                bins[min(max(v, 0), _BINS - 1)] += 1
                n += 1
    if n < 10:
        return np.nan
    seen, median = 0, 0
    while 2 * seen < n:
        seen += bins[median]
        median += 1
    most = median - 1 + 3.0 * np.sqrt(median) + 1.0
    total, kept = 0, 0
    for v in range(_BINS - 1):
        if v <= most:
            total += v * bins[v]
            kept += bins[v]
    return total / kept if 2 * kept > n else np.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _all_photons(
    frame: Any, mask: Any, limits: Any, pixels: Any, panel: int, inner: Any, out: Any
) -> Any:
    """Fill `out` with the photons of the pixels of a rectangle; return their sum, or NaN."""
    total, at = 0.0, 0
    low, high = limits[0], limits[1]
    for y in range(inner[2], inner[3]):
        for x in range(inner[0], inner[1]):
            count = frame[y, x]
            if not (mask[y, x] and low < count < high):
                return np.nan
            out[at] = _photons(frame, panel, y, x, pixels)
            total += out[at]
            at += 1
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _add_frame(
    frame: Any, mask: Any, trusted: Any, pixels: Any, phi: Any, rows: Any, e: Any, stretch: Any,
    region: Any, half: float, sums: Any,
) -> int:  # fmt: skip
    """Add the strong ones of `rows` on one frame to the sums; return how many they are."""
    bins = np.zeros(_BINS, dtype=np.int64)
    photons, inside = np.empty(1024), np.empty(1024, dtype=np.bool_)
    used = 0
    for r in rows:
        inner, edge, box = e.inner[r], e.panel[r], e.box[r].copy()
        whole = inner[0] >= edge[0] and inner[1] <= edge[1]
        whole = whole and inner[2] >= edge[2] and inner[3] <= edge[3]
        if not whole or phi_term(e, r, phi) > 1.0:
            continue
        panel, width = e.panel_number[r], inner[1] - inner[0]
        area = width * (inner[3] - inner[2])
        if area > len(photons):
            photons, inside = np.empty(2 * area), np.empty(2 * area, dtype=np.bool_)
        total = _all_photons(frame, mask, trusted[panel], pixels, panel, inner, photons)
        if not total >= _LEAST_COUNTS:
            continue
        box[0], box[1] = max(box[0], edge[0]), min(box[1], edge[1])
        box[2], box[3] = max(box[2], edge[2]), min(box[3], edge[3])
        b = _background(frame, mask, trusted[panel], pixels, panel, box, inner, bins)
        total, n = 0.0, 0
        for at in range(area):
            x, y = inner[0] + at % width, inner[2] + at // width
            inside[at] = xy_term(e, r, x, y) <= 1.0
            if inside[at]:
                total += photons[at] - b
                n += 1
        if not (total > _LEAST_COUNTS and total > _LEAST_I_OVER_SIGMA * np.sqrt(total + n * b)):
            continue
        p, into = e.profile, sums[r % 2, stretch[r], region[r]]
        xx, xy, yy = p.inverse[r, 0], p.inverse[r, 1], p.inverse[r, 2]
        root, size = np.sqrt(xx * yy - xy * xy), into.shape[1]
        m00, m01, m10, m11 = grid_map(p, r, half, size)
        place = 0.5 * (size - 1) + 0.5
        expected = np.int64(np.rint(_UNIT * total * root))
        for at in range(area):
            if not inside[at]:
                continue
            dx = inner[0] + at % width + 0.5 - p.centre[r, 0]
            dy = inner[2] + at // width + 0.5 - p.centre[r, 1]
            m = int(np.floor(m00 * dx + m01 * dy + place))
            k = int(np.floor(m10 * dx + m11 * dy + place))
            if not (0 <= k < size and 0 <= m < size):
                continue
            distance = xx * dx * dx + 2 * xy * dx * dy + yy * dy * dy
            by_gaussian = total * root * np.exp(-0.5 * distance) / (2.0 * np.pi)
            into[COUNTS, k, m] += np.int64(np.rint(_UNIT * (photons[at] - b)))
            into[EXPECTED, k, m] += expected
            into[GAUSSIAN, k, m] += np.int64(np.rint(_UNIT * by_gaussian))
        used += 1
    return used
