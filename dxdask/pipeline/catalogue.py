"""The steps of a sweep ensemble, in the order of processing: names, needs, parameters.

Their builders are in `dxdask.pipeline.steps`; this file imports none of the science, so that a
command can name the steps at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: its command's name and title, the steps it takes, the parameters it reads.

    `version` changes when the same input and parameters no longer give the same result.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    groups: tuple[str, ...]
    version: str = "1"
    reads_frames: bool = False


_ALL = (
    Step(
        name="find_spots",
        title="Find the strong spots of every run.",
        needs=(),
        groups=("spotfinder",),
        reads_frames=True,
    ),
    Step(
        name="index",
        title="Find the lattice, index the spots and refine, all runs together.",
        needs=("find_spots",),
        groups=("indexing", "refinement"),
    ),
    Step(
        name="refine_bravais_settings",
        title="Try the lattice's Bravais settings and recommend one.",
        needs=("index",),
        groups=("bravais", "refinement"),
    ),
    Step(
        name="histogram",
        title="Count the pixel values of each run's indexed spots.",
        needs=("find_spots", "index"),
        groups=("histogram",),
    ),
    Step(
        name="refine",
        title="Refine crystal, detector and beam, jointly over the runs.",
        needs=("index",),
        groups=("refinement",),
    ),
    Step(
        name="integrate",
        title="Predict and integrate the reflections of every run.",
        needs=("find_spots", "refine"),
        groups=("integration",),
        version="2",
        reads_frames=True,
    ),
    Step(
        name="linearity",
        title="Compare matched reflections of each run with the full transmission.",
        needs=("integrate",),
        groups=("linearity",),
    ),
    Step(
        name="scale",
        title="Put all observations on one scale.",
        needs=("integrate",),
        groups=("scaling",),
        version="2",
    ),
    Step(
        name="merge",
        title="Merge to unique reflections, with statistics by shell.",
        needs=("scale",),
        groups=("merging",),
    ),
    Step(
        name="generate_mask",
        title="Make a mask of borders, regions, resolutions and ice rings.",
        needs=(),
        groups=("generate_mask",),
    ),
    Step(
        name="apply_mask",
        title="Use a mask, of a file or of a step, from now on (mask=none: no longer).",
        needs=(),
        groups=("apply_mask",),
    ),
    Step(
        name="estimate_gain",
        title="Estimate counts per photon from how the counts of some images scatter.",
        needs=(),
        groups=("estimate_gain",),
        reads_frames=True,
    ),
    Step(
        name="find_bad_pixels",
        title="Find pixels that are dead, hot or strong in too many images.",
        needs=(),
        groups=("find_bad_pixels",),
        reads_frames=True,
    ),
)
PROCESS = (
    "find_spots",
    "index",
    "histogram",
    "refine",
    "integrate",
    "linearity",
    "scale",
    "merge",
)
"""The steps of `process`."""

STEPS: Mapping[str, Step] = {step.name: step for step in _ALL}
