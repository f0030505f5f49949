"""Reduction of the parameters of models that too few reflections determine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Integers
from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.refinement.geometry import first_panels
from dxdask.refinement.least_squares.local import STRAIN
from dxdask.refinement.models.layout import FreeParameters
from dxdask.refinement.parameterise import FreeModels, with_fixed
from dxdask.refinement.parameters import AutoReduction


class _Group(NamedTuple):
    """Free parameters of one model, with the number of reflections that depend on them.

    fixed : the model, where it is shared; crystal, own : else the crystal and the parameters.
    members : experiments that have the model.
    """

    name: str
    n_free: int
    n_reflections: int
    members: list[int]
    fixed: FreeParameters | None = None
    crystal: int = -1
    own: tuple[int, ...] = ()

    def reduced(self, models: FreeModels) -> FreeModels:
        """Return the models without these parameters."""
        if self.fixed is not None:
            return with_fixed(models, self.fixed)
        free = list(models.crystal_free)
        free[self.crystal] = tuple(i for i in free[self.crystal] if i not in self.own)
        return replace(models, crystal_free=tuple(free))


def auto_reduce(
    models: FreeModels, table: Reflections, rows: Integers, rule: AutoReduction
) -> tuple[FreeModels, Integers, list[str]]:
    """Return models and rows (n,) without what too few reflections determine, and notes.

    Models with too few reflections for their parameters are fixed, or their reflections excluded
    too, until none is left.

    Raises
    ------
    InputError
        There is such a model and `rule.action` is "fail", or nothing is left to refine.
    """
    notes: list[str] = []
    while True:
        poor = [
            g
            for g in _groups(models, table, rows)
            if g.n_reflections < rule.min_nref_per_parameter * g.n_free
        ]
        if not poor:
            break
        what = ", ".join(g.name for g in poor)
        if rule.action == "fail":
            raise InputError(
                f"too few reflections for the parameters of {what} (fewer than "
                f"{rule.min_nref_per_parameter} for each); set parameterisation.auto_reduction."
                "action=fix to fix these models, or =remove to exclude their reflections too"
            )
        notes.append(f"Too few reflections for the parameters of {what}: fixed")
        if rule.action == "remove":
            gone = sorted({i for g in poor for i in g.members})
            rows = rows[~np.isin(table["experiment"][rows], gone)]
        for group in poor:
            models = group.reduced(models)
    if not models.n_parameters or not len(rows):
        raise InputError(
            f"nothing to refine: {models.n_parameters} parameters are free and {len(rows)} "
            "reflections are left; fix fewer parameters or give more reflections"
        )
    return models, rows, notes


def _groups(models: FreeModels, table: Reflections, rows: Integers) -> Iterator[_Group]:
    """Yield the free parameters by model."""
    members = models.experiments.members
    experiment = table["experiment"][rows]
    counts = np.bincount(experiment, minlength=len(members))
    firsts = first_panels(models.experiments)
    panel = firsts[[m.detector for m in members]][experiment] + table["panel"][rows]
    for p in models.shared:
        if not p.which:
            continue
        of = [i for i, m in enumerate(members) if getattr(m, p.kind) == p.model]
        name, n = f"{p.kind} {p.model + 1}", int(counts[of].sum())
        if p.part is not None and p.part.level:
            name = f"{name}, {p.part.name}"
            n = int(np.isin(panel, firsts[p.model] + np.array(p.part.panels)).sum())
        yield _Group(name, p.size, n, of, fixed=p)
    by_crystal: dict[int | None, list[int]] = {}
    for i, m in enumerate(members):
        by_crystal.setdefault(m.crystal, []).append(i)
    for k, free in enumerate(models.crystal_free):
        of, n_points = by_crystal.get(k, []), int(models.crystals.n_points[k])
        for name, own in (
            ("orientation", tuple(i for i in free if i < STRAIN)),
            ("cell", tuple(i for i in free if i >= STRAIN)),
        ):
            if own:
                n = int(counts[of].sum())
                yield _Group(f"{name} {k + 1}", len(own) * n_points, n, of, crystal=k, own=own)
