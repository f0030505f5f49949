"""Parameters that every command on a store takes."""

from __future__ import annotations

from dxdask.cluster.parameters import ClusterParameters
from dxdask.parameters import Parameters, parameter

COMMON = ("cluster", "force", "branch", "runs", "images")
"""Names of the parameters of `StepParameters`, which every step takes."""


class Running(Parameters):
    """Place where a command runs, and repetition of results that are there."""

    cluster: ClusterParameters = ClusterParameters()
    force: bool = parameter(False, "Compute again results with the same inputs and parameters.")


class StepParameters(Running):
    """Branch and runs that a step works on."""

    branch: str = parameter(
        "main",
        "Branch of the store that results are written to; a branch takes from `main` every step "
        "that it has not computed itself.",
    )
    runs: tuple[str, ...] = parameter((), "Names of the runs to process; none: all.")
    images: tuple[int, int] | None = parameter(
        None,
        "First and last image to process of each run; None: those that the steps before were "
        "restricted to, else all.",
    )
