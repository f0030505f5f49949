"""The scan: images and their rotation angles."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.models.vectors import floats, pair


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """Consecutive images and their rotation angles.

    z, a spot's third coordinate, is dxtbx's array index: image number n covers z from n - 1 to n.

    Attributes
    ----------
    image_range : first and last image number, both included, counted from 1.
    oscillation : angle at the start of the first image and width of one image, degrees.
    exposure_times : seconds, one per image, or one for all, or empty where not known.
    epochs : seconds, one per image, or empty.
    batch_offset : added to the image number to make the batch number of an unmerged MTZ.
    """

    image_range: tuple[int, int]
    oscillation: tuple[float, float] = (0.0, 0.0)
    exposure_times: tuple[float, ...] = ()
    epochs: tuple[float, ...] = ()
    batch_offset: int = 0

    @property
    def n_images(self) -> int:
        """Number of images."""
        return self.image_range[1] - self.image_range[0] + 1

    @property
    def array_range(self) -> tuple[int, int]:
        """Half-open range of z: (image_range[0] - 1, image_range[1])."""
        return (self.image_range[0] - 1, self.image_range[1])

    @property
    def is_still(self) -> bool:
        """True where the images have no width."""
        return self.oscillation[1] == 0.0

    @property
    def image_width_rad(self) -> float:
        """Rotation during one image, rad."""
        return float(np.deg2rad(self.oscillation[1]))

    @property
    def phi_range_rad(self) -> tuple[float, float]:
        """Angles at the start of the first image and the end of the last, rad."""
        start, width = np.deg2rad(self.oscillation)
        return (float(start), float(start + width * self.n_images))

    def phi_from_z(self, z: ArrayLike) -> Floats:
        """Return the angle (rad) at array index z (images)."""
        start, width = np.deg2rad(self.oscillation)
        return np.asarray(start + (np.asarray(z, dtype=np.float64) - self.array_range[0]) * width)

    def z_from_phi(self, phi: ArrayLike) -> Floats:
        """Return the array index z (images) at angle phi (rad)."""
        start, width = np.deg2rad(self.oscillation)
        return np.asarray((np.asarray(phi, dtype=np.float64) - start) / width + self.array_range[0])

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scan:
        """Return the model that `to_dict` wrote."""
        given = dict(values)
        first, last = given["image_range"]
        given["image_range"] = (int(first), int(last))
        given["oscillation"] = pair(given["oscillation"])
        given["exposure_times"] = floats(given.get("exposure_times") or ()) or ()
        given["epochs"] = floats(given.get("epochs") or ()) or ()
        return cls(**given)
