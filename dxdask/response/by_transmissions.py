"""Fit of a detector's response to counts of the same pixels at several transmissions.

The equations are those of `ratios`. The threshold is that of the least chi square of the ratios in
bins of counts. Standard uncertainties are those of a jackknife over parts of detector and scan,
which no pixel shares.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.response.model import DetectorResponse
from dxdask.response.ratios import (
    LEAST_SLOPE,
    N_PARTS,
    NEVER,
    Law,
    PairedCounts,
    chi2_of,
    scatter_of,
    solved,
    start_of,
)

LEAST_GAIN = 30.0
"""Of chi square, relative to that of its bins, from which on a response is not linear."""
LARGEST_CHI2 = 3.0
"""Of the bins: above, no response explains the ratios."""
FEWEST_PIXELS = 2000
_FEWEST_BESIDE = 500  # pairs with both counts below a threshold, and above it
_NEAR = 6
_STARTS = 2  # thresholds that are refined
_BEST, _EQUAL = 4, 9.0  # thresholds of nearly the least chi square, and how nearly
_ROUNDS = 5
_RATIO = 1.4  # of neighbouring thresholds that are tried first


class TransmissionFit(NamedTuple):
    """A response fitted to ratios of runs.

    response : None if the detector is linear, or no response explains the ratios. n_pixels : pairs
    of pixels. chi2_linear, chi2 : of the bins by degrees of freedom, without and with the response.
    ratios : intensity of each run by that of the last. reason : why there is no response.
    """

    response: DetectorResponse | None
    n_pixels: int = 0
    chi2_linear: float | None = None
    chi2: float | None = None
    ratios: tuple[float, ...] = ()
    reason: str = ""


def linear_law(data: PairedCounts) -> Law:
    """Return the law of a linear detector, with the intensities of the runs."""
    law = solved(data, Law(NEVER, 1.0, 0.0, start_of(data)), free=False)
    return law._replace(scatter=scatter_of(data, law))


def law_of(data: PairedCounts, response: DetectorResponse) -> Law:
    """Return the law of a response, with the intensities of the runs."""
    law = Law(
        cut=float(response.start), u=1.0 / response.factor,
        v=-response.offset / response.factor, log_s=start_of(data),
    )  # fmt: skip
    law = solved(data, law, free=False)
    return law._replace(scatter=scatter_of(data, law))


def fit_by_transmissions(data: PairedCounts) -> TransmissionFit:
    """Return the response by counts of the same pixels, runs in ascending transmission."""
    n = len(data.low)
    if n < FEWEST_PIXELS:
        return TransmissionFit(None, n, reason=f"{n} pixels in common are too few")
    linear = linear_law(data)
    cuts = [c for c in _cuts(data) if _has_both_sides(data, c)]
    tried = sorted((_at_cut(data, linear, c) for c in cuts), key=lambda f: f[0])
    if not tried or not np.isfinite(tried[0][0]):
        return TransmissionFit(None, n, reason="no threshold and factor can be fitted")
    recorded = np.unique(np.concatenate([data.low, data.high]))
    for width in (_RATIO, _RATIO ** (1.0 / _NEAR)):
        near = np.concatenate([_near(f[1].cut, width, recorded) for f in tried[:_STARTS]])
        cuts = [c for c in np.unique(near) if _has_both_sides(data, c)]
        more = sorted((_at_cut(data, tried[0][1], c) for c in cuts), key=lambda f: f[0])
        tried = more or tried
    law = tried[0][1]
    others = [f[1].cut for f in tried[:_BEST] if f[0] < tried[0][0] + _EQUAL]
    law = _unique(data, law)
    law = law._replace(scatter=scatter_of(data, law))
    # both by the errors of the better one, which does not count its failure as scatter
    linear = solved(data, linear._replace(scatter=law.scatter), free=False)
    chi2, dof = chi2_of(data, law)
    before = chi2_of(data, linear)[0]
    result = TransmissionFit(
        None, n, before / dof, chi2 / dof, tuple(float(s) for s in np.exp(linear.log_s))
    )
    if before - chi2 < LEAST_GAIN * max(chi2 / dof, 1.0):
        return result._replace(reason="ratios of runs do not depend on counts")
    if chi2 / dof > LARGEST_CHI2:
        return result._replace(reason="no threshold and factor explain the ratios of runs")
    try:
        response = _response(data, law, np.array([law.cut, *others[1:]]))
    except InputError as error:
        return result._replace(reason=str(error))
    return result._replace(response=response, ratios=tuple(float(s) for s in np.exp(law.log_s)))


def _cuts(data: PairedCounts) -> Floats:
    """Return the counts at which the second law may begin: with enough counts on either side."""
    low, high = np.quantile(np.concatenate([data.low, data.high]), [0.02, 0.98])
    n = int(np.log(max(high, 8.0) / max(low, 4.0)) / np.log(_RATIO)) + 2
    return np.unique(np.rint(np.geomspace(max(low, 4.0), max(high, 8.0), n)))


def _near(cut: float, width: float, recorded: Floats) -> Floats:
    """Return counts within a factor `width` that pixels have, at most 2 `_NEAR` of them."""
    tried = np.rint(np.geomspace(cut / width, cut * width, 2 * _NEAR))
    at = np.searchsorted(recorded, np.append(tried, cut)).clip(max=len(recorded) - 1)
    return np.unique(recorded[at])


def _has_both_sides(data: PairedCounts, cut: float) -> bool:
    """Return whether enough pixels have both counts below a threshold, and both above.

    Ratios of pixels on one side alone do not depend on the factor.
    """
    below, above = np.count_nonzero(data.high < cut), np.count_nonzero(data.low >= cut)
    return bool(min(below, above) >= _FEWEST_BESIDE)


def _at_cut(data: PairedCounts, start: Law, cut: float) -> tuple[float, Law]:
    law = solved(data, start._replace(cut=float(cut), u=1.0, v=0.0), free=True)
    if not LEAST_SLOPE < law.u < 1.0 / LEAST_SLOPE:
        return np.inf, start
    return chi2_of(data, law)[0], law


def _unique(data: PairedCounts, law: Law) -> Law:
    """Return the law that begins where it meets the first one, if it begins with fewer counts."""
    for _ in range(_ROUNDS):
        meeting = law.v / (1.0 - law.u) if law.u != 1.0 else 0.0
        if law.cut >= law.u * law.cut + law.v or meeting <= 0.0:
            break
        law = solved(data, law._replace(cut=meeting), free=True)
    return law


def _response(data: PairedCounts, law: Law, cuts: Floats) -> DetectorResponse:
    """Return the response of a law, with uncertainties by the jackknife.

    cuts : thresholds that explain the data nearly as well, of which each part has its own.
    """
    values = []
    for part in range(N_PARTS):
        rest = data.select(data.part != part)
        other = min((_at_cut(rest, law, cut) for cut in cuts), key=lambda f: f[0])[1]
        values.append((1.0 / other.u, -other.v / other.u))
    around = np.array(values)
    su = np.sqrt((N_PARTS - 1) / N_PARTS * ((around - around.mean(axis=0)) ** 2).sum(axis=0))
    factor, offset = 1.0 / law.u, -law.v / law.u
    return DetectorResponse(
        threshold=int(np.rint(min(law.u * law.cut + law.v, law.cut))), factor=float(factor),
        offset=float(offset), factor_su=float(su[0]), offset_su=float(su[1]),
    )  # fmt: skip
