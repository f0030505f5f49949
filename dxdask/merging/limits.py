"""High resolution limits by CC1/2 and I/sigma, over all directions and along axes.

CC1/2 in bins of equal numbers of reflections is fitted by (1 - tanh((s^2 - a) / b)) / 2 in s^2 =
1/d^2 (the curve of dials.estimate_resolution; Evans & Murshudov 2013, D69, 1204); the limit is
where it falls below `cc_half`. The logarithm of the mean I/sigma is interpolated between bins.
Along a direction the reflections within 30 degrees of it, or of its symmetry equivalents, count.
Where symmetry does not fix the principal axes of anisotropy (triclinic and monoclinic crystals),
those of the tensor of the prior have rows, too, strongest diffraction first.
"""

from __future__ import annotations

from collections.abc import Callable

import gemmi
import numpy as np
import scipy

from dxdask.arrays import Floats, Mask
from dxdask.merging.half_sets import HalfSets
from dxdask.merging.parameters import ResolutionParameters
from dxdask.merging.tables import MergedIntensities
from dxdask.models.metric import rotations_of
from dxdask.models.symmetry import Indices
from dxdask.tables import Table

LEAST = 20
"""Reflections of a bin."""
LEAST_BINS = 4
CONE = np.cos(np.deg2rad(30.0))
HEADINGS = {
    "direction": ("direction", ""),
    "n_unique": ("#uniq", "d"),
    "d_min": ("d_min", ".2f"),
    "d_cc_half": ("d (cc1/2)", ".2f"),
    "d_misigma": ("d (I/sigma)", ".2f"),
}


def limits_table(
    half_sets: HalfSets,
    merged: MergedIntensities,
    hkl: Indices,
    cell: gemmi.UnitCell,
    group: gemmi.SpaceGroup,
    parameters: ResolutionParameters,
    b_tensor: Floats | None = None,
) -> Table:
    """Return the table `resolution_limits`: a row for all directions and for a*, b*, c*.

    b_tensor : anisotropic part of B (3, 3), Cartesian, whose principal axes have rows as well.

    A limit is the highest resolution of the data where these do not fall below the threshold, None
    where there are too few reflections to judge or no signal at all.
    """
    every = np.ones(len(merged.d), dtype=np.bool_)
    axes = dict(zip(("a*", "b*", "c*"), np.eye(3), strict=True))
    if b_tensor is not None:
        axes |= principal_axes(b_tensor, cell, group)
    selections = {"all": every} | {
        name: within_cone(hkl, axis, cell, group) for name, axis in axes.items()
    }
    rows = []
    for name, chosen in selections.items():
        d_min = float(merged.d[chosen].min()) if chosen.any() else None
        cc = _bins(merged, chosen, lambda rows: half_sets.cc_half(rows)[0], parameters.bins)
        ratio = _bins(merged, chosen, lambda r: _mean_ratio(merged, r), parameters.bins)
        rows.append(
            {
                "direction": name,
                "n_unique": int(chosen.sum()),
                "d_min": d_min,
                "d_cc_half": _limited(limit_by_tanh(*cc, parameters.cc_half), d_min),
                "d_misigma": _limited(limit_by_ratio(*ratio, parameters.misigma), d_min),
            }
        )
    title = f"Resolution limits, CC1/2 = {parameters.cc_half:g}, I/sigma = {parameters.misigma:g}"
    return Table(name="resolution_limits", title=title, rows=rows, headings=HEADINGS)


def principal_axes(
    b_tensor: Floats, cell: gemmi.UnitCell, group: gemmi.SpaceGroup
) -> dict[str, Floats]:
    """Return the principal axes of a tensor (3, 3), as indices (3,) that need not be whole.

    Smallest B first; none where symmetry fixes them, or the tensor has none. Names have the parts
    along the unit vectors of a*, b* and c*.
    """
    if group.crystal_system_str() not in ("triclinic", "monoclinic"):
        return {}
    frame = np.array(cell.frac.mat)
    values, vectors = np.linalg.eigh(b_tensor)
    if not np.ptp(values) > 0.0:
        return {}
    found = {}
    for k, vector in enumerate(vectors.T):
        index = vector @ np.linalg.inv(frame)
        parts = index * np.linalg.norm(frame, axis=1)
        parts *= np.sign(parts[int(np.argmax(np.abs(parts)))])
        terms = [f"{x:+.2f} {name}" for x, name in zip(parts, "abc", strict=True) if abs(x) > 0.05]
        found[f"{k + 1}: " + "* ".join(terms) + "*"] = index
    return found


def within_cone(hkl: Indices, axis: Floats, cell: gemmi.UnitCell, group: gemmi.SpaceGroup) -> Mask:
    """Return true (n,) for reflections within 30 degrees of an equivalent of an axis (an index)."""
    frame = np.array(cell.frac.mat)
    vectors = hkl @ frame
    lengths = np.linalg.norm(vectors, axis=1)
    inside = np.zeros(len(hkl), dtype=np.bool_)
    for image in np.unique(axis @ rotations_of(group.operations()), axis=0):
        direction = image @ frame
        cosine = np.abs(vectors @ direction) / lengths / np.linalg.norm(direction)
        inside |= cosine >= CONE
    return inside


def limit_by_tanh(s2: Floats, values: Floats, threshold: float) -> float | None:
    """Return d where the curve fitted to CC1/2 (m,) at 1/d^2 (m,) falls below a threshold."""
    if len(s2) < LEAST_BINS:
        return None
    start = (float(np.interp(-0.5, -np.minimum.accumulate(values), s2)), 0.2 * float(np.ptp(s2)))
    bounds = ([-np.inf, 1e-3 * float(np.ptp(s2))], [np.inf, 10 * float(np.ptp(s2))])
    try:
        (middle, width), _ = scipy.optimize.curve_fit(
            _falling, s2, values, p0=start, bounds=bounds, maxfev=2000
        )
    except RuntimeError:
        return None
    at = middle + width * np.arctanh(1 - 2 * threshold)
    return float(at**-0.5) if at > s2[0] else None


def limit_by_ratio(s2: Floats, values: Floats, threshold: float) -> float | None:
    """Return d where the mean I/sigma (m,) at 1/d^2 (m,) first falls below a threshold for good.

    0 where it does not.
    """
    if len(s2) < LEAST_BINS or not (values > threshold).any():
        return None
    last = int(np.flatnonzero(values > threshold)[-1])
    if last == len(s2) - 1:
        return 0.0
    high, low = np.log(values[last]), np.log(max(float(values[last + 1]), 1e-3 * threshold))
    part = (high - np.log(threshold)) / (high - low)
    return float((s2[last] + part * (s2[last + 1] - s2[last])) ** -0.5)


def _falling(s2: Floats, middle: float, width: float) -> Floats:
    return np.asarray(0.5 * (1 - np.tanh((s2 - middle) / width)))


def _limited(limit: float | None, d_min: float | None) -> float | None:
    return None if limit is None or d_min is None else max(limit, d_min)


def _mean_ratio(merged: MergedIntensities, rows: Mask) -> float:
    return float((merged.intensity[rows] / merged.sigma[rows]).mean())


def _bins(
    merged: MergedIntensities,
    chosen: Mask,
    statistic: Callable[[Mask], float | None],
    n_bins: int,
) -> tuple[Floats, Floats]:
    """Return the mean 1/d^2 (m,) and a statistic (m,) of bins of equal numbers, where defined."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(-merged.d[rows], kind="stable")]
    found = []
    for part in np.array_split(rows, max(1, min(n_bins, len(rows) // LEAST))):
        mask = np.zeros(len(chosen), dtype=np.bool_)
        mask[part] = True
        value = statistic(mask) if len(part) else None
        if value is not None:
            found.append((float((merged.d[part] ** -2).mean()), value))
    s2, values = np.array(found).reshape(-1, 2).T
    return s2, values
