"""One graph of the steps of a command, ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dask.delayed import Delayed

if TYPE_CHECKING:
    from dxdask.cluster.running_counts import TaskCounter
    from dxdask.pipeline.frames import RunFrames


@dataclass(kw_only=True)
class Plan:
    """A graph that is ready to run.

    Attributes
    ----------
    fingerprints : of each step, computed or found. results : `StoredResult` of each, lazy.
    commits : one lazy task a step to be computed. found : steps that need not be.
    finishes : lazy tasks that mark the runs imported on the way as complete.
    reads : frames that each step to be computed reads, and bytes that a task takes for each pixel.
    counter : counts of tasks' results to show on the way.
    """

    fingerprints: dict[str, str] = field(default_factory=dict)
    results: dict[str, Delayed] = field(default_factory=dict)
    commits: dict[str, Delayed] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    finishes: list[Delayed] = field(default_factory=list)
    reads: dict[str, tuple[list[RunFrames], int]] = field(default_factory=dict)
    counter: TaskCounter | None = None

    @property
    def tasks(self) -> list[Delayed]:
        """All that is to be computed."""
        return [*self.finishes, *self.commits.values()]
