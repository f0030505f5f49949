"""What is told while stills are processed: events, hits, crystals so far."""

from __future__ import annotations

from collections.abc import Mapping

from dxdask.cluster.running_counts import TaskCounter
from dxdask.graphs.stills.parts import StillsPart

FROM_FRAMES, GO_ON = "from_frames", "go_on"
"""Tasks of `dxdask.graphs.stills.process`: find hits, index hits found."""


def counts(name: str, part: StillsPart) -> dict[str, int]:
    """Return what a task has found."""
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


STILLS_COUNTER = TaskCounter((FROM_FRAMES, GO_ON), counts, text)
