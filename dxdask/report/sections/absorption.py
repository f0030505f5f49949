"""Absorption of the crystal by direction, from the spherical harmonics of scaling."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import names_of, stored
from dxdask.report.page.plots import Boxes, Lines, Plot, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables

STEP_DEGREES = 6
MOST_SURFACES = 20
"""Surfaces that are shown, those of the largest range."""


def make(tables: StepTables) -> Section:
    """Return the surface of each run, over the directions in the frame of the crystal."""
    rows = tables.rows("scale", "absorption")
    named = stored(tables, "scale", "validation", "absorption")
    if not rows:
        return Section(
            lines=[
                "the scales have no absorption: scans are shorter than 60 degrees, or reflections "
                "that were left out of the fit agree no better with it"
            ],
            tables=named,
        )
    # with the kernels of scaling, which a report without absorption does not need
    from dxdask.scaling.absorption_surface import absorption_surface

    box, directions = _directions()
    names = names_of(tables.experiments("scale"))
    found = absorption_surface(rows, directions)
    spread = {i: float(np.ptp(values)) for i, values in found.items()}
    largest = sorted(sorted(spread, key=lambda i: -spread[i])[:MOST_SURFACES])
    plots: list[Plot] = [
        Boxes(
            title="Absorption surface", box=box, unit="", outlines=np.zeros((0, 4)),
            values={names[i]: found[i] - 1.0 for i in largest},
            x="azimuth from a (degree)", y="polar angle from c* (degree)",
            note="inverse scale - 1, both rays along one direction in the frame of the crystal: "
            "s0, or -s1",
        )
    ]  # fmt: skip
    if len(found) > 1:
        at, ranges = np.arange(1, len(found) + 1), np.array(list(spread.values()))
        plots.append(
            Lines(title="Range of the absorption surface", x="run",
                  y="largest - least inverse scale", series=[Series("runs", at, ranges, "points")])
        )  # fmt: skip
    worst = max(spread, key=lambda i: spread[i])
    line = f"inverse scales by absorption range over {spread[worst]:.3f} in {names[worst]}"
    return Section(lines=[line], plots=plots, tables=named)


def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (n, 4) of azimuth and polar angle, degrees, and the directions (n, 3) there."""
    azimuth, polar = (
        a.ravel()
        for a in np.meshgrid(
            np.arange(-180, 180, STEP_DEGREES), np.arange(0, 180, STEP_DEGREES), indexing="xy"
        )
    )
    box = np.stack([azimuth, azimuth + STEP_DEGREES, polar, polar + STEP_DEGREES], axis=1)
    phi, theta = np.radians(azimuth + STEP_DEGREES / 2), np.radians(polar + STEP_DEGREES / 2)
    vectors = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1
    )
    return box, vectors


SECTION = SectionMaker(
    name="absorption", title="Absorption", order=10.5, make=make, needs=("scale",),
    kinds=("sweeps",),
)  # fmt: skip
