"""Amplitudes of merged intensities: those expected given that true intensities are not negative."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.models.symmetry import Indices, epsilon, is_centric
from dxdask.truncation.posterior import moments
from dxdask.truncation.prior import Prior, fit_prior

LOWEST_RATIO = -4.0
"""I / sigma below which an intensity is no measurement of a reflection, but an error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truncation:
    """The prior of a data set, and what it takes to make amplitudes.

    Attributes
    ----------
    prior : expected intensities; None: a flat one, all positive intensities are as likely.
    mean : (n,) of each reflection, infinite with a flat prior. centric : (n,), none with it.
    """

    prior: Prior | None
    mean: Floats
    centric: Mask

    def amplitudes(self, intensity: Floats, sigma: Floats) -> tuple[Floats, Floats]:
        """Return F (n,) and its standard deviation (n,), of intensities of these reflections.

        nan where the intensity is nan, sigma is not positive, or I is below -4 sigma.
        """
        return french_wilson(intensity, sigma, self.mean, self.centric)


def truncation_of(
    hkl: Indices,
    intensity: Floats,
    sigma: Floats,
    *,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    min_reflections: int = 1,
) -> Truncation | None:
    """Return the truncation of merged reflections (n,), Friedel mates together.

    None where no intensity is usable, or they do not add up to more than zero: no prior then.

    min_reflections : usable ones that Wilson's prior needs; with fewer it is flat.
    """
    centric, eps = is_centric(hkl, group), epsilon(hkl, group)
    good = usable(intensity, sigma)
    if not good.any() or not intensity[good].sum() > 0:
        return None
    if good.sum() < min_reflections:
        # the posterior of Wilson's acentric prior with an infinite mean
        flat = np.full(len(hkl), np.inf)
        return Truncation(prior=None, mean=flat, centric=np.zeros(len(hkl), dtype=np.bool_))
    prior = fit_prior(
        hkl[good],
        intensity[good],
        sigma[good],
        centric=centric[good],
        epsilon=eps[good],
        cell=cell,
        group=group,
    )
    return Truncation(prior=prior, mean=prior.mean(hkl, eps, cell), centric=centric)


def usable(intensity: Floats, sigma: Floats) -> Mask:
    """Return true (n,) where amplitudes are calculated."""
    with np.errstate(invalid="ignore"):
        good = np.isfinite(intensity) & np.isfinite(sigma) & (sigma > 0)
        return np.asarray(good & (intensity >= LOWEST_RATIO * sigma))


def french_wilson(
    intensity: Floats, sigma: Floats, mean: Floats, centric: Mask
) -> tuple[Floats, Floats]:
    """Return F and its standard deviation (n,) (French & Wilson 1978), nan where not `usable`.

    mean : (n,) expected intensity, with epsilon.
    """
    good = usable(intensity, sigma)
    f, f_sigma = np.full(len(intensity), np.nan), np.full(len(intensity), np.nan)
    i, s = intensity[good], sigma[good]
    h = i / s - np.where(centric[good], 0.5, 1.0) * s / mean[good]
    _, root, spread = moments(h, centric[good])
    f[good], f_sigma[good] = root * np.sqrt(s), spread * np.sqrt(s)
    return f, f_sigma
