"""The steps that take stills from events to merged intensities: names, needs, parameters."""

from __future__ import annotations

from collections.abc import Mapping

from dxdask.pipeline.catalogue import STEPS, Step

_ALL = (
    STEPS["find_spots"],
    Step(
        name="hits",
        title="Tell which events show a crystal.",
        needs=("find_spots",),
        groups=("hits",),
    ),
    Step(
        name="index",
        title="Find and refine the crystal of each hit.",
        needs=("find_spots", "hits"),
        groups=("indexing",),
        version="stills 1",
    ),
    Step(
        name="integrate",
        title="Predict and integrate the reflections of each still.",
        needs=("index",),
        groups=("integration",),
        version="stills 1",
        reads_frames=True,
    ),
    Step(
        name="merge",
        title="Post-refine and merge the stills.",
        needs=("integrate",),
        groups=("merging",),
        version="stills 1",
    ),
)

STILLS_STEPS: Mapping[str, Step] = {step.name: step for step in _ALL}
"""The steps of `stills_process`, in their order; each needs those before it."""

COMMANDS: Mapping[str, Step] = {
    "hits": STILLS_STEPS["hits"],
    "postrefine": STILLS_STEPS["merge"],
}
"""Commands, and the step that each runs on what a store holds."""


def groups_of(command: str) -> tuple[str, ...]:
    """Return the groups of parameters that one of `COMMANDS` takes."""
    return (*COMMANDS[command].groups, "cluster", "force")
