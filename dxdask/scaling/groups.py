"""Experiments that have a part of the model in common: a crystal, or a detector."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from dxdask.models import ExperimentList


def numbered(keys: Iterable[Hashable]) -> tuple[int, ...]:
    """Return the number of each key, by first appearance.

    Examples
    --------
    >>> numbered(["b", "a", "b"])
    (0, 1, 0)
    """
    number: dict[Hashable, int] = {}
    return tuple(number.setdefault(key, len(number)) for key in keys)


def groups_of(experiments: ExperimentList, *, by_crystal: bool) -> tuple[int, ...]:
    """Return the number of the crystal of each experiment by first appearance, or its own."""
    if not by_crystal:
        return tuple(range(len(experiments)))
    return numbered(m.crystal for m in experiments.members)
