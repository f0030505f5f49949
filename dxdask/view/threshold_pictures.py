"""The quantities that the dispersion thresholds compare, and the strong pixels, of a region.

Mean, variance and dispersion (variance / mean) are of the good pixels in the window around each
pixel (Parkhurst et al. 2016). Pictures of truth values: sigma_b, dispersions above the limit;
sigma_s, pixels above the mean of their window; global, pixels above the global threshold; result,
the strong pixels that spot finding would take.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.errors import InputError
from dxdask.models import Beam, Panel
from dxdask.spotfinding.panel_photons import PanelPhotons
from dxdask.spotfinding.thresholds import threshold_of
from dxdask.spotfinding.thresholds.global_threshold import estimate_global_threshold
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters

Picture = Literal["mean", "variance", "dispersion", "sigma_b", "sigma_s", "global", "result"]
PICTURES = get_args(Picture)
Region = tuple[int, int, int, int]


def threshold_picture(
    counts: NDArray[Any],
    mask: Mask,
    panel: Panel,
    beam: Beam,
    parameters: ThresholdParameters,
    picture: Picture,
    region: Region,
) -> NDArray[np.float32]:
    """Return the picture (slow, fast) of the region x0, x1, y0, y1 of a panel; NaN where masked.

    counts, mask : (slow, fast) of the whole panel.

    Raises
    ------
    InputError
        There is no such picture.
    """
    if picture not in PICTURES:
        raise InputError(f"picture={picture!r}: give one of {', '.join(PICTURES)}")
    x0, x1, y0, y1 = region
    a0, a1, b0, b1 = near = _with_margin(region, panel, parameters, picture)
    part = np.ascontiguousarray(counts[b0:b1, a0:a1])
    good = np.ascontiguousarray(mask[b0:b1, a0:a1])
    photons = PanelPhotons(panel, counts.dtype)
    image = np.ascontiguousarray(photons.of(part))
    low, high = photons.of_range(panel.trusted_range)
    if picture == "result":
        work = threshold_of(
            panel, beam, image.dtype, parameters, quantum=1.0 / photons.gain, region=near
        )
        found = work(image, good, (low, high)).astype(np.float32)
    else:
        found = _quantity(image, good & (image > low) & (image < high), parameters, picture)
    out = np.asarray(found[y0 - b0 : y1 - b0, x0 - a0 : x1 - a0], np.float32).copy()
    out[~mask[y0:y1, x0:x1]] = np.nan
    return out


def _with_margin(
    region: Region, panel: Panel, parameters: ThresholdParameters, picture: Picture
) -> Region:
    """Return the region with all pixels that its own depend on."""
    width, height = panel.image_size
    needs_all = parameters.dispersion.global_threshold is None and picture in ("global", "result")
    if needs_all or (not parameters.algorithm.startswith("dispersion") and picture == "result"):
        return 0, width, 0, height
    slow, fast = parameters.dispersion.kernel_size
    # the window of the background, the erosion of the signal in it, and the window of that
    x, y = 3 * fast + 3, 3 * slow + 3
    x0, x1, y0, y1 = region
    return max(x0 - x, 0), min(x1 + x, width), max(y0 - y, 0), min(y1 + y, height)


def _quantity(
    image: NDArray[Any], good: Mask, parameters: ThresholdParameters, picture: Picture
) -> NDArray[Any]:
    p = parameters.dispersion
    gain = 1.0 if p.gain is None else p.gain
    if picture == "global":
        limit = p.global_threshold
        return good & (image > (estimate_global_threshold(image) if limit is None else limit))
    slow, fast = p.kernel_size
    values = np.where(good, image, 0).astype(np.float64)
    n = _window_sums(good.astype(np.float64), slow, fast)
    total, squares = _window_sums(values, slow, fast), _window_sums(values**2, slow, fast)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / n, 0.0)
        variance = np.where(n > 1, (n * squares - total**2) / (n * (n - 1.0)), 0.0)
        dispersion = np.where(mean > 0, variance / mean, 1.0)
    if picture in ("mean", "variance", "dispersion"):
        return {"mean": mean, "variance": variance, "dispersion": dispersion}[picture]
    area = (2 * slow + 1) * (2 * fast + 1)
    enough = n >= (area if p.min_local <= 0 else max(p.min_local, 1))
    if picture == "sigma_b":
        spread = np.sqrt(np.maximum(2.0 * (n - 1.0), 0.0))
        wide = n * squares - total**2 > gain * total * (n - 1.0 + p.sigma_background * spread)
        return np.asarray(good & enough & (total >= 0) & wide)
    high = n * values - total > p.sigma_strong * np.sqrt(gain * n * total.clip(0))
    return np.asarray(good & enough & high)


def _window_sums(values: Floats, slow: int, fast: int) -> Floats:
    """Return sums over the window of these half widths, clipped at the edges."""
    for axis, half in ((0, slow), (1, fast)):
        size = values.shape[axis]
        sums = np.concatenate(
            [np.zeros_like(np.take(values, [0], axis)), np.cumsum(values, axis=axis)], axis=axis
        )
        at = np.arange(size)
        values = np.take(sums, np.minimum(at + half + 1, size), axis) - np.take(
            sums, np.maximum(at - half, 0), axis
        )
    return values
