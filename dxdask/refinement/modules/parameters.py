"""Parameters of the modules of a detector."""

from __future__ import annotations

from typing import Literal

from dxdask.parameters import Parameters, parameter


class ModuleParameters(Parameters):
    """Modules of a detector that may have moved against each other."""

    modules: Literal["auto", "propose", "none"] = parameter(
        "auto",
        "auto: re-cut the panels into modules and refine each, where they moved significantly; "
        "propose: only report it; none: do not look.",
    )
    min_shift: float = parameter(
        0.05, "Least move of a module against the others that is significant.", unit="px",
        expert=1, gt=0.0,
    )  # fmt: skip
    false_alarm: float = parameter(
        1e-4, "Probability of a significant move, by chance, of a detector whose modules did not "
        "move.", expert=1, gt=0.0, lt=1.0,
    )  # fmt: skip
    min_reflections: int = parameter(
        50, "Fewest reflections on a module that is compared with the others.", expert=1, ge=10
    )
