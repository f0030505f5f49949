"""Error model: variances of deviations, and their normal probability."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.deviations import NEEDED, deviations
from dxdask.report.page.plots import Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

_SHOWN = 401
"""Quantiles of the normal probability plot."""


def make(tables: StepTables) -> Section:
    """Return how well the standard deviations describe the differences of equivalents."""
    plots: list[Plot] = []
    bins = "error_model_bins"
    if tables.rows("scale", bins):
        low, high = (tables.column("scale", bins, k) for k in ("i_min", "i_max"))
        at = np.sqrt(np.maximum(low, 1e-6) * np.maximum(high, 1e-6))
        curves = [
            Series(name, at, tables.column("scale", bins, f"{name}_variance"))
            for name in ("uncorrected", "corrected")
        ]
        curves.append(Series("ideal", at, np.ones(len(at)), "dashed"))
        plots.append(
            Lines(title="Variance of normalised deviations", x="mean intensity", y="variance",
                  series=curves, log_x=True)
        )  # fmt: skip
    found = tables.once(deviations)
    if found is not None and np.isfinite(found.z).sum() > 10:
        plots += _probability(found.z[np.isfinite(found.z)])
        good = np.isfinite(found.z) & (found.mean > 0)
        plots.append(
            grid(
                "Deviations by intensity", found.mean[good], found.z[good],
                ("mean intensity", "deviation / sigma"), log_x=True, y_range=(-6.0, 6.0),
                unit="observations",
            )
        )  # fmt: skip
        own = tables.columns("scale", NEEDED)
        ratio = own["intensity"][found.row] / np.sqrt(own["intensity_variance"][found.row])
        for name, x, log in (("multiplicity", found.n, False), ("I/sigma", ratio, True)):
            plots.append(
                grid(
                    f"Deviations by {name}", x[good], found.z[good], (name, "deviation / sigma"),
                    log_x=log, y_range=(-6.0, 6.0), unit="observations",
                )
            )  # fmt: skip
    return Section(plots=plots, tables=stored(tables, "scale", "error_model", bins))


def _probability(z: np.ndarray) -> list[Plot]:
    z, normal = np.sort(z), NormalDist()
    expected = [normal.cdf(x) for x in np.linspace(-3.5, 3.5, _SHOWN)]
    # of the order statistics those nearest to evenly spaced expectations
    probability = (np.arange(1, len(z) + 1) - 0.5) / len(z)
    order = np.unique(np.clip(np.searchsorted(probability, expected), 0, len(z) - 1))
    at = np.array([normal.inv_cdf(p) for p in probability[order]])
    counts, edges = np.histogram(z, 80, (-6, 6))
    middle = (edges[1:] + edges[:-1]) / 2
    ideal = len(z) * (edges[1] - edges[0]) * np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    return [
        Lines(
            title="Normal probability of the deviations", x="expected", y="deviation / sigma",
            series=[Series("observations", at, z[order]), Series("normal", at, at, "dashed")],
        ),
        Lines(
            title="Deviations of equivalents", x="deviation / sigma", y="observations",
            series=[Series("observations", middle, counts, "step"),
                    Series("normal", middle, ideal, "dashed")],
        ),
    ]  # fmt: skip


SECTION = SectionMaker(
    name="error_model", title="Error model", order=11, make=make, needs=("scale",),
    kinds=("sweeps",),
)  # fmt: skip
