"""What the blocks of one run need to know besides their frames."""

from __future__ import annotations

from dataclasses import dataclass

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.integration.boxes import Ellipsoids, ellipsoids
from dxdask.integration.parameters import GlmParameters
from dxdask.integration.rotation import require_rotation
from dxdask.models import Experiment


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What every block of one run needs to know.

    Attributes
    ----------
    run : its name.
    shapes : of all reflections of the run.
    trusted : counts strictly between the two can be believed.
    glm : how backgrounds are fitted.
    """

    run: str
    shapes: Ellipsoids
    trusted: tuple[float, float]
    glm: GlmParameters


def plan(
    predicted: Reflections,
    experiment: Experiment,
    glm: GlmParameters,
    *,
    n_frames: int | None = None,
) -> Plan:
    """Return the plan for reflections that `predict` returned for this experiment.

    Raises
    ------
    InputError
        The run has not `n_frames` images, no profile, or panels of different trusted ranges.
    """
    n_images = require_rotation(experiment).scan.n_images
    if n_frames is not None and n_frames != n_images:
        raise InputError(
            f"run {experiment.run} has {n_frames} frames, its scan has {n_images}; give all"
        )
    ranges = {p.trusted_range for p in experiment.detector.panels}
    if len(ranges) != 1:
        raise InputError(
            f"run {experiment.run}: panels differ in their trusted range, {sorted(ranges)}; "
            "import it with one trusted range for all"
        )
    shapes = ellipsoids(predicted, experiment)
    return Plan(run=experiment.run, shapes=shapes, trusted=ranges.pop(), glm=glm)
