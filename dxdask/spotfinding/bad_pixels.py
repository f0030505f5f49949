"""Bad pixels by what spot finding sees of them: hot, noisy and dead ones.

Spots are wider than a pixel and a reflection stays on one for few degrees of rotation, so a pixel
is hot if it is sharp (see `sharp_pixels`) for longer than that, on half of the images; and noisy if
it is sharp in more segments of the run than is probable, when pixels are so at random. A dead pixel
counts nothing where its neighbours count. What is only slightly brighter or darker than its
neighbours is found by the step `find_bad_pixels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers, Mask
from dxdask.models import Detector, Experiment
from dxdask.spotfinding.pixel_evidence import PixelEvidence, segment_length
from dxdask.spotfinding.sharp_pixels import UNITS, Sharp
from dxdask.spotfinding.unlit_pixels import Light, lit_fraction, squares
from dxdask.tables import Table

REASONS = ("hot", "noisy", "dead")
HOT, NOISY, DEAD = range(3)

FEWEST_IMAGES = 4
"""A pixel has to be sharp on this number of images: fewer may be a spot's."""

HOT_FRACTION = 0.5
FEWEST_SEGMENTS = 3
SHARPEST = 0.05
"""Largest mean excess of the neighbours of a hot or noisy pixel, as a fraction of its own."""

# where the run is shorter than a reflection may be: on nearly all images, and like no spot
SHORT_FRACTION, SHORT_SHARPEST = 0.9, 0.02
# pixels are not equally probable to be sharp at random: more so near the beam and in rings
RATE_FACTOR = 10.0
SIGNIFICANCE = 0.01
LIT_NEIGHBOURS = 0.75
"""Fraction of lit pixels around a dead one: fewer are in a shadow or a gap."""


class BadPixels(NamedTuple):
    """Bad pixels (n,), by ascending key: their index among the pixels of all panels.

    Attributes
    ----------
    reason : index into `REASONS`.
    n_images : number of images on which it was strong alone; 0 for a dead one.
    value : mean excess above the background on those, counts; of a dead one minus the fraction of
        images on which its neighbours count.
    """

    key: Integers
    reason: Integers
    n_images: Integers
    value: Floats


def find_in(evidence: PixelEvidence, experiment: Experiment, images: Integers) -> BadPixels:
    """Return the bad pixels by the evidence of the images (n,), z of each that was used."""
    panels = experiment.detector.panels
    n_pixels = sum(p.image_size[0] * p.image_size[1] for p in panels)
    parts = [
        _bright(evidence.sharp, experiment, images, n_pixels),
        _dead(evidence.light, experiment.detector, len(images), n_pixels),
    ]
    found = BadPixels(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    order = np.argsort(found.key, kind="stable")
    key, reason, n, value = found
    return BadPixels(key[order], reason[order], n[order], value[order])


def _bright(s: Sharp, experiment: Experiment, images: Integers, n_pixels: int) -> BadPixels:
    """Return the hot and noisy pixels."""
    n_images = len(images)
    with np.errstate(invalid="ignore", divide="ignore"):
        halo = s.halo / s.peak
    often = (s.n >= FEWEST_IMAGES) & (halo <= SHARPEST)
    some = np.flatnonzero(often)
    zeta = _zeta(experiment, s.key[some])
    n_segments = len(np.unique(images // segment_length(experiment)))
    reason = np.full(len(some), -1)
    long = s.segments[some] * zeta >= FEWEST_SEGMENTS
    hot = long & (s.n[some] >= HOT_FRACTION * n_images)
    is_short = n_segments * zeta < FEWEST_SEGMENTS
    hot |= is_short & (s.n[some] >= SHORT_FRACTION * n_images) & (halo[some] <= SHORT_SHARPEST)
    # those that are hot say nothing of how often others are sharp at random
    at_random = max(int(s.segments.sum()) - int(s.segments[some[hot]].sum()), 1)
    rate = RATE_FACTOR * at_random / n_pixels
    chance = scipy.special.gammainc(s.segments[some].astype(np.float64), rate)
    reason[long & (chance < SIGNIFICANCE / n_pixels)] = NOISY
    reason[hot] = HOT
    chosen = some[reason >= 0]
    value = s.peak[chosen] / (UNITS * s.n[chosen])
    return BadPixels(s.key[chosen], reason[reason >= 0], s.n[chosen], value)


def _zeta(experiment: Experiment, key: Integers) -> Floats:
    """Return |zeta| (n,) of pixels: 1 where reflections cross the sphere fastest; 1 for stills."""
    scan, goniometer = experiment.scan, experiment.goniometer
    found = np.ones(len(key))
    if scan is None or scan.is_still or goniometer is None:
        return found
    s0 = np.asarray(experiment.beam.s0)
    axis = np.asarray(goniometer.rotation_axis)
    for panel, (own, slow, fast) in _by_panel(experiment.detector, key):
        centres = np.stack([fast + 0.5, slow + 0.5], axis=-1) * panel.pixel_size
        s1 = panel.lab_coordinates(centres)
        across = np.cross(s1, s0)
        length = np.linalg.norm(across, axis=-1)
        found[own] = np.abs(across @ axis) / np.maximum(length, 1e-300)
    return found


def _dead(light: Light, detector: Detector, n_images: int, n_pixels: int) -> BadPixels:
    """Return the pixels that never counted."""
    every = np.unpackbits(light.lit, count=n_pixels).astype(np.bool_)
    keys, values = [np.empty(0, np.int64)], [np.empty(0)]
    limit = np.log(SIGNIFICANCE / n_pixels)
    start, start_square = 0, 0
    for panel in detector.panels:
        shape = (panel.image_size[1], panel.image_size[0])
        n_squares = squares(shape)
        lit = every[start : start + shape[0] * shape[1]].reshape(shape)
        these = slice(start_square, start_square + n_squares[0] * n_squares[1])
        n_lit, n = (c[these].reshape(n_squares) for c in (light.n_lit, light.n))
        slow, fast = np.nonzero(~lit)
        expected = lit_fraction(n_lit, n, slow, fast)
        with np.errstate(invalid="ignore"):
            dead = n_images * np.log1p(-expected) < limit
        slow, fast, expected = slow[dead], fast[dead], expected[dead]
        around = _lit_around(lit, slow, fast) >= LIT_NEIGHBOURS
        keys.append(start + slow[around] * shape[1] + fast[around])
        values.append(-expected[around])
        start += shape[0] * shape[1]
        start_square = these.stop
    key = np.concatenate(keys)
    return BadPixels(
        key, np.full(len(key), DEAD), np.zeros(len(key), np.int64), np.concatenate(values)
    )


def _lit_around(lit: Mask, slow: Integers, fast: Integers) -> Floats:
    """Return the fraction (n,) of lit pixels among the 24 around each, on the panel."""
    shape = lit.shape
    n_lit, n = np.zeros(len(slow)), np.zeros(len(slow))
    for dj in range(-2, 3):
        for di in range(-2, 3):
            j, i = slow + dj, fast + di
            inside = (j >= 0) & (j < shape[0]) & (i >= 0) & (i < shape[1])
            if dj or di:
                n += inside
                n_lit += inside & lit[np.clip(j, 0, shape[0] - 1), np.clip(i, 0, shape[1] - 1)]
    return n_lit / np.maximum(n, 1)


def _by_panel(detector: Detector, key: Integers) -> list[tuple[Any, tuple[NDArray[Any], ...]]]:
    """Return for each panel its model, and which of the pixels lie on it: indices, slow, fast."""
    found: list[tuple[Any, tuple[NDArray[Any], ...]]] = []
    start = 0
    for panel in detector.panels:
        width, height = panel.image_size
        own = np.flatnonzero((key >= start) & (key < start + width * height))
        slow, fast = np.divmod(key[own] - start, width)
        found.append((panel, (own, slow, fast)))
        start += width * height
    return found


def mask_of(bad: BadPixels, detector: Detector, frame_shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (slow, fast) of the stored frame, False where a pixel is bad."""
    mask = np.ones(frame_shape, np.bool_)
    for panel, (_, slow, fast) in _by_panel(detector, bad.key):
        mask[panel.slices][slow, fast] = False
    return mask


def line_of(bad: BadPixels, *, n_images: int | None = None) -> str:
    """Return the message about bad pixels, with their numbers by reason.

    n_images : number of images by which they were found, where these are a sample of the run.
    """
    n = np.bincount(bad.reason, minlength=len(REASONS)).tolist()
    counts = ", ".join(f"{k} {name}" for k, name in zip(n, REASONS, strict=True) if k)
    by = "" if n_images is None else f" by {n_images} images"
    return (
        f"Masked {len(bad.key)} bad pixels ({counts}){by}; spotfinder.mask_bad_pixels=false keeps "
        "them"
    )


def table_of(bad: BadPixels, run: str, detector: Detector) -> Table:
    """Return the table of bad pixels: run, panel, slow, fast, reason, n_images, value."""
    rows: list[Mapping[str, Any]] = []
    for number, (_, (own, slow, fast)) in enumerate(_by_panel(detector, bad.key)):
        rows += _rows(run, number, bad, own, slow, fast)
    headings = {
        "n_images": ("images\nstrong", ""),
        "value": ("excess,\ncounts", ".1f"),
    }
    return Table(
        name="bad_pixels",
        title="Bad pixels",
        rows=rows,
        headings=headings,
        printed=False,
    )


def _rows(
    run: str, panel: int, bad: BadPixels, own: Integers, slow: Integers, fast: Integers
) -> Sequence[Mapping[str, Any]]:
    columns = (own.tolist(), slow.tolist(), fast.tolist())
    return [
        {
            "run": run,
            "panel": panel,
            "slow": j,
            "fast": i,
            "reason": REASONS[int(bad.reason[row])],
            "n_images": int(bad.n_images[row]),
            "value": float(bad.value[row]),
        }
        for row, j, i in zip(*columns, strict=True)
    ]
