"""Response of the detector: counts for photons, and pixel values before and after correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables
from dxdask.response.model import DetectorResponse, response_of_run

BESIDE = 2.0
"""Photons shown, in thresholds of the response."""


def make(tables: StepTables) -> Section | None:
    """Return the response of each detector, with its standard uncertainty."""
    named = stored(tables, "calibrate_detector", "detector_response")
    found = {
        str(row["run"]): response
        for row in tables.rows("calibrate_detector", "detector_response")
        if (response := response_of_run(named, str(row["run"]))) is not None
    }
    plots: list[Plot] = []
    groups: dict[DetectorResponse, list[str]] = {}
    for run, response in found.items():
        groups.setdefault(response, []).append(run)
    for response, runs in groups.items():
        name = runs[0] if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
        plots += [_curve(response, name), *_before_and_after(tables, response, runs, name)]
    lines = list(tables.store.messages("calibrate_detector"))
    return Section(lines=lines, plots=plots, tables=named)


def _curve(response: DetectorResponse, name: str) -> Lines:
    """Return the counts above the photons, of which a detector without a switch has none."""
    last = int(BESIDE * response.threshold) + 10
    n = np.arange(last + 1)
    law = response.factor * n + response.offset - n
    error = np.hypot(n * response.factor_su, response.offset_su)
    above = n >= response.threshold
    return Lines(
        title=f"Counts less photons, {name}", x="photons", y="counts - photons",
        series=[
            Series("recorded", n, response.counts(n) - n, "step"),
            Series("second law", n[above], law[above]),
            Series("second law + standard uncertainty", n[above], (law + error)[above], "dashed"),
            Series("second law - standard uncertainty", n[above], (law - error)[above], "dashed"),
        ],
    )  # fmt: skip


def _before_and_after(
    tables: StepTables, response: DetectorResponse, runs: Sequence[str], name: str
) -> list[Plot]:
    """Return the histogram of counts as recorded, and of the photons they stand for."""
    if "histogram" not in tables:
        return []
    arrays = tables.arrays("histogram", "bin_centres", "histogram")
    centres, counts = arrays["bin_centres"], arrays["histogram"]
    if len(centres) < 2 or centres[1] - centres[0] != 1.0:
        return []  # bins of several counts hide what the response does
    of_runs = np.isin(tables.texts("histogram", "runs", "run"), runs)
    total = counts[of_runs].sum(axis=0)
    value = np.floor(centres).astype(np.int64)
    last = int(BESIDE * response.threshold) + 10
    photons = response.photons(value)
    after = np.bincount(photons[photons >= 0], weights=total[photons >= 0], minlength=last + 1)
    shown = (value >= 1) & (value <= last)
    n = np.arange(1, last + 1)
    return [
        Lines(
            title=f"Pixel values before and after correction, {name}",
            x="counts, photons", y="pixels of indexed spots", log_y=True,
            series=[
                Series("counts, as recorded", value[shown], _gaps(total[shown]), "step"),
                Series("photons, corrected", n, _gaps(after[1 : last + 1]), "step"),
            ],
        )
    ]  # fmt: skip


def _gaps(values: np.ndarray) -> np.ndarray:
    """Return values with NaN in place of 0, which a logarithmic axis cannot show."""
    return np.where(values > 0, values, np.nan)


SECTION = SectionMaker(
    name="response", title="Detector response", order=8.5, make=make,
    needs=("calibrate_detector",), kinds=("sweeps",),
)  # fmt: skip
