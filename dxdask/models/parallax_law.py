"""Panels and detectors under the other law of parallax."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.models.detector import Detector, Panel
from dxdask.models.parallax import Law, mean_path
from dxdask.models.vectors import vector


def panel_with_law(panel: Panel, law: Law) -> Panel:
    """Return the panel with this law of parallax, moved to record rays at the same places.

    It moves along its normal by the difference of the two mean paths of rays along the normal.
    Places of oblique rays differ by the change of that difference with the angle: for 0.32 mm of
    silicon at 20 keV by 2 um at 25 degrees.
    """
    if panel.parallax_law == law:
        return panel
    origin = np.asarray(panel.origin)
    if panel.use_parallax and panel.mu > 0.0 and panel.thickness > 0.0:
        before, after = (
            mean_path(panel.thickness, panel.mu, one) for one in (panel.parallax_law, law)
        )
        away = panel.normal if panel.normal @ origin >= 0 else -panel.normal
        origin = origin + (before - after) * away
    return replace(panel, parallax_law=law, origin=vector(origin))


def detector_with_law(detector: Detector, law: Law) -> Detector:
    """Return the detector with all panels under this law; groups stay."""
    return replace(detector, panels=tuple(panel_with_law(p, law) for p in detector.panels))
