"""The result of a symmetry that could not be determined."""

from __future__ import annotations

from dxdask.columns import Reflections
from dxdask.models import ExperimentList
from dxdask.results import StepResult


def unchanged(
    reflections: Reflections, experiments: ExperimentList, reason: str, *, known: bool = False
) -> StepResult:
    """Return rows and models in the axes that they have, with a message of the reason.

    known : whether the space group was given, and only the settings of the crystals were not found.
    """
    groups = ", ".join(dict.fromkeys(c.space_group for c in experiments.crystals))
    lack = "crystals were not brought to one setting" if known else "space group was not determined"
    return StepResult(
        experiments=experiments,
        reflections={name: reflections[name] for name in ("experiment", "hkl", "flags")},
        messages=(f"the {lack}, {groups} is kept: {reason}",),
    )
