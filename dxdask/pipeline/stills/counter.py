"""Running counts while stills are processed: events, hits, crystals so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from dxdask.cluster.running_counts import TaskCounter
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.process import FROM_FRAMES, INDEX, INTEGRATE


def counts(name: str, record: NDArray[Any]) -> dict[str, int]:
    """Return the counts of a task's result, a `StillsPart` in an array of one."""
    part: StillsPart = record.item()
    found = {}
    if name == FROM_FRAMES:
        found = {"events": len(part.stills["hit"]), "hits": int(part.stills["hit"].sum())}
    if part.indexed is not None:
        found["indexed"] = int(part.stills["indexed"].sum())
    return found


def text(sums: Mapping[str, int]) -> str:
    """Return the sums and rates in words."""
    events, hits, indexed = (sums.get(name, 0) for name in ("events", "hits", "indexed"))
    parts = []
    if events:
        parts += [f"{events} events", f"{hits} hits ({100.0 * hits / events:.1f} %)"]
    if "indexed" in sums:
        rate = f" ({100.0 * indexed / hits:.1f} % of them)" if hits >= indexed > 0 else ""
        parts.append(f"{indexed} indexed{rate}")
    return ", ".join(parts)


STILLS_COUNTER = TaskCounter((FROM_FRAMES, INDEX, INTEGRATE), counts, text)
