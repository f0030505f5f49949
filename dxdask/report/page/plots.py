"""What a page draws: lines and points, rectangles with values, and grids of counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dxdask.report.page.encode import encoded

Style = Literal["line", "points", "step", "dashed"]
MOST_POINTS = 40_000
"""Of all lines of a plot; longer ones are averaged over consecutive values."""


@dataclass(frozen=True, slots=True)
class Series:
    """One curve: name, x and y (n,); NaN interrupts it. right: against the axis at the right.

    image : (n,) number of the image that each point is of, for its link. run : (n,) its run, as an
    index into those of the store.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any]
    style: Style = "line"
    right: bool = False
    image: NDArray[Any] | None = None
    run: NDArray[Any] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lines:
    """Curves over one axis.

    Attributes
    ----------
    title, x, y, y_right : texts, with units. series : the curves. log_x, log_y : logarithmic axes.
    resolution : x is 1/d^2, and labelled with d. square : equal scales; y_down : y grows downwards,
    as in a frame.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    y_right: str = ""
    log_x: bool = False
    log_y: bool = False
    resolution: bool = False
    y_down: bool = False
    square: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the page's script draws."""
        most = max(MOST_POINTS // max(len(self.series), 1), 50)
        curves = []
        for one in self.series:
            x, y = averaged(one.x, one.y, most) if one.style != "points" else (one.x, one.y)
            curves.append(
                {
                    "name": one.name,
                    "x": encoded(x),
                    "y": encoded(y),
                    "style": one.style,
                    "right": one.right,
                    **({} if one.image is None else {"image": encoded(one.image)}),
                    **({} if one.run is None else {"run": encoded(one.run)}),
                }
            )
        return {
            "kind": "lines",
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "yRight": self.y_right,
            "logX": self.log_x,
            "logY": self.log_y,
            "resolution": self.resolution,
            "yDown": self.y_down,
            "square": self.square,
            "note": self.note,
            "series": curves,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Boxes:
    """Rectangles, by default of a detector, coloured by a value each; outlines, and arrows.

    Attributes
    ----------
    box : (m, 4) x0, x1, y0, y1, px of the frame. values : (m,), NaN is empty, by name: the page has
    a choice of them. outlines : (p, 4) of the panels. arrows : (k, 4) x, y, dx, dy, px of the
    frame; magnified as `note` says. labels : (k,) text at the arrows. diverging : colours on either
    side of 0. x, y : texts, with units.
    """

    title: str
    box: NDArray[Any]
    values: dict[str, NDArray[Any]]
    unit: str
    outlines: NDArray[Any]
    arrows: NDArray[Any] | None = None
    labels: Sequence[str] = field(default=())
    diverging: bool = True
    x: str = "fast (px)"
    y: str = "slow (px)"
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the page's script draws."""
        return {
            "kind": "boxes",
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "unit": self.unit,
            "box": encoded(self.box),
            "values": {name: encoded(v) for name, v in self.values.items()},
            "outlines": encoded(self.outlines),
            "arrows": None if self.arrows is None else encoded(self.arrows),
            "labels": list(self.labels),
            "diverging": self.diverging,
            "note": self.note,
            "yDown": True,
            "square": True,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Counts (n_y, n_x) of points between evenly spaced edges, in place of the points.

    Attributes
    ----------
    x_range, y_range : first and last edge. log_x, log_y : edges are evenly spaced in log10, and the
    ranges are in log10.
    """

    title: str
    x: str
    y: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    counts: NDArray[Any]
    unit: str = "reflections"
    log_x: bool = False
    log_y: bool = False
    y_down: bool = False
    square: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the page's script draws."""
        return {
            "kind": "grid",
            "title": self.title,
            "x": self.x,
            "y": self.y,
            "xRange": list(self.x_range),
            "yRange": list(self.y_range),
            "shape": list(self.counts.shape),
            "counts": encoded(self.counts.ravel()),
            "unit": self.unit,
            "logX": self.log_x,
            "logY": self.log_y,
            "yDown": self.y_down,
            "square": self.square,
            "note": self.note,
        }


Plot = Lines | Boxes | Grid


def averaged(x: ArrayLike, y: ArrayLike, most: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return x and y (m,), m at most `most`: means of consecutive values, where there are more."""
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(a) <= most:
        return a, b
    starts = np.arange(0, len(a), -(-len(a) // most))
    good = np.isfinite(b)
    n = np.add.reduceat(good.astype(np.float64), starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(np.where(good, b, 0.0), starts) / n
    size = np.diff(np.append(starts, len(a)))
    return np.add.reduceat(a, starts) / size, mean


def grid(
    title: str,
    x: NDArray[Any],
    y: NDArray[Any],
    names: tuple[str, str],
    *,
    n_bins: tuple[int, int] = (96, 96),
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    **options: Any,
) -> Grid:
    """Return the 2-D histogram of points x, y (n,); names: of the axes. Others are left out.

    With log_x, log_y the ranges are in log10. options : attributes of `Grid`.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.log10(x) if options.get("log_x") else x
        y = np.log10(y) if options.get("log_y") else y
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    spans = [_span(x) if x_range is None else x_range, _span(y) if y_range is None else y_range]
    place = np.zeros(len(x), dtype=np.int64)
    inside = np.ones(len(x), dtype=np.bool_)
    for values, (low, high), n, step in zip((x, y), spans, n_bins, (1, n_bins[0]), strict=True):
        cell = np.floor((values - low) * (n / (high - low))).astype(np.int64)
        cell[values == high] = n - 1
        inside &= (cell >= 0) & (cell < n)
        place += cell * step
    counts = np.bincount(place[inside], minlength=n_bins[0] * n_bins[1])
    return Grid(
        title=title,
        x=names[0],
        y=names[1],
        x_range=spans[0],
        y_range=spans[1],
        counts=counts.reshape(n_bins[1], n_bins[0]),
        **options,
    )


def _span(values: NDArray[Any]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)
