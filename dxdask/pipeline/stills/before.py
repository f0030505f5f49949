"""Runs whose results are in the store already, when others have come since.

Steps hold all runs together. Where a step was made of the first few of the runs that are asked for
now, with the same parameters, these runs are taken from it, and only the others are processed: the
work grows with what is new, what is read and written again of the results with all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dask.delayed import Delayed, delayed

from dxdask.graphs.stills import process as graph
from dxdask.graphs.stills.stored import part_of_index, part_of_integrate, part_of_spots_told
from dxdask.indexing.stills import KnownCell
from dxdask.pipeline.plan import stored_result
from dxdask.pipeline.stills.inputs import StillsInputs
from dxdask.storage.store.store import Store

Prints = Mapping[str, str]


@dataclass(frozen=True)
class Before:
    """The first `n_runs` of the runs, known by the results of `steps` in the store."""

    n_runs: int = 0
    steps: tuple[str, ...] = ()
    results: Mapping[str, Delayed] = field(default_factory=dict)


NOTHING = Before()


def runs_before(store: Store, runs: Sequence[str]) -> int:
    """Return how many of the first of these runs find_spots in the store was made of, if of these
    alone; 0 where it was made of all, of others, or is not there.
    """
    if not store.has_step("find_spots"):
        return 0
    there = store.experiments("find_spots").runs
    n = len(there)
    return n if n < len(runs) and tuple(there) == tuple(runs[:n]) else 0


def without_runs(contents: Mapping[str, Any], runs: Sequence[str]) -> dict[str, Any]:
    """Return what a step reads, without what is of one of these runs alone."""
    gone = {f"{what}.{run}" for run in runs for what in ("calibration", "geometry", "mask")}
    return {name: value for name, value in contents.items() if name not in gone}


def found_before(store: Store, n_runs: int, prints: Prints) -> Before:
    """Return what the store holds of the first runs.

    prints : fingerprint of each step in their order, as if there were these runs alone.
    """
    steps: list[str] = []
    for name in ("find_spots", "index", "integrate"):
        if name not in prints or not store.has_step(name, prints[name]):
            break
        steps.append(name)
    if not steps:
        return NOTHING
    return Before(n_runs, tuple(steps), {name: stored_result(store, name) for name in steps})


def events_before(
    before: Before, inputs: StillsInputs, known: KnownCell | None, *, integrate: bool
) -> list[Delayed]:
    """Return the events of each of these runs, Delayed `StillsPart`, as far as they are asked for.

    Their frames are read only where the store knows their crystals and not their observations.
    """
    old = inputs.frames[: before.n_runs]
    shared = [delayed(r.run, name=None, pure=True, traverse=False) for r in old]
    spots = before.results["find_spots"]
    if "index" not in before.steps or known is None:
        told = delayed(part_of_spots_told, pure=True)
        stored = [told(spots, run) for run in shared]
    else:
        of_index = delayed(part_of_index, pure=True)
        stored = [of_index(before.results["index"], run, spots) for run in shared]
        if "integrate" in before.steps and integrate:
            of_integrate = delayed(part_of_integrate, pure=True)
            return [
                of_integrate(part, before.results["integrate"], run)
                for part, run in zip(stored, shared, strict=True)
            ]
    parts, _ = graph.resume_stills([r.lazy() for r in old], stored, known, integrate=integrate)
    return parts
