"""The threshold that the parameters choose, behind one interface."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Mask
from dxdask.models import Beam, Panel
from dxdask.spotfinding.thresholds.dispersion import DispersionThreshold
from dxdask.spotfinding.thresholds.ideal_spot import IdealSpotThreshold
from dxdask.spotfinding.thresholds.parameters import ThresholdParameters
from dxdask.spotfinding.thresholds.radial_profile import RadialProfileThreshold
from dxdask.spotfinding.thresholds.rings import Region, rings_of


class Threshold(Protocol):
    """Marks the strong pixels of frames of one shape and dtype.

    It holds a workspace: not for two threads at once, and each call overwrites the last result.
    """

    def __call__(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> Mask:
        """Return the strong pixels (slow, fast) of an image.

        image : (slow, fast), counts, contiguous. mask : (slow, fast), True is good, contiguous.
        trusted_range : counts strictly between the two are used; None for all.
        """
        ...

    def list_strong(
        self, image: NDArray[Any], mask: Mask, trusted_range: tuple[float, float] | None = None
    ) -> NDArray[np.int32]:
        """Return the same as flat indices (n,) into the image, ascending."""
        ...


def threshold_of(
    panel: Panel,
    beam: Beam,
    dtype: np.dtype[Any],
    parameters: ThresholdParameters,
    *,
    gain: float | NDArray[Any] = 1.0,
    quantum: float = 1.0,
    region: Region | None = None,
) -> Threshold:
    """Return the threshold for the images of one panel.

    Parameters
    ----------
    panel, beam : geometry of the pixels; only `radial_profile` uses it, see `is_of_one_panel`.
    dtype : of the images.
    parameters : the threshold and its parameters.
    gain : of images that are not in photons, counts per photon, of the panel or of each pixel
        (slow, fast), multiplied with `dispersion.gain`. A uniform gain has no effect on
        `radial_profile`; `helen` uses the values as they are.
    quantum : one count, in the unit of the images; for `radial_profile`.
    region : x0, x1, y0, y1 of the panel that the images hold, the second of each not included;
        None for all of it.
    """
    if parameters.algorithm == "radial_profile":
        return _radial_profile(panel, beam, parameters, gain, quantum, region)
    shape = _shape(panel, region)
    if parameters.algorithm == "helen":
        return IdealSpotThreshold(shape, **parameters.helen.model_dump())
    p = parameters.dispersion
    total: Any = gain if p.gain is None else gain * p.gain
    return DispersionThreshold(
        shape,
        dtype,
        extended=parameters.algorithm == "dispersion_extended",
        kernel_size=p.kernel_size,
        sigma_background=p.sigma_background,
        sigma_strong=p.sigma_strong,
        min_local=p.min_local,
        global_threshold=p.global_threshold,
        gain=total,
    )


def _radial_profile(
    panel: Panel,
    beam: Beam,
    parameters: ThresholdParameters,
    gain: float | NDArray[Any],
    quantum: float,
    region: Region | None,
) -> RadialProfileThreshold:
    p = parameters.radial_profile
    rings = rings_of(panel, beam, p.n_bins, region)
    if not isinstance(gain, np.ndarray):
        return RadialProfileThreshold(rings, n_iqr=p.n_iqr, blur=p.blur, quantum=quantum)
    return RadialProfileThreshold(
        rings, n_iqr=p.n_iqr, blur=p.blur, gain=gain, quantum=1.0 / panel.gain
    )


def is_of_one_panel(parameters: ThresholdParameters) -> bool:
    """Return True if panels need thresholds of their own, even where their shapes are equal."""
    return parameters.algorithm == "radial_profile"


def _shape(panel: Panel, region: Region | None) -> tuple[int, int]:
    if region is None:
        width, height = panel.image_size
        return height, width
    x0, x1, y0, y1 = region
    return y1 - y0, x1 - x0
