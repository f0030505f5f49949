"""Background, I/sigma and numbers of integrated reflections by image and resolution; profiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.models import Detector
from dxdask.report.page.curves import by_run, images, shells, stored
from dxdask.report.page.frame import outlines
from dxdask.report.page.plots import Boxes, Lines, Plot, Series, grid
from dxdask.report.page.sections import Section, SectionMaker
from dxdask.report.sections.detector import FEWEST, bins
from dxdask.report.step_tables import StepTables

IMAGES = (
    ("mean_background", "Background by image", "counts per pixel"),
    ("i_over_sigma", "I/sigma by image, summed", "<I/sigma>"),
    ("i_over_sigma_prf", "I/sigma by image, fitted", "<I/sigma>"),
    ("n_integrated_prf", "Integrated reflections by image", "reflections"),
    ("n_partial", "Partial reflections by image", "reflections"),
    ("n_overloaded", "Overloaded reflections by image", "reflections"),
)


def make(tables: StepTables) -> Section:
    """Return what was integrated, and how summed and fitted intensities agree."""
    plots: list[Plot] = []
    for name, title, y in IMAGES:
        plots += images(title, y, by_run(tables, "integrate", "images", "image", name))
    inverse = tables.column("integrate", "shells", "d_min") ** -2.0
    runs = tables.texts("integrate", "shells", "run")
    for name, title in (("i_over_sigma", "summed"), ("i_over_sigma_prf", "fitted")):
        values = tables.column("integrate", "shells", name)
        if np.isfinite(values).any():
            curves = [
                Series(str(r), inverse[runs == r], values[runs == r]) for r in dict.fromkeys(runs)
            ]
            plots += shells(f"I/sigma by resolution, {title}", "<I/sigma>", curves)
    plots += _profiles(tables)
    return Section(plots=plots, tables=stored(tables, "integrate", "summary", "profile"))


NEEDED = (
    "experiment", "panel", "flags", "x_cal", "y_cal", "intensity_sum", "intensity_sum_variance",
    "intensity_prf", "intensity_prf_variance", "partiality", "background_mean", "d",
)  # fmt: skip
STRONG = 5.0
"""I/sigma of the summed intensities that are compared with the fitted ones."""


class _Fitted(NamedTuple):
    """Reflections of a step with fitted profiles.

    Attributes
    ----------
    table : of n reflections, its columns. detector : of the first experiment.
    every : (n,) bool, those on a detector alike. strong : (n,) bool, strong ones among them.
    sum_ratio, prf_ratio : (n,) I/sigma, summed and fitted.
    """

    table: Reflections
    detector: Detector
    every: NDArray[np.bool_]
    strong: NDArray[np.bool_]
    sum_ratio: Floats
    prf_ratio: Floats


def _profiles(tables: StepTables) -> list[Plot]:
    """Return fitted against summed intensities, over the detector and in histograms."""
    needed = list(NEEDED)
    if tables.present("integrate", needed) != needed or not len(tables.experiments("integrate")):
        return []
    found = _fitted(tables)
    return [*_over_the_detector(tables, found), *_histograms(found)]


def _fitted(tables: StepTables) -> _Fitted:
    table, experiments = tables.columns("integrate", list(NEEDED)), tables.experiments("integrate")
    detector = experiments[0].detector
    of_detector = outlines(detector)
    alike = np.array([np.array_equal(outlines(e.detector), of_detector) for e in experiments])
    every = alike[table["experiment"]]
    good = (table["flags"] & np.uint32(Flag.INTEGRATED)) == np.uint32(Flag.INTEGRATED)
    good &= ~has_flag(table, Flag.OVERLOADED) & every
    with np.errstate(invalid="ignore", divide="ignore"):
        sum_ratio = table["intensity_sum"] / np.sqrt(table["intensity_sum_variance"])
        prf_ratio = table["intensity_prf"] / np.sqrt(table["intensity_prf_variance"])
    return _Fitted(table, detector, every, good & (sum_ratio > STRONG), sum_ratio, prf_ratio)


def _over_the_detector(tables: StepTables, found: _Fitted) -> list[Plot]:
    """Return means of bins of the detector."""
    table, every, strong = found.table, found.every, found.strong
    of_detector = outlines(found.detector)
    xy = np.stack([table["x_cal"], table["y_cal"]], axis=1)
    box, place, n = bins(found.detector, table["panel"][every], xy[every])
    of_strong = place[strong[every]]
    summed, fitted = table["intensity_sum"][strong], table["intensity_prf"][strong]
    plots: list[Plot] = [
        Boxes(
            title="Fitted against summed intensities over the detector", box=box,
            values={
                "fitted / summed - 1": _mean(of_strong, fitted / summed - 1.0, n),
                "correlation - 1, of log fitted and log summed":
                    _correlation(of_strong, summed, fitted, n) - 1.0,
            },
            unit="", outlines=of_detector, note="reflections of I/sigma above 5",
        ),
        Boxes(
            title="Background over the detector", box=box,
            values={"counts per pixel": _mean(place, table["background_mean"][every], n)},
            unit="counts per pixel", outlines=of_detector, diverging=False,
        ),
        Boxes(
            title="I/sigma over the detector", box=box,
            values={
                "fitted": _mean(place, found.prf_ratio[every], n),
                "summed": _mean(place, found.sum_ratio[every], n),
            },
            unit="", outlines=of_detector, diverging=False,
        ),
        Boxes(
            title="Strong reflections over the detector", box=box,
            values={"reflections": np.bincount(of_strong, minlength=n).astype(np.float64)},
            unit="reflections", outlines=of_detector, diverging=False,
            note="reflections of I/sigma above 5",
        ),
    ]  # fmt: skip
    if tables.present("integrate", ["qe"]):
        efficiency = tables.columns("integrate", ["qe"])["qe"][every]
        plots.append(
            Boxes(
                title="Quantum efficiency over the detector", box=box,
                values={"quantum efficiency": _mean(place, efficiency, n)},
                unit="", outlines=of_detector, diverging=False,
                note="of the sensor, at the angle of the rays; 1 where it is not corrected for",
            )
        )  # fmt: skip
    return plots


def _histograms(found: _Fitted) -> list[Plot]:
    """Return I/sigma and partialities, and fitted against summed intensities."""
    table, ratio = found.table, found.prf_ratio
    low = np.isfinite(ratio) & (ratio > 0)
    counts, edges = np.histogram(np.log10(ratio[low]), 60)
    part, steps = np.histogram(table["partiality"], 50, (0.0, 1.0 + 1e-9))
    middle = 10 ** ((edges[1:] + edges[:-1]) / 2)
    return [
        Lines(
            title="Histogram of I/sigma, fitted", x="I/sigma", y="reflections", log_x=True,
            series=[Series("reflections", middle, counts, "step")],
        ),
        Lines(
            title="Partiality", x="partiality", y="reflections",
            series=[Series("reflections", (steps[1:] + steps[:-1]) / 2, part, "step")],
        ),
        grid(
            "Fitted and summed intensities", table["intensity_sum"][found.strong],
            table["intensity_prf"][found.strong], ("summed", "fitted"), log_x=True, log_y=True,
        ),
    ]  # fmt: skip


def _mean(place: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    good = np.isfinite(values)
    count = np.bincount(place[good], minlength=n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(place[good], weights=values[good], minlength=n) / count
    return np.where(count >= FEWEST, mean, np.nan)


def _correlation(place: np.ndarray, a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Return the correlation (n,) of the logarithms of positive a and b in each bin."""
    good = (a > 0) & (b > 0)
    place, a, b = place[good], np.log(a[good]), np.log(b[good])
    count = np.bincount(place, minlength=n)

    def mean(values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.bincount(place, weights=values, minlength=n) / count)

    a, b = a - mean(a)[place], b - mean(b)[place]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = mean(a * b) / np.sqrt(mean(a * a) * mean(b * b))
    return np.where(count >= 10, found, np.nan)


SECTION = SectionMaker(
    name="integration", title="Integration", order=7, make=make, needs=("integrate",),
    kinds=("sweeps",),
)  # fmt: skip
