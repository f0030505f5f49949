"""Crystals of centred lattices that were indexed in their conventional cells as if primitive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gemmi
import numpy as np
from support.simulated_symmetry import Truth, crystals_of

from dxdask.columns import Reflections
from dxdask.models import ExperimentList
from dxdask.models.symmetry import possible_reflections, spacings


def with_absent_reflections(
    truth: Truth, *, seed: int = 1, **of_crystals: Any
) -> tuple[Reflections, ExperimentList]:
    """Return a crystal in its conventional cell with all reflections that centring takes away."""
    table, experiments = crystals_of(truth, keep_axes=True, **of_crystals)
    crystals = tuple(replace(c, space_group="P 1") for c in experiments.crystals)
    cell = gemmi.UnitCell(*truth.cell)
    d_min = float(spacings(truth.hkl, cell).min())
    every = possible_reflections(cell, gemmi.SpaceGroup("P 1"), d_min=d_min)
    shifts = [[0, 0, 0], *truth.group.operations().cen_ops]
    whole = np.all(every @ np.array(shifts).T % gemmi.Op.DEN == 0, axis=1)
    absent = every[~whole]
    rng = np.random.default_rng(seed)
    more = {k: np.resize(v[:1], (len(absent), *v.shape[1:])) for k, v in table.items()}
    more |= {
        "hkl": absent, "intensity_sum": 5.0 * rng.standard_normal(len(absent)),
        "intensity_sum_variance": np.full(len(absent), 25.0),
        "z_cal": rng.uniform(0.0, 100.0, len(absent)),
    }  # fmt: skip
    joined = {k: np.concatenate([table[k], more[k]]) for k in table}
    return joined, replace(experiments, crystals=crystals)
