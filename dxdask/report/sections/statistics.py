"""Statistics of merged intensities: Wilson plot, cumulative, second moments."""

from __future__ import annotations

import math

import numpy as np

from dxdask.arrays import Floats, Mask
from dxdask.report.page.curves import shells
from dxdask.report.page.normalised import FEWEST, N_SHELLS, normalised
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

_LOW_RESOLUTION = 1 / 4.0**2
"""1/d^2 below which solvent and shape count (Wilson 1942; French & Wilson 1978)."""


def make(tables: StepTables) -> Section:
    """Return the statistics of the merged intensities, those of the expectation dashed."""
    found = tables.once(normalised)
    if found is None:
        return Section(
            lines=[f"statistics need {FEWEST} reflections, positive on average, and a space group"]
        )
    positive = found.mean > 0
    plots: list[Plot] = [
        *shells("Wilson plot", "ln <I>", _wilson(found.s2[positive], found.mean[positive])),
        _cumulative(found.z, found.centric),
    ]
    z, shell = found.z[found.acentric], found.shell[found.acentric]
    moment = np.bincount(shell, z**2, N_SHELLS) / np.maximum(
        np.bincount(shell, minlength=N_SHELLS), 1
    )
    flat = np.full(N_SHELLS, 2.0)
    plots += shells(
        "Second moment of acentric intensities", "<Z²>",
        [Series("observed", found.s2, moment), Series("untwinned", found.s2, flat, "dashed"),
         Series("perfect twin", found.s2, flat * 0.75, "dashed")],
    )  # fmt: skip
    return Section(plots=plots)


def _wilson(s2: Floats, mean: Floats) -> list[Series]:
    y = np.log(mean)
    curves = [Series("observed", s2, y)]
    high = s2 > _LOW_RESOLUTION
    if high.sum() > 3:
        slope, start = np.polyfit(s2[high], y[high], 1)
        curves.append(Series(f"line of B = {-2 * slope:.1f} Å²", s2, start + slope * s2, "dashed"))
    return curves


def _cumulative(z: Floats, centric: Mask) -> Lines:
    at = np.linspace(0, 2, 81)
    curves = []
    for name, rows, theory in (
        ("acentric", ~centric, 1 - np.exp(-at)),
        ("centric", centric, np.array([math.erf(math.sqrt(z / 2)) for z in at])),
    ):
        if rows.sum() >= FEWEST:
            part = np.searchsorted(np.sort(z[rows]), at, side="right") / rows.sum()
            curves += [Series(name, at, part), Series(f"{name}, expected", at, theory, "dashed")]
    return Lines(title="Cumulative intensities", x="Z = I / <I>", y="N(Z)", series=curves)


SECTION = SectionMaker(
    name="statistics", title="Intensity statistics", order=15, make=make, needs=("merge",)
)
