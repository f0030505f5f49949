"""Observations of a crystal whose shape absorbs, with the absorption known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.made_up import MadeUp, made_up

from dxdask.models import ExperimentList, Goniometer, Scan
from dxdask.scaling.variables import variables_of

HALF_AXES = np.array([1.0, 0.5, 0.25])  # of an ellipsoid, in the frame of the crystal
OFFSET = np.array([0.2, 0.05, 0.02])  # of the beam's focus from its centre


def path(directions: np.ndarray) -> np.ndarray:
    """Path (n,) from the focus to the surface of the ellipsoid along directions (n, 3)."""
    u, o = directions / HALF_AXES, OFFSET / HALF_AXES
    a, b, c = (u**2).sum(axis=1), u @ o, o @ o - 1.0
    return (-b + np.sqrt(b**2 - a * c)) / a


def absorbing_crystal(*, mu: float, seed: int = 2, **changed: object) -> tuple[MadeUp, np.ndarray]:
    """Return two sweeps, of 360 degrees unless changed, about two axes, and the transmission (n,).

    mu : linear absorption coefficient; 0 for no absorption.
    """
    given = {"transmissions": (1.0, 1.0), "n_images": 360, "width": 1.0, "strength": 4e4} | changed
    data = made_up(wave=0.05, decay=1.0, seed=seed, b_error=0.01, **given)  # type: ignore[arg-type]
    axes = ((1.0, 0.0, 0.0), (0.0, 0.8, 0.6))
    members = [
        replace(
            e,
            goniometer=Goniometer(axes=(axes[i % 2],)),
            scan=Scan(image_range=(1, int(given["n_images"])), oscillation=(0.0, 1.0)),
        )
        for i, e in enumerate(data.experiments)
    ]
    data.experiments = ExperimentList.of(members)
    table, rng = dict(data.reflections), np.random.default_rng(seed)
    rows = np.arange(len(table["d"]))
    v = variables_of(table, rows, table["d"], data.experiments, directions=True)
    assert v.incident is not None
    assert v.scattered is not None
    transmission = np.exp(-mu * (path(-v.incident) + path(v.scattered)))
    factor = table["qe"] / table["lp"] * transmission * data.scale
    counts = rng.poisson(data.true * factor * (1 + 0.01 * rng.standard_normal(len(rows))).clip(0))
    table["intensity_sum"] = counts + rng.poisson(20.0, len(rows)) - 20.0
    table["intensity_sum_variance"] = np.abs(table["intensity_sum"]) + 20.0
    data.reflections = table
    data.scale = data.scale * transmission
    return data, transmission
