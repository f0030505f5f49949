"""The result of a symmetry that could not be determined."""

from __future__ import annotations

from dxdask.columns import Reflections
from dxdask.models import ExperimentList
from dxdask.results import StepResult


def unchanged(reflections: Reflections, experiments: ExperimentList, reason: str) -> StepResult:
    """Return rows and models in the axes that they have, with a message of the reason."""
    groups = ", ".join(dict.fromkeys(c.space_group for c in experiments.crystals))
    return StepResult(
        experiments=experiments,
        reflections={name: reflections[name] for name in ("experiment", "hkl", "flags")},
        messages=(f"the space group was not determined, {groups} is kept: {reason}",),
    )
