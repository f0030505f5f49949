"""Parallax in files of DIALS, which know one law: panels under it, and positions in mm on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from dxdask.columns import Reflections
from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
from dxdask.models.parallax import Law
from dxdask.models.parallax_law import detector_with_law, panel_with_law

KEY, KEY_MOVED = "dxdask_parallax_law", "dxdask_moved_for_dxtbx"
"""Keys of a panel in `.expt` for its own law, and whether it was moved for that of dxtbx; dxtbx
ignores them, and does not write them again."""


def with_own_law(panel: Panel, given: Mapping[str, Any]) -> Panel:
    """Return a panel of a `.expt` under its own law.

    panel : under dxtbx's. given : its values in the file. A panel that DIALS corrected for parallax
    and wrote has dxtbx's law.

    Raises
    ------
    FormatError
        The law is unknown.
    """
    law = given.get(KEY, "dxtbx" if panel.use_parallax else "absorbed")
    if law not in get_args(Law):
        raise FormatError(f"{KEY} of panel {panel.name!r} is {law!r}; give one of {get_args(Law)}")
    if not given.get(KEY_MOVED, True):
        return replace(panel, parallax_law=law)
    return panel_with_law(panel, law)


def mm_for_dials(table: Reflections, detectors: Sequence[Detector]) -> Reflections:
    """Return the table with positions in mm on the panels that `.expt` describes.

    detectors : of each experiment of the table, under their own laws.
    """
    return _converted(table, detectors, [detector_with_law(d, "dxtbx") for d in detectors])


def mm_from_dials(table: Reflections, detectors: Sequence[Detector]) -> Reflections:
    """Return a table of DIALS with positions in mm on these panels, the inverse of `mm_for_dials`.

    detectors : of each experiment; rows of none (-1) are on the first.
    """
    return _converted(table, [detector_with_law(d, "dxtbx") for d in detectors], detectors)


def _converted(
    table: Reflections, before: Sequence[Detector], after: Sequence[Detector]
) -> Reflections:
    """Return the table with positions in mm of the same pixels on other panels."""
    pairs: dict[tuple[Detector, Detector], list[int]] = {}
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if any(p.origin != q.origin for p, q in zip(old.panels, new.panels, strict=True)):
            pairs.setdefault((old, new), []).append(i)
    if not pairs or "panel" not in table:
        return table
    out, of = dict(table), np.maximum(table["experiment"], 0)
    for names in (("x_mm", "y_mm"), ("x_cal_mm", "y_cal_mm")):
        if not all(name in table for name in names):
            continue
        mm = np.stack([table[name] for name in names], axis=1)
        for (old, new), members in pairs.items():
            here = np.isin(of, members)
            for k in range(len(old)):
                rows = np.flatnonzero(here & (table["panel"] == k))
                mm[rows] = new[k].pixel_to_mm(old[k].mm_to_pixel(mm[rows]))
        for name, values in zip(names, mm.T, strict=True):
            out[name] = np.ascontiguousarray(values)
    return out
