"""Sweeps of a list of experiments: experiments of one sweep differ in their crystals only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.models import Crystal, ExperimentList
from dxdask.models.experiment import Member


def sweep_indices(experiments: ExperimentList) -> NDArray[np.int64]:
    """Return the index (e,) of the sweep of each experiment, counted in their order.

    Experiments of one run with the same beam, detector, goniometer and scan are lattices of one
    sweep.
    """
    keys = [(m.run, m.beam, m.detector, m.goniometer, m.scan) for m in experiments.members]
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([place[key] for key in keys], dtype=np.int64)


def first_members(sweep: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first experiment (n,) of each of n sweeps; sweep : (e,) of `sweep_indices`."""
    return np.asarray(np.unique(sweep, return_index=True)[1])


def with_lattice(experiments: ExperimentList, crystal: Crystal) -> ExperimentList:
    """Return the list with one more experiment for each sweep, after its others."""
    sweep = sweep_indices(experiments)
    members: list[Member] = []
    for i, member in enumerate(experiments.members):
        members.append(member)
        of_sweep = np.flatnonzero(sweep == sweep[i])
        if i == of_sweep[-1]:
            first = experiments.members[of_sweep[0]]
            name = f"{first.identifier}_lattice{len(of_sweep) + 1}"
            place = len(experiments.crystals)
            members.append(replace(first, identifier=name, crystal=place, profile=None))
    crystals = (*experiments.crystals, crystal)
    return replace(experiments, crystals=crystals, members=tuple(members))


def to_first_of_sweep(
    experiment: NDArray[np.int32], before: ExperimentList, after: ExperimentList
) -> NDArray[np.int32]:
    """Return the first experiment (n,) in `after` of the sweep of each experiment of `before`.

    experiment : (n,) in `before`. Both lists have the same sweeps, in the same order.
    """
    first = first_members(sweep_indices(after))
    return np.asarray(first[sweep_indices(before)[experiment]], dtype=np.int32)


def only_members(
    experiments: ExperimentList, keep: NDArray[np.bool_]
) -> tuple[ExperimentList, NDArray[np.int64]]:
    """Return the experiments kept, and the new index (e,) of each old one, -1 for the others."""
    places = np.where(keep, np.cumsum(keep) - 1, -1)
    left = tuple(m for m, kept in zip(experiments.members, keep, strict=True) if kept)
    used = sorted({m.crystal for m in left if m.crystal is not None})
    new = {old: i for i, old in enumerate(used)}
    return replace(
        experiments,
        crystals=tuple(experiments.crystals[i] for i in used),
        members=tuple(
            replace(m, crystal=None if m.crystal is None else new[m.crystal]) for m in left
        ),
    ), np.asarray(places, dtype=np.int64)
