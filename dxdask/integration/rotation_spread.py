"""Width of the reflections along the rotation: mosaicity, and the size of lattice points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.geometry.required import require_rotation
from dxdask.integration.parameters import ProfileParameters
from dxdask.integration.ragged import entries_of
from dxdask.integration.stretches import FEWEST, smooth_by_image, stretches
from dxdask.integration.widths import minus_log_likelihood
from dxdask.models import Experiment
from dxdask.models.profile import at_images, rotation_widths

_MOST_SPOTS = 10_000  # of a run
_ROUNDS = 2  # of widths along the scan, and of the radius of lattice points
# limits of widths: image widths, degrees
_NARROWEST, _WIDEST_DEG = 0.01, 20.0


class RotationSpread(NamedTuple):
    """sigma_m: rad; rlp_radius: 1/A; see `rotation_widths`.

    by_image: sigma_m of each image of the scan, where it varies along it; else empty.
    """

    sigma_m: float
    rlp_radius: float
    by_image: tuple[float, ...] = ()

    def sigma_m_at(self, z: Floats) -> Floats:
        """Return sigma_m (n,) at places along the scan (n,), images from its first; rad."""
        return at_images(self.by_image, self.sigma_m, z)


class _Spots(NamedTuple):
    """Spots of one run and the counts of their frames, as `minus_log_likelihood` takes them.

    zeta, d: (n,). place: (n,), along the scan, images from its first. begin, offsets, counts,
    ends: its start, offsets, counts and ends. width: rad, of an image.
    """

    zeta: Floats
    d: Floats
    place: Floats
    begin: Floats
    offsets: NDArray[np.int64]
    counts: Floats
    ends: Floats
    width: float


def given_spread(parameters: ProfileParameters) -> RotationSpread | None:
    """Return the widths of `profile.sigma_m`, if given; its rlp_radius is 0 unless given too."""
    if parameters.sigma_m is None:
        return None
    return RotationSpread(float(np.deg2rad(parameters.sigma_m)), parameters.rlp_radius or 0.0)


def rotation_spread(
    s1: Floats,
    phi: Floats,
    pixels: Mapping[str, NDArray[Any]],
    experiment: Experiment,
    parameters: ProfileParameters,
) -> RotationSpread:
    """Return the most likely widths along the rotation, of the strong spots of one run.

    A frame at tau from the predicted angle holds the fraction z = 1/2 [erf(|zeta| (tau + w/2) /
    sqrt2 s) - erf(|zeta| (tau - w/2) / sqrt2 s)], w the width of an image and s that of
    `rotation_widths`. Of each spot with counts n on its frames, ln L = sum n ln z - (sum n - 1)
    ln(sum z). Source: Kabsch (2010), Acta Cryst. D66, 133, who has one width for all; extended to
    several frames in DIALS (Winter et al. 2018, Acta Cryst. D74, 85).

    Parameters
    ----------
    s1 : (n, 3), predicted directions, unit vectors. phi : (n,), predicted angles, rad.
    pixels : strong pixels (m,): owner, the row of each; pixel_z, images; pixel_value, counts.
    parameters : `profile.rlp_radius` is not estimated where it is given there.
    """
    spots = _spots(s1, phi, pixels, experiment, parameters.min_zeta)
    wavelength, given = experiment.beam.wavelength, parameters.rlp_radius
    found = _one_width(spots, wavelength, given, np.ones(len(spots.d)))
    n_images = require_rotation(experiment).scan.n_images
    parts = stretches(spots.place, parameters.min_spots, n_images)
    if not parameters.scan_varying or len(parts) < FEWEST:
        return found
    at = np.array([spots.place[rows].mean() for rows in parts])
    relative: Floats = np.ones(n_images)
    for _ in range(_ROUNDS):
        own = [_sigma_m(_part(spots, rows), wavelength, found.rlp_radius) for rows in parts]
        by_image = np.exp(smooth_by_image(at, np.log(own), n_images))
        relative = by_image / by_image.mean()
        found = _one_width(spots, wavelength, given, at_images(relative, 1.0, spots.place))
    return found._replace(by_image=tuple((found.sigma_m * relative).tolist()))


def _part(spots: _Spots, rows: NDArray[np.int64]) -> _Spots:
    """Return the spots of some rows (k,)."""
    offsets, at = entries_of(spots.offsets, rows)
    return _Spots(
        zeta=spots.zeta[rows],
        d=spots.d[rows],
        place=spots.place[rows],
        begin=spots.begin[rows],
        offsets=offsets,
        counts=spots.counts[at],
        ends=spots.ends[at],
        width=spots.width,
    )


def _objective(spots: _Spots, wavelength: float, sigma_m: float | Floats, radius: float) -> float:
    widths = rotation_widths(sigma_m, radius, spots.d, wavelength)
    rate = spots.zeta / (np.sqrt(2.0) * widths)
    return float(minus_log_likelihood(rate, spots.begin, spots.offsets, spots.counts, spots.ends))


def _sigma_m(
    spots: _Spots, wavelength: float, radius: float, relative: float | Floats = 1.0
) -> float:
    """Return the most likely sigma_m with this radius."""
    narrowest, widest = abs(spots.width) * _NARROWEST, np.deg2rad(_WIDEST_DEG)
    found = scipy.optimize.minimize_scalar(
        lambda log: _objective(spots, wavelength, np.exp(log) * relative, radius),
        bounds=(np.log(narrowest), np.log(widest)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(np.exp(found.x))


def _one_width(
    spots: _Spots, wavelength: float, given: float | None, relative: Floats
) -> RotationSpread:
    """Return the most likely widths of all spots, sigma_m times `relative` (n,).

    given : radius of the lattice points; None: estimated.
    """
    narrowest = abs(spots.width) * _NARROWEST
    sigma = _sigma_m(spots, wavelength, given or 0.0, relative)
    if given is not None or len(spots.d) == 0:
        return RotationSpread(sigma, given or 0.0)
    # variances in units of those of one width for all, which they share at the start
    radius = sigma / np.median(spots.d)
    total = max(float(spots.counts.sum()), 1.0)
    largest = (np.deg2rad(_WIDEST_DEG) / sigma) ** 2

    def of_variances(v: Floats) -> float:
        sigma_m = sigma * np.sqrt(v[0]) * relative
        return _objective(spots, wavelength, sigma_m, radius * np.sqrt(v[1])) / total

    found = scipy.optimize.minimize(
        of_variances,
        np.array([0.5, 0.5]),
        bounds=[((narrowest / sigma) ** 2, largest), (0.0, largest)],
        method="L-BFGS-B",
        options={"eps": 1e-5, "ftol": 1e-9},
    )
    share, size = found.x
    return RotationSpread(float(sigma * np.sqrt(share)), float(radius * np.sqrt(size)))


def _spots(
    s1: Floats,
    phi: Floats,
    pixels: Mapping[str, NDArray[Any]],
    experiment: Experiment,
    min_zeta: float,
) -> _Spots:
    (goniometer, scan), s0 = require_rotation(experiment), experiment.beam.s0
    every = max(-(-len(s1) // _MOST_SPOTS), 1)
    s1, phi = s1[::every], phi[::every]
    e1 = np.cross(s1, s0)
    wavelength = experiment.beam.wavelength
    with np.errstate(invalid="ignore", divide="ignore"):
        zeta = np.abs(e1 @ goniometer.rotation_axis) / np.linalg.norm(e1, axis=1)
        spacing = wavelength / np.linalg.norm(s1 - s0 * wavelength, axis=1)
    taken = pixels["owner"] % every == 0
    owner = pixels["owner"][taken] // every
    keep = (zeta >= min_zeta)[owner]
    owner, z = owner[keep], pixels["pixel_z"][taken][keep].astype(np.int64)
    first = np.full(len(s1), np.iinfo(np.int64).max)
    np.minimum.at(first, owner, z)
    last = np.full(len(s1), -1)
    np.maximum.at(last, owner, z)
    n_frames = np.where(last >= 0, last - first + 1, 0)
    offsets = np.concatenate([[0], np.cumsum(n_frames)])
    counts = np.bincount(
        offsets[owner] + z - first[owner],
        pixels["pixel_value"][taken][keep].astype(np.float64),
        minlength=int(offsets[-1]),
    )
    seen = n_frames > 0
    begin = scan.phi_from_z(first[seen].astype(np.float64)) - phi[seen]
    frame = np.arange(1, len(counts) + 1) - np.repeat(offsets[:-1], n_frames)
    if scan.angles:
        ends = scan.phi_from_z(np.repeat(first, n_frames) + frame) - np.repeat(phi, n_frames)
    else:
        ends = np.repeat(begin, n_frames[seen]) + frame * float(scan.image_width_rad)
    return _Spots(
        zeta=zeta[seen],
        d=spacing[seen],
        place=scan.z_from_phi(phi[seen]) - scan.array_range[0],
        begin=begin,
        offsets=np.append(offsets[:-1][seen], offsets[-1]),
        counts=counts.astype(np.float64),
        ends=ends,
        width=float(scan.image_width_rad),
    )
