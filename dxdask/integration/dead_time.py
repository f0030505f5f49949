"""Photons that pixels lose within their dead time after another photon, restored.

A pixel counts m of n photons in the time T with the dead time tau; x = m tau / T. Non-paralyzable,
n = m / (1 - x); paralyzable, m = n exp(-n tau / T). The variance of m is m (1 - x)^2, or
m (1 - 2 x), and that of n follows by the derivative dn/dm. Source: Knoll (2010), Radiation
Detection and Measurement, 4th ed., ch. 4; variances: Mueller (1973), Nucl. Instrum. Methods 112,
47.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.geometry.required import require_rotation
from dxdask.integration.background_pixels import FOREGROUND
from dxdask.integration.parameters import CorrectionParameters
from dxdask.integration.photons import PARTS, Photons
from dxdask.integration.sums import EXCESS
from dxdask.models import Experiment

_LONGEST = 1e-5  # s; longer ones of headers are of the readout, not of pixels
_MOST = 0.9  # of the highest rate that a pixel can record; from there on it is saturated
_ROUNDS = 50


class DeadTime(NamedTuple):
    """Dead time of a run.

    busy: (n_images,), dead time over exposure. is_paralyzable: see `CountRate`. seconds: dead time.
    """

    busy: Floats
    is_paralyzable: bool
    seconds: float


def dead_time_of(
    experiment: Experiment, photons: Photons, given: CorrectionParameters
) -> tuple[DeadTime | None, str]:
    """Return the dead time that counts are to be corrected for, or None, and what was decided.

    Raises
    ------
    InputError
        It is asked for (`corrections.count_rate=true`) but dead time or exposure are not known, the
        header says that counts are corrected, or counts are not photons.
    """
    known = experiment.detector.panels[0].count_rate
    tau, asked = given.dead_time or known.dead_time, given.count_rate
    refused = ""
    if asked is False:
        return None, "count rate not corrected (corrections.count_rate=false)"
    if known.is_corrected:
        refused = "count rate corrected by the detector, as its header says"
    elif not tau:
        refused = "count rate not corrected: the header gives no dead time"
    elif given.dead_time is None and tau > _LONGEST:
        refused = f"count rate not corrected: a dead time of {tau:g} s is of no pixel"
    elif (photons.gain != 1).any() or (photons.pedestal != 0).any() or photons.maps.are_given:
        refused = "count rate not corrected: the detector does not count photons (gain, pedestal)"
    times = _exposures(experiment)
    if not refused and times is None:
        refused = "count rate not corrected: the exposure time is not known"
    if refused or times is None:
        if asked is True:
            raise InputError(
                f"run {experiment.run}: {refused}; give corrections.dead_time or "
                "corrections.count_rate=auto"
            )
        return None, refused
    law = "paralyzable" if known.is_paralyzable else "non-paralyzable"
    note = f"count rate corrected for a dead time of {tau * 1e9:.4g} ns ({law})"
    return DeadTime(tau / times, known.is_paralyzable, tau), note


def _exposures(experiment: Experiment) -> Floats | None:
    scan = require_rotation(experiment).scan
    times = np.asarray(scan.exposure_times, dtype=np.float64)
    if not len(times) or not (np.isfinite(times) & (times > 0)).all():
        return None
    return times if len(times) == scan.n_images else np.full(scan.n_images, times[0])


def frame_without_dead_time(
    frame: NDArray[Any], trusted: NDArray[Any], dead: DeadTime, image: int
) -> tuple[Floats, Floats]:
    """Return a frame (slow, fast) of photons and its trusted ranges (panel, 2), float64.

    A pixel above nine tenths of the highest rate that it can record is saturated.

    trusted : (panel, 2), counts; valid ones are strictly between the two. image : from the first.
    """
    busy = float(dead.busy[image])
    highest = _MOST / (math.e if dead.is_paralyzable else 1.0) / busy
    limits = np.minimum(np.asarray(trusted, dtype=np.float64), highest)
    photons = np.empty(frame.shape, dtype=np.float64)
    restore(np.ascontiguousarray(frame).reshape(-1), busy, dead.is_paralyzable, highest,
            photons.reshape(-1))  # fmt: skip
    ranges = np.empty_like(limits)
    restore(limits.reshape(-1), busy, dead.is_paralyzable, highest, ranges.reshape(-1))
    return photons, ranges


@njit(cache=True, nogil=True, error_model="numpy")
def restore(counts: Any, busy: float, is_paralyzable: bool, highest: float, photons: Any) -> None:
    """Fill photons (n,) of counts (n,); none is changed at or below 0.

    busy: dead time over exposure. highest: counts, above which the photons of these are given.
    """
    for i in range(len(counts)):
        m = min(float(counts[i]), highest)
        if not m > 0.0:
            photons[i] = m
        elif is_paralyzable:
            n = m
            for _ in range(_ROUNDS):  # Newton's, from below: it converges from one side
                e = math.exp(-n * busy)
                step = (m - n * e) / (e * (1.0 - n * busy))
                n += step
                if abs(step) < 1e-12 * n:
                    break
            photons[i] = n
        else:
            photons[i] = m / (1.0 - m * busy)


@njit(cache=True, nogil=True, error_model="numpy")
def excess_variance(n: float, busy: float, is_paralyzable: bool) -> float:
    """Return the variance of n restored photons, less n."""
    if n <= 0.0:
        return 0.0
    y = n * busy
    if not is_paralyzable:
        return n * y
    return n * (math.exp(y) * (1.0 - 2.0 * y * math.exp(-y)) / (1.0 - y) ** 2 - 1.0)


@njit(cache=True, nogil=True, error_model="numpy")
def add_excess(
    photons: Any, mask: Any, trusted: Any, active: Any, rows: Any, e: Any, terms: Any, alone: Any,
    owner: Any, state: Any, busy: float, is_paralyzable: bool, sums: Any,
) -> None:  # fmt: skip
    """Add the excess variance of the own foreground of reflections on one frame to their sums.

    It is in parts of a photon. photons, trusted: from `frame_without_dead_time`. alone, owner,
    state: as in `label_foreground`. The others as in `accumulate_frame`.
    """
    for i in active:
        if terms[i, 0] > 1.0:
            continue
        r = rows[i]
        low, high = trusted[e.panel_number[r], 0], trusted[e.panel_number[r], 1]
        total = 0
        for y in range(max(e.inner[r, 2], e.panel[r, 2]), min(e.inner[r, 3], e.panel[r, 3])):
            for x in range(max(e.inner[r, 0], e.panel[r, 0]), min(e.inner[r, 1], e.panel[r, 1])):
                n = photons[y, x]
                own = state[y, x] >= FOREGROUND and (alone[i] or owner[y, x] == i)
                if own and mask[y, x] and low < n < high:
                    total += int(excess_variance(n, busy, is_paralyzable) * PARTS + 0.5)
        sums[i, EXCESS] += total
