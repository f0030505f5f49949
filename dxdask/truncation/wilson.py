"""Wilson's B factor (Wilson 1942, Nature 150, 152), of a prior of intensities."""

from __future__ import annotations

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.tables import Table
from dxdask.truncation.french_wilson import Truncation
from dxdask.truncation.prior import Prior

D_MAX = 4.0
"""Resolution, Angstrom, from which on the mean intensity of a protein falls smoothly."""
LEAST_KNOTS = 4
_COMPOSITION = {"C": 5.0, "N": 1.35, "O": 1.5, "S": 0.03, "H": 8.0}
"""Atoms of an average residue of a protein."""


def wilson_b(prior: Prior) -> float | None:
    """Return B, Angstrom^2: the mean intensity falls as sum f^2 exp(-B s^2 / 2).

    By least squares over the knots beyond 4 Angstrom, for the composition of an average protein;
    None where there are fewer than four.
    """
    far = prior.knots >= D_MAX**-2
    if far.sum() < LEAST_KNOTS:
        return None
    s2 = prior.knots[far]
    slope = np.polyfit(s2, prior.log_mean[far] - np.log(_scattering(s2)), 1)[0]
    return float(-2.0 * slope)


def wilson_table(truncation: Truncation | None) -> Table:
    """Return the table `wilson`: B and the principal values of its anisotropic part, Angstrom^2.

    Without rows where there is no prior.
    """
    rows: list[dict[str, float | None]] = []
    if truncation is not None and truncation.prior is not None:
        principal = np.linalg.eigvalsh(truncation.prior.b_tensor).tolist()
        parts = {f"anisotropic_{i}": value for i, value in enumerate(principal, 1)}
        rows = [{"b": wilson_b(truncation.prior), **parts}]
    headings = {"b": ("B", ".2f"), **{f"anisotropic_{i}": (f"anis. {i}", ".2f") for i in (1, 2, 3)}}
    title = "Wilson B factor"
    return Table(name="wilson", title=title, rows=rows, headings=headings, printed=False)


def _scattering(s2: Floats) -> Floats:
    """Return the sum of f^2 (n,) of a residue."""
    total = np.zeros(len(s2))
    for element, number in _COMPOSITION.items():
        coefficients = gemmi.Element(element).it92
        total += number * np.array([coefficients.calculate_sf(x / 4) for x in s2.tolist()]) ** 2
    return total
