"""The scan: images and their rotation angles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models.plain import as_plain
from dxdask.models.scan_angles import angles_at, places_at
from dxdask.models.vectors import floats, pair

_NARROW = 2  # images of a spot that is narrower than they are


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """Consecutive images and their rotation angles.

    z, a spot's third coordinate, is dxtbx's array index: image number n covers z from n - 1 to n.

    Attributes
    ----------
    image_range : first and last image number, both included, counted from 1.
    oscillation : angle at the start of the first image and width of one image, degrees; of uneven
    images, those of the even steps nearest to them.
    exposure_times : seconds, one per image, or one for all, or empty where not known.
    epochs : seconds, one per image, or empty.
    batch_offset : added to the image number to make the batch number of an unmerged MTZ.
    angles : degrees, at the start of each image and the end of the last (n_images + 1), ascending
    or descending as the width has it; empty where images are evenly spaced.

    Raises
    ------
    InputError
        The angles are not of the images, or do not go on from image to image.
    """

    image_range: tuple[int, int]
    oscillation: tuple[float, float] = (0.0, 0.0)
    exposure_times: tuple[float, ...] = ()
    epochs: tuple[float, ...] = ()
    batch_offset: int = 0
    angles: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the angles."""
        if not self.angles:
            return
        if len(self.angles) != self.n_images + 1:
            raise InputError(
                f"a scan of {self.n_images} images has {len(self.angles)} angles: give one more "
                "than images, or none"
            )
        if not np.all(np.diff(self.angles) * self.oscillation[1] > 0.0):
            raise InputError(
                f"the angles of a scan of width {self.oscillation[1]:g} degrees do not go on from "
                "image to image: give none, or others"
            )

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
        """Rotation during one image, rad; of uneven images, the usual one."""
        return float(np.deg2rad(self.oscillation[1]))

    @property
    def phi_range_rad(self) -> tuple[float, float]:
        """Angles at the start of the first image and the end of the last, rad."""
        if self.angles:
            return (float(np.deg2rad(self.angles[0])), float(np.deg2rad(self.angles[-1])))
        start, width = np.deg2rad(self.oscillation)
        return (float(start), float(start + width * self.n_images))

    @property
    def borders_rad(self) -> Floats:
        """Angles (n_images + 1,) at the start of each image and the end of the last, rad."""
        if self.angles:
            return np.deg2rad(self.angles)
        start, width = np.deg2rad(self.oscillation)
        return np.asarray(start + width * np.arange(self.n_images + 1))

    def width_at(self, z: ArrayLike) -> Floats:
        """Return the rotation (rad) during the images at array index z (images)."""
        z = np.asarray(z, dtype=np.float64)
        if not self.angles:
            return np.full(z.shape, self.image_width_rad)
        # beyond the ends images are as wide as usual
        usual = self.image_width_rad
        widths = np.concatenate([[usual], np.diff(self.borders_rad), [usual]])
        image = np.floor(z - self.array_range[0]) + 1
        return np.asarray(widths[np.clip(image, 0, self.n_images + 1).astype(np.int64)])

    def phi_variance(self, z: ArrayLike, z_variance: Floats) -> Floats:
        """Return variances of angles (rad^2) of those of array index z (images^2)."""
        if self.angles:
            return np.asarray(z_variance * self.width_at(z) ** 2)
        return z_variance * self.image_width_rad**2

    def phi_from_z(self, z: ArrayLike) -> Floats:
        """Return the angle (rad) at array index z (images).

        Within an image, and beyond the ends of the scan, the angle is linear in z.
        """
        if self.angles:
            places = np.asarray(z, dtype=np.float64) - self.array_range[0]
            return angles_at(places, self.borders_rad, self.image_width_rad)
        start, width = np.deg2rad(self.oscillation)
        return np.asarray(start + (np.asarray(z, dtype=np.float64) - self.array_range[0]) * width)

    def phi_of_centroid(self, z: ArrayLike, n_images: ArrayLike) -> Floats:
        """Return the angle (rad) of spots of centroid z (images) that are on so many images.

        Of even images it is that of `phi_from_z`. A centroid is the mean of the centres of images,
        weighted by the counts on them: of spots on several uneven images, that of the angles of
        these centres, which is linear between neighbours. A spot on two images or one is narrower
        than they are and lies where they meet, as `phi_from_z` has it.
        """
        narrow = self.phi_from_z(z)
        if not self.angles or self.n_images < 2:
            return narrow
        borders = self.borders_rad
        places = np.asarray(z, dtype=np.float64) - self.array_range[0] - 0.5
        wide = angles_at(places, 0.5 * (borders[:-1] + borders[1:]), self.image_width_rad)
        return np.where(np.asarray(n_images) > _NARROW, wide, narrow)

    def z_from_phi(self, phi: ArrayLike) -> Floats:
        """Return the array index z (images) at angle phi (rad)."""
        if self.angles:
            return places_at(phi, self.borders_rad, self.image_width_rad) + self.array_range[0]
        start, width = np.deg2rad(self.oscillation)
        return np.asarray((np.asarray(phi, dtype=np.float64) - start) / width + self.array_range[0])

    def part(self, start: int, stop: int) -> Scan:
        """Return the scan of images start .. stop - 1, counted from 0; they keep their numbers."""
        begin, width = self.oscillation
        first, n, chosen = self.image_range[0], self.n_images, slice(start, stop)
        times, epochs = self.exposure_times, self.epochs
        return replace(
            self,
            image_range=(first + start, first + stop - 1),
            oscillation=(begin + start * width, width),
            exposure_times=times[chosen] if len(times) == n else times,
            epochs=epochs[chosen] if len(epochs) == n else epochs,
            angles=self.angles[start : stop + 1],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the model as values that JSON can hold; angles only where images are uneven."""
        values = as_plain(self)
        return values if self.angles else {k: v for k, v in values.items() if k != "angles"}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Scan:
        """Return the model that `to_dict` wrote."""
        given = dict(values)
        first, last = given["image_range"]
        given["image_range"] = (int(first), int(last))
        given["oscillation"] = pair(given["oscillation"])
        given["exposure_times"] = floats(given.get("exposure_times") or ()) or ()
        given["epochs"] = floats(given.get("epochs") or ()) or ()
        given["angles"] = floats(given.get("angles") or ()) or ()
        return cls(**given)
