"""Calibration of a detector's pixels: pedestal, noise, gain and use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import InputError
from dxdask.models import Detector

BAD, GOOD, UNBONDED = 0, 1, 2
"""Values of `Calibration.use`; an unbonded pixel has no contact to the sensor."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Calibration of the pixels of the stored frame (slow, fast), for `correct`.

    Attributes
    ----------
    pedestal : float32, count without photons, ADU.
    noise : float32, its standard deviation less the common mode, ADU.
    gain : float32, ADU a photon.
    use : uint8, BAD, GOOD or UNBONDED.
    boxes : (panel, 4) int64, x0, x1, y0, y1 of each panel, half open.
    n_dark : number of frames of which the pedestal is the mean; 0 where it is known exactly.
    """

    pedestal: NDArray[np.float32]
    noise: NDArray[np.float32]
    gain: NDArray[np.float32]
    use: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    n_dark: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all arrays."""
        digest = hashlib.blake2b(digest_size=16)
        for values in (self.pedestal, self.noise, self.gain, self.use, self.boxes):
            digest.update(repr((values.shape, values.dtype.str)).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update(str(self.n_dark).encode())
        return digest.hexdigest()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Pixels (slow, fast) that hold photons after correction."""
        return np.asarray(self.use == GOOD)

    @cached_property
    def panel_noise(self) -> NDArray[np.float64]:
        """Root mean square (panel,), ADU, of pixels without photons less the pedestal."""
        out = np.zeros(len(self.boxes))
        for i, (x0, x1, y0, y1) in enumerate(self.boxes):
            sigma = self.noise[y0:y1, x0:x1][self.use[y0:y1, x0:x1] != BAD].astype(np.float64)
            out[i] = np.sqrt(np.mean(sigma**2)) if sigma.size else 0.0
        return np.asarray(out * np.sqrt(1.0 + (1.0 / self.n_dark if self.n_dark else 0.0)))

    @cached_property
    def panel_gains(self) -> NDArray[np.float64]:
        """Median gain of each panel (panel,), ADU a photon."""
        out = np.zeros(len(self.boxes))
        for i, (x0, x1, y0, y1) in enumerate(self.boxes):
            good = self.use[y0:y1, x0:x1] != BAD
            out[i] = np.median(self.gain[y0:y1, x0:x1][good]) if good.any() else 0.0
        return out


def panel_boxes(detector: Detector) -> NDArray[np.int64]:
    """Return x0, x1, y0, y1 (panel, 4), half open, of each panel in the stored frame."""
    return np.array(
        [
            (p.offset[0], p.offset[0] + p.image_size[0], p.offset[1], p.offset[1] + p.image_size[1])
            for p in detector.panels
        ],
        dtype=np.int64,
    )


def calibration_of(
    detector: Detector,
    shape: tuple[int, int],
    *,
    pedestal: NDArray[np.float32] | None = None,
    noise: NDArray[np.float32] | None = None,
    gain: NDArray[np.float32] | float | None = None,
    bad: NDArray[np.bool_] | None = None,
    unbonded: NDArray[np.bool_] | None = None,
    n_dark: int = 0,
) -> Calibration:
    """Return the calibration of frames of this shape (slow, fast), checked and complete.

    By default pedestal and gain are those of the panels' models, and noise is 0. bad, unbonded :
    true where a pixel is. n_dark : frames of the dark run. A pixel whose gain is not above 0 is bad
    too.

    Raises
    ------
    InputError
        An array differs from the frames in shape, or the frames do not hold the panels.
    """
    rows, columns = detector.frame_shape
    if shape[0] < rows or shape[1] < columns:
        raise InputError(
            f"frames are {shape}, the panels take up {(rows, columns)} (slow, fast); give the "
            "geometry of these frames"
        )
    given = {"pedestal": pedestal, "noise": noise, "bad": bad, "unbonded": unbonded}
    if not np.isscalar(gain):
        given["gain map"] = gain  # type: ignore[assignment]
    for name, values in given.items():
        if values is not None and values.shape != shape:
            raise InputError(
                f"the {name} is {values.shape}, the frames are {shape} (slow, fast); give one of "
                "this detector, its panels one below the other"
            )
    own_pedestal, own_gain = np.zeros(shape, np.float32), np.ones(shape, np.float32)
    use = np.full(shape, BAD, dtype=np.uint8)
    for panel in detector.panels:
        own_pedestal[panel.slices], own_gain[panel.slices] = panel.pedestal, panel.gain
        use[panel.slices] = GOOD
    gains = own_gain if gain is None else np.broadcast_to(np.asarray(gain, np.float32), shape)
    if unbonded is not None:
        use[unbonded & (use == GOOD)] = UNBONDED
    if bad is not None:
        use[bad] = BAD
    with np.errstate(invalid="ignore"):
        use[~(gains > 0) | ~np.isfinite(gains)] = BAD
    return Calibration(
        pedestal=own_pedestal if pedestal is None else np.ascontiguousarray(pedestal, np.float32),
        noise=np.zeros(shape, np.float32) if noise is None else np.asarray(noise, np.float32),
        gain=np.ascontiguousarray(np.where(use == BAD, np.float32(1.0), gains)),
        use=use,
        boxes=panel_boxes(detector),
        n_dark=n_dark,
    )
