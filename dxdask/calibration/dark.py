"""Pedestal, noise and bad pixels from the sums over a dark run."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.calibration.dark_sums import SCALE, DarkSums
from dxdask.calibration.parameters import DarkParameters
from dxdask.errors import InputError
from dxdask.tables import Table

CONSTANT, FAR_MEAN, FAR_NOISE = 1, 2, 4
"""Reasons of a bad pixel, as bits of `Dark.reasons`."""

HEADINGS = {
    "panel": ("Panel", ""), "pedestal": ("Pedestal\n(ADU)", ".1f"),
    "spread": ("Spread\n(ADU)", ".1f"),
    "noise": ("Noise\n(ADU)", ".2f"), "common_mode": ("Common\nmode (ADU)", ".2f"),
    "n_constant": ("Constant", ""), "n_far_mean": ("Far off\nby mean", ""),
    "n_far_noise": ("Far off\nby noise", ""), "n_bad": ("Bad", ""),
}  # fmt: skip


class Dark(NamedTuple):
    """Pedestal, noise and bad pixels of a dark run.

    Attributes
    ----------
    pedestal : (slow, fast) float32, mean count without photons, ADU.
    noise : (slow, fast) float32, its standard deviation less the common mode, ADU.
    reasons : (slow, fast) uint8, 0 where the pixel is good, else the bits of the reasons.
    frames : (n,) int64, those used. rejected : (m,) outliers.
    table : one row per panel.
    """

    pedestal: NDArray[np.float32]
    noise: NDArray[np.float32]
    reasons: NDArray[np.uint8]
    frames: NDArray[np.int64]
    rejected: NDArray[np.int64]
    table: Table


def dark_of_sums(
    sums: DarkSums,
    boxes: NDArray[np.int64],
    parameters: DarkParameters,
    rejected: NDArray[np.int64] | None = None,
) -> Dark:
    """Return pedestal, noise and bad pixels; boxes as for `dark_sums`.

    The pedestal is the mean as recorded. It includes the mean common mode of the dark run, one
    number per panel, which the common mode of each event corrects. A pixel is bad if it is constant
    while most of its panel are not, or if its mean or its noise is an outlier in its panel.

    Raises
    ------
    InputError
        Too few frames.
    """
    n = len(sums.frames)
    if n < parameters.min_frames:
        raise InputError(
            f"the dark run has {n} usable frames, dark.min_frames={parameters.min_frames} are "
            "needed; record more, or lower it"
        )
    shape = sums.total.shape
    pedestal, noise = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    reasons = np.zeros(shape, np.uint8)
    rows = []
    for i, (x0, x1, y0, y1) in enumerate(boxes.tolist()):
        part = np.s_[y0:y1, x0:x1]
        mean = sums.total[part] / n
        # exact integers below 2^63 up to here, so that the differences are accurate
        first = SCALE * sums.total[part] - sums.levels[:, i].sum()
        variance = (sums.residual_squares[part] - first * (first / n)) / ((n - 1) * SCALE**2)
        sigma = np.sqrt(np.maximum(variance, 0.0))
        constant = n * sums.squares[part] == sums.total[part] ** 2
        if 2 * np.count_nonzero(constant) > constant.size:
            constant[...] = False  # a detector that counts photons
        why = np.where(constant, CONSTANT, 0).astype(np.uint8)
        why |= np.where(_far(mean, ~constant, parameters.n_mad_mean, 0.5), FAR_MEAN, 0).astype(
            np.uint8
        )
        why |= np.where(_far(sigma, ~constant, parameters.n_mad_noise, 0.1), FAR_NOISE, 0).astype(
            np.uint8
        )
        pedestal[part], noise[part], reasons[part] = mean, sigma, why
        rows.append(_row(i, mean, sigma, why, sums.levels[:, i] / SCALE))
    table = Table(name="dark", title="Dark run, by panel", rows=rows, headings=HEADINGS)
    none = np.zeros(0, dtype=np.int64)
    return Dark(
        pedestal, noise, reasons, sums.frames, none if rejected is None else rejected, table
    )


def _far(
    values: NDArray[np.float64], judged: NDArray[np.bool_], n_mad: float, least: float
) -> NDArray[np.bool_]:
    """Return True for outliers among the values judged; least: smallest standard deviation, ADU."""
    if not judged.any():
        return np.zeros(values.shape, dtype=np.bool_)
    middle = np.median(values[judged])
    off = np.abs(values - middle)
    return np.asarray(judged & (off > n_mad * max(1.4826 * float(np.median(off[judged])), least)))


def _row(
    panel: int,
    mean: NDArray[np.float64],
    sigma: NDArray[np.float64],
    why: NDArray[np.uint8],
    levels: NDArray[np.float64],
) -> dict[str, Any]:
    good = why == 0
    some = bool(good.any())
    return {
        "panel": panel,
        "pedestal": float(mean[good].mean()) if some else None,
        "spread": float(mean[good].std()) if some else None,
        "noise": float(np.median(sigma[good])) if some else None,
        "common_mode": float(levels.std(ddof=1)),
        "n_constant": int(np.count_nonzero(why & CONSTANT)),
        "n_far_mean": int(np.count_nonzero(why & FAR_MEAN)),
        "n_far_noise": int(np.count_nonzero(why & FAR_NOISE)),
        "n_bad": int(np.count_nonzero(why)),
    }
