"""A detector re-cut: its panels divided into modules, which lie where they lay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from dxdask.errors import InputError
from dxdask.models import Detector, Panel
from dxdask.models.detector import Group
from dxdask.models.vectors import vector
from dxdask.refinement.modules.layouts import Rectangle


def recut(detector: Detector, rectangles: Sequence[Sequence[Rectangle]]) -> Detector:
    """Return the detector with each panel divided into modules, a group for each old panel.

    The modules have their place in the stored frame (`Panel.offset`), axes, trusted range and
    masked rectangles from their panel, and lie where they lay. A panel of a single module that
    covers it stays as it is.

    Parameters
    ----------
    rectangles : of each panel, its modules x0, y0, x1, y1, px of the panel, half open.

    Raises
    ------
    InputError
        Rectangles are not of this detector, overlap or reach beyond their panel, or panels overlap
        in the stored frame.
    """
    if len(rectangles) != len(detector):
        raise InputError(
            f"modules of {len(rectangles)} panels are given for a detector of {len(detector)}; "
            "give those of each panel"
        )
    require_own_places(detector)
    panels: list[Panel] = []
    places: list[int | Group] = []
    for panel, modules in zip(detector.panels, rectangles, strict=True):
        _check(panel, modules)
        first = len(panels)
        if tuple(modules) == ((0, 0, *panel.image_size),):
            panels.append(panel)
            places.append(first)
            continue
        panels += [module_of(panel, r, f"{panel.name}_{i}") for i, r in enumerate(modules)]
        places.append(
            Group(
                name=panel.name,
                origin=panel.origin,
                fast_axis=panel.fast_axis,
                slow_axis=panel.slow_axis,
                panels=tuple(range(first, len(panels))),
            )
        )
    return Detector(panels=tuple(panels), root=_with_groups(detector.root, places))


def module_of(panel: Panel, rectangle: Rectangle, name: str) -> Panel:
    """Return the part of a panel in a rectangle, px, as a panel of its own."""
    x0, y0, x1, y1 = rectangle
    step_x, step_y = x0 * panel.pixel_size[0], y0 * panel.pixel_size[1]
    origin = np.asarray(panel.origin)
    # where nothing is cut off the origin is the same to the last bit
    if x0:
        origin = origin + step_x * np.asarray(panel.fast_axis)
    if y0:
        origin = origin + step_y * np.asarray(panel.slow_axis)
    inside = (
        (max(a, x0) - x0, max(b, y0) - y0, min(c, x1) - x0, min(d, y1) - y0)
        for a, b, c, d in panel.mask
    )
    return replace(
        panel,
        name=name,
        origin=vector(origin),
        image_size=(x1 - x0, y1 - y0),
        offset=(panel.offset[0] + x0, panel.offset[1] + y0),
        mask=tuple((a, b, c, d) for a, b, c, d in inside if a < c and b < d),
    )


def cut_as(detector: Detector, other: Detector) -> Detector:
    """Return the detector cut as another one of the same frames is; the same where that has no
    more than its panels.

    Panels stay as they are that have none of the other's panels, more than one, in them.

    Raises
    ------
    InputError
        Panels of either overlap in the stored frame.
    """
    if len(other) <= len(detector):
        return detector
    require_own_places(detector)
    require_own_places(other)
    rectangles = []
    for panel in detector.panels:
        (x, y), (width, height) = panel.offset, panel.image_size
        inside = tuple(
            (a - x, b - y, c - x, d - y)
            for a, b, c, d in map(in_frame, other.panels)
            if a >= x and b >= y and c <= x + width and d <= y + height
        )
        rectangles.append(inside if len(inside) > 1 else ((0, 0, width, height),))
    if all(len(r) == 1 for r in rectangles):
        return detector
    return recut(detector, rectangles)


def in_frame(panel: Panel) -> Rectangle:
    """Return the rectangle of a panel in the stored frame: x0, y0, x1, y1, half open."""
    (x, y), (width, height) = panel.offset, panel.image_size
    return x, y, x + width, y + height


def require_own_places(detector: Detector) -> None:
    """Check that each panel of a detector has pixels of the stored frame of its own.

    Raises
    ------
    InputError
        Two overlap.
    """
    names = [p.name for p in detector.panels]
    found = _overlap([in_frame(p) for p in detector.panels])
    if found is not None:
        raise InputError(
            f"panels {names[found[0]]!r} and {names[found[1]]!r} overlap in the stored frame, so "
            "that pixels cannot be told apart; give a geometry with the place of each panel in it"
        )


def _check(panel: Panel, modules: Sequence[Rectangle]) -> None:
    width, height = panel.image_size
    outside = [r for r in modules if not (0 <= r[0] < r[2] <= width and 0 <= r[1] < r[3] <= height)]
    if outside or not modules or _overlap(modules) is not None:
        raise InputError(
            f"panel {panel.name!r} of {width} x {height} pixels cannot be cut into "
            f"{[tuple(r) for r in modules]}; give rectangles x0, y0, x1, y1 in it that do not "
            "overlap"
        )


def _overlap(rectangles: Sequence[Rectangle]) -> tuple[int, int] | None:
    """Return the indices of two rectangles that have pixels in common, None where none have."""
    if len(rectangles) < 2:
        return None
    x0, y0, x1, y1 = np.asarray(rectangles, dtype=np.int64).T
    both = (x0[:, None] < x1) & (x0 < x1[:, None]) & (y0[:, None] < y1) & (y0 < y1[:, None])
    pairs = np.argwhere(np.triu(both, 1))
    return (int(pairs[0][0]), int(pairs[0][1])) if len(pairs) else None


def _with_groups(node: Group, places: Sequence[int | Group]) -> Group:
    """Return the hierarchy with the panels, by their old index, at their places."""
    groups = tuple(_with_groups(g, places) for g in node.groups)
    new = [places[i] for i in node.panels]
    return replace(
        node,
        groups=(*groups, *_only_groups(new)),
        panels=tuple(p for p in new if isinstance(p, int)),
    )


def _only_groups(places: Iterable[int | Group]) -> tuple[Group, ...]:
    return tuple(p for p in places if isinstance(p, Group))
