"""Bad pixels in place, by reason."""

from __future__ import annotations

import numpy as np

from dxdask.report.page.curves import stored
from dxdask.report.page.plots import Lines, Series
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.step_tables import StepTables


def make(tables: StepTables) -> Section | None:
    """Return the pixels that find_spots and find_bad_pixels found, and the masked ones of a run."""
    places: dict[str, set[tuple[int, int]]] = {}
    for step in ("find_spots", "find_bad_pixels"):
        for table in ("bad_pixels", "pixels"):
            for row in tables.rows(step, table):
                x, y = (row.get(k) for k in ("fast", "slow"))
                if x is not None and y is not None:
                    offset = _offset(tables, int(row.get("panel") or 0))
                    at = (int(x) + offset[0], int(y) + offset[1])
                    places.setdefault(str(row.get("reason")), set()).add(at)
    if not places:
        return Section(lines=["no bad pixel was found besides those of the mask"])
    height, width = tables.run_experiment(tables.runs[0]).detector.frame_shape
    series = [
        Series(f"{reason} ({len(found)})", *_points(found), "points")
        for reason, found in places.items()
    ]
    x, y = np.array([0, width, width, 0, 0]), np.array([0, 0, height, height, 0])
    counts = ", ".join(f"{len(found)} {reason}" for reason, found in places.items())
    return Section(
        lines=[f"not in the mask of the files: {counts}"],
        plots=[
            Lines(title="Bad pixels in place", x="fast (px)", y="slow (px)", square=True,
                  y_down=True, series=[*series, Series("frame", x, y)])
        ],
        tables=stored(tables, "find_bad_pixels", "summary"),
    )  # fmt: skip


def _offset(tables: StepTables, panel: int) -> tuple[int, int]:
    panels = tables.run_experiment(tables.runs[0]).detector.panels
    x, y = panels[min(panel, len(panels) - 1)].offset
    return int(x), int(y)


def _points(found: set[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.array(sorted(found)).T
    return x + 0.5, y + 0.5


SECTION = SectionMaker(
    name="bad_pixels", title="Bad pixels", order=3, make=make, needs=("find_spots",)
)
