"""Bad regions of a geometry: rectangles of the data, and of the laboratory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
from dxdask.storage.importers.crystfel.text import GeometryText, number


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle of the laboratory: pixels whose centres lie in it are bad.

    Attributes
    ----------
    panel : the only one it is of; None: all.
    x, y : limits in CrystFEL's laboratory frame, pixels of the panel.
    """

    panel: str | None
    x: tuple[float, float]
    y: tuple[float, float]


def with_bad_regions(
    file: GeometryText, panels: Sequence[Panel]
) -> tuple[list[Panel], tuple[Region, ...]]:
    """Return the panels with rectangles of the data masked, and the regions of the laboratory.

    A rectangle of the data without a panel is of all whose data it covers.

    Raises
    ------
    FormatError
        A limit is missing, the panel does not exist, or limits of both kinds are given.
    """
    out, regions = list(panels), []
    for name, given in file.bad.items():
        of_panel = given.get("panel")
        if of_panel is not None and of_panel not in file.panels:
            raise FormatError(f"{file.path}: {name} is of panel {of_panel}, which does not exist")
        kinds = [k for k in (("fs", "ss"), ("x", "y")) if any(f"_{a}" in key for key in given
                 for a in k)]  # fmt: skip
        if len(kinds) != 1:
            raise FormatError(
                f"{file.path}: {name} has limits of {'both' if kinds else 'neither'} x, y "
                f"{'and' if kinds else 'nor'} fs, ss; give four of one kind"
            )
        (x0, x1), (y0, y1) = (_limits(file, name, given, axis) for axis in kinds[0])
        if kinds[0] == ("x", "y"):
            regions.append(Region(panel=of_panel, x=(x0, x1), y=(y0, y1)))
            continue
        rectangle = int(x0), int(y0), int(x1) + 1, int(y1) + 1
        cut = [_masked(file, p, rectangle) if of_panel in (None, p.name) else p for p in out]
        if cut == out:
            file.note("masks nothing: no panel has its pixels", name)
        out = cut
    return out, tuple(regions)


def _limits(file: GeometryText, name: str, given: dict[str, str], axis: str) -> tuple[float, float]:
    found = []
    for key in (f"min_{axis}", f"max_{axis}"):
        if key not in given:
            raise FormatError(f"{file.path}: {name} has no {key}; add {name}/{key} = ...")
        found.append(number(file.path, f"{name}/{key}", given[key]))
    low, high = found
    if low > high:
        raise FormatError(f"{file.path}: {name} has min_{axis} above max_{axis}; exchange them")
    return low, high


def _masked(file: GeometryText, panel: Panel, rectangle: tuple[int, int, int, int]) -> Panel:
    """Return the panel with its part of a rectangle of the data (x0, y0, x1, y1) masked."""
    given, (width, height) = file.panels[panel.name], panel.image_size
    left, top = (int(float(given[k])) for k in ("min_fs", "min_ss"))
    x0, y0, x1, y1 = rectangle
    cut = (max(x0 - left, 0), max(y0 - top, 0), min(x1 - left, width), min(y1 - top, height))
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        return panel
    return replace(panel, mask=(*panel.mask, cut))


def mask_of_regions(
    regions: Sequence[Region], detector: Detector, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the mask (slow, fast) of the stored frame, false in regions of the laboratory."""
    good = np.ones(shape, dtype=np.bool_)
    for region in regions:
        for panel in detector.panels:
            if region.panel in (None, panel.name):
                x, y = _positions(panel)
                inside = (x > region.x[0]) & (x < region.x[1])
                inside &= (y > region.y[0]) & (y < region.y[1])
                good[panel.slices] &= ~inside
    return good


def _positions(panel: Panel) -> tuple[Floats, Floats]:
    """Return x and y (slow, fast) of a panel's pixels in CrystFEL's frame, in its pixels."""
    width, height = panel.image_size
    along, down = np.arange(width) + 0.5, np.arange(height) + 0.5
    out = []
    for axis, sign in ((0, -1.0), (1, 1.0)):
        mm = (
            panel.origin[axis]
            + panel.pixel_size[0] * panel.fast_axis[axis] * along[None, :]
            + panel.pixel_size[1] * panel.slow_axis[axis] * down[:, None]
        )
        out.append(sign * mm / panel.pixel_size[0])
    return out[0], out[1]
