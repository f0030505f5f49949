"""The strong pixels of single frames, by DIALS's dispersion thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.spotfinding.thresholds.dispersion import DispersionThreshold

TrustedRange = tuple[float, float] | None


def dispersion(
    image: NDArray[Any], mask: Mask, *, trusted_range: TrustedRange = None, **parameters: Any
) -> Mask:
    """Return the strong pixels (slow, fast) of a frame; parameters of `DispersionThreshold`."""
    return _strong(image, mask, trusted_range, extended=False, **parameters)


def dispersion_extended(
    image: NDArray[Any], mask: Mask, *, trusted_range: TrustedRange = None, **parameters: Any
) -> Mask:
    """Return the strong pixels (slow, fast) of a frame; parameters of `DispersionThreshold`."""
    return _strong(image, mask, trusted_range, extended=True, **parameters)


def _strong(
    image: NDArray[Any], mask: Mask, trusted_range: TrustedRange, **parameters: Any
) -> Mask:
    threshold = DispersionThreshold(image.shape[-2:], image.dtype, **parameters)
    image, mask = np.ascontiguousarray(image), np.ascontiguousarray(mask, np.bool_)
    return threshold(image, mask, trusted_range)
