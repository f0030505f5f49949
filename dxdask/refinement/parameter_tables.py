"""Tables of refined parameters: moves of the parts of detectors, uncertainties, correlations."""

from __future__ import annotations

from typing import Any

import numpy as np

from dxdask.refinement.sweeps import SweepFit
from dxdask.tables import Table

MOVES = ("shift_fast", "shift_slow", "shift_normal", "tilt_fast", "tilt_slow", "rotation")
"""Columns of the moves of a part, in the order of `MOVE_NAMES`."""


def parts_table(fit: SweepFit) -> Table:
    """Return the table of the moves of the parts below the whole detectors.

    Each is against the first part of its group and the start: shifts along the part's fast and slow
    axis in pixels and along the normal in mm, rotations in mrad, each with its standard
    uncertainty; None where it was fixed.
    """
    rows, first = [], 0
    spread = np.sqrt(np.maximum(np.diag(fit.covariance.shared), 0.0))
    for p in fit.models.layout.shared:
        columns = slice(first, first + p.size)
        first += p.size
        if p.part is None or p.part.level == 0:
            continue
        panel = fit.models.experiments.detectors[p.model][p.part.panels[0]]
        units = np.array([*panel.pixel_size, 1.0, 1e-3, 1e-3, 1e-3])
        row: dict[str, Any] = {"detector": p.model, "level": p.part.level, "part": p.part.name}
        row |= {f"{name}{end}": None for name in MOVES for end in ("", "_su")}
        for i, value, su in zip(p.which, fit.state.shared[columns], spread[columns], strict=True):
            row[MOVES[i]] = float(value / units[i])
            row[f"{MOVES[i]}_su"] = float(su / units[i])
        rows.append(row)
    headings = {"detector": ("Detector", ""), "level": ("Level", ""), "part": ("Part", "")}
    units_of = ("px", "px", "mm", "mrad", "mrad", "mrad")
    for name, unit in zip(MOVES, units_of, strict=True):
        headings[name] = (f"{name.replace('_', ' ')}\n({unit})", ".4f")
        headings[f"{name}_su"] = ("su", ".4f")
    title = "Parts of the detector, against the first of each group"
    return Table(name="parts", title=title, rows=rows, headings=headings)


def parameters_table(fit: SweepFit) -> Table:
    """Return the table of the shared parameters with their largest correlation.

    Values are steps from the start in mm, rad and relative wavenumbers; the correlation of two
    parameters is that of their covariance, crystals included.
    """
    names = fit.models.layout.names
    covariance = fit.covariance.shared
    su = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    correlation = covariance / np.maximum(np.outer(su, su), 1e-300)
    rows = []
    for i, name in enumerate(names):
        others = np.abs(correlation[i]) * (np.arange(len(names)) != i)
        most = int(np.argmax(others)) if len(names) > 1 else i
        rows.append(
            {
                "parameter": name,
                "change": float(fit.state.shared[i]),
                "su": float(su[i]),
                "most_correlated": names[most] if most != i else None,
                "correlation": float(correlation[i, most]) if most != i else None,
            }
        )
    headings = {
        "parameter": ("Parameter", ""),
        "change": ("Change", ".5g"),
        "su": ("su", ".2g"),
        "most_correlated": ("Most correlated with", ""),
        "correlation": ("Correlation", ".3f"),
    }
    return Table(name="parameters", title="Refined parameters", rows=rows, headings=headings)
