"""Widths of the reflections of a crystal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class GaussianProfile:
    """Widths of reflections: sigma_b across the beam, sigma_m along the scan; rad (Kabsch 2010).

    rlp_radius: rms radius of the reciprocal lattice points along a direction, 1/A; the smaller the
    blocks of the mosaic, the larger it is. See `rotation_widths`.
    sigma_b_by_image, sigma_m_by_image: of each image of the scan, where they vary along it, and
    empty where not; sigma_b and sigma_m are their means.
    """

    sigma_b: float
    sigma_m: float
    rlp_radius: float = 0.0
    n_sigma: float = 3.0
    sigma_b_by_image: tuple[float, ...] = ()
    sigma_m_by_image: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = {len(v) for v in (self.sigma_b_by_image, self.sigma_m_by_image) if v}
        if len(numbers) > 1:
            raise InputError(
                f"sigma_b of {len(self.sigma_b_by_image)} images and sigma_m of "
                f"{len(self.sigma_m_by_image)} must be of the same images"
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> GaussianProfile:
        """Return the profile of its fields, with lists for tuples."""
        by_image = {n: tuple(values.get(n, ())) for n in ("sigma_b_by_image", "sigma_m_by_image")}
        return cls(**{**values, **by_image})

    @property
    def is_scan_varying(self) -> bool:
        """True if a width varies along the scan."""
        return bool(self.sigma_b_by_image or self.sigma_m_by_image)

    def sigma_b_at(self, z: Floats) -> Floats:
        """Return sigma_b (n,) at places along the scan (n,), images from its first; rad."""
        return at_images(self.sigma_b_by_image, self.sigma_b, z)

    def sigma_m_at(self, z: Floats) -> Floats:
        """Return sigma_m (n,) at places along the scan (n,), images from its first; rad."""
        return at_images(self.sigma_m_by_image, self.sigma_m, z)

    def of_images(self, rows: slice) -> GaussianProfile:
        """Return the profile of some images of the scan, counted from its first."""
        by_image = self.sigma_b_by_image[rows], self.sigma_m_by_image[rows]
        b, m = (
            float(np.mean(v)) if v else mean
            for v, mean in zip(by_image, (self.sigma_b, self.sigma_m), strict=True)
        )
        return replace(
            self,
            sigma_b=b,
            sigma_m=m,
            sigma_b_by_image=by_image[0],
            sigma_m_by_image=by_image[1],
        )


def at_images(by_image: Sequence[float] | Floats, mean: float, z: Floats) -> Floats:
    """Return the values of images at z; those of the first and last image beyond them."""
    if not len(by_image):
        return np.full(len(z), mean)
    image: NDArray[np.int64] = np.clip(np.floor(z), 0, len(by_image) - 1).astype(np.int64)
    return np.asarray(by_image)[image]


def rotation_widths(
    sigma_m: float | Floats, rlp_radius: float, d: Floats, wavelength: float
) -> Floats:
    """Return the widths of reflections along Kabsch's third direction, rad.

    A turn of the lattice by sigma_m moves a lattice point off the Ewald sphere by sigma_m sin(2
    theta) / wavelength; where its radius is r, it is in diffracting position over an angle of
    r wavelength / sin(2 theta) = r d / cos(theta) as well. The two are independent. Source: Nave
    (2014), J. Synchrotron Rad. 21, 537, for the size and the turns of mosaic blocks.

    Parameters
    ----------
    sigma_m : rad, of all or (n,). rlp_radius : 1/A.
    d : (n,), spacings, A. wavelength : A.
    """
    sin = np.minimum(0.5 * wavelength / d, 1.0)
    return np.asarray(np.sqrt(sigma_m**2 + (rlp_radius * d) ** 2 / np.maximum(1.0 - sin**2, 1e-6)))
