"""Lists of experiments without the models that no member uses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dxdask.models import ExperimentList, Member


def used_only(experiments: ExperimentList) -> ExperimentList:
    """Return the list without the models that no member uses (DIALS would write none either)."""
    members = list(experiments.members)
    pools: dict[str, tuple[Any, ...]] = {}
    for kind in ("beam", "detector", "goniometer", "scan", "crystal"):
        used = sorted({p for m in members if (p := getattr(m, kind)) is not None})
        place = {old: new for new, old in enumerate(used)}
        members = [
            m if getattr(m, kind) is None else _placed(m, kind, place[getattr(m, kind)])
            for m in members
        ]
        pools[f"{kind}s"] = tuple(getattr(experiments, f"{kind}s")[i] for i in used)
    return ExperimentList(**pools, members=tuple(members))


def _placed(member: Member, kind: str, place: int) -> Member:
    changes: dict[str, Any] = {kind: place}
    return replace(member, **changes)
