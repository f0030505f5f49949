"""Cycles of assignment and refinement, each to higher resolution."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag, n_rows
from dxdask.errors import ConvergenceError
from dxdask.indexing.assign import assign
from dxdask.indexing.assign_local import assign_local
from dxdask.indexing.parameters import IndexAssignment, IndexParameters, RefinementProtocol
from dxdask.indexing.reciprocal import map_centroids
from dxdask.indexing.refinement_settings import for_few_spots
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters, refine
from dxdask.results import StepResult

LARGEST_GROWTH = 1.5
_GROWN = (
    "unit cell volume grew by more than half in the first refinement: the lattice does not fit; "
    "give indexing.max_cell or indexing.known_symmetry.unit_cell, or set indexing."
    "refinement_protocol.disable_unit_cell_volume_sanity_check=true"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The d_min (Angstrom) of the first cycle, its decrease in each, and its final value."""

    start: float
    step: float
    final: float

    def of_cycle(self, cycle: int) -> float:
        """Return d_min (Angstrom) of the cycle, counted from 0."""
        return max(self.start - cycle * self.step, self.final)


def resolution_steps(rlp: Floats, d_min: float, protocol: RefinementProtocol) -> Resolution:
    """Return d_min of the cycles, from that of the lattice search to that of spots rlp (n, 3)."""
    start = d_min if protocol.d_min_start is None else protocol.d_min_start
    # The outermost spot itself must not be lost to rounding.
    finest = (1.0 - 1e-9) / float(np.sqrt(np.einsum("ij,ij->i", rlp, rlp).max()))
    final = finest if protocol.d_min_final is None else max(finest, protocol.d_min_final)
    step = protocol.d_min_step
    if step is None:
        n = protocol.n_macro_cycles
        step = max(start - final, 0.0) / (n - 1) if n > 1 else 0.0
        start = final if n == 1 else start
    return Resolution(start=max(start, final), step=step, final=final)


def run_macrocycles(
    spots: Reflections,
    experiments: ExperimentList,
    resolution: Resolution,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return models and indexed spots after the macrocycles.

    The tables are those of the last refinement.

    Raises
    ------
    ConvergenceError
        No spot is indexed, or the cell grows by more than half in the first refinement.
    InputError
        Too few spots are indexed to refine the models.
    """
    protocol = parameters.refinement_protocol
    messages: list[str] = []
    result = StepResult(experiments=experiments, reflections=spots)
    for cycle in range(protocol.n_macro_cycles):
        d_min = resolution.of_cycle(cycle)
        if cycle and d_min < resolution.of_cycle(cycle - 1):
            messages.append(f"Increasing resolution to {d_min:.2f} Angstrom")
        table = map_centroids(spots, result.experiments)
        # all spots, whose resolutions change a little with the models, unless a limit is given
        is_all = d_min <= resolution.final and protocol.d_min_final is None
        limit = 0.0 if is_all else d_min
        table = assigned(table, result.experiments, parameters.index_assignment, limit)
        n = int(np.count_nonzero(has_flag(table, Flag.INDEXED)))
        messages.append(f"Macro-cycle {cycle + 1}: {n} of {n_rows(table)} spots indexed")
        if not n:
            raise ConvergenceError(
                f"none of {n_rows(table)} spots is indexed at d_min {d_min:.2f}; raise "
                "indexing.index_assignment.simple.hkl_tolerance or check the beam centre"
            )
        refined = refine(table, result.experiments, for_few_spots(refinement, n))
        if not protocol.disable_unit_cell_volume_sanity_check and _has_grown(result, refined):
            if not cycle:
                raise ConvergenceError(_GROWN)
            messages.append(
                "Unit cell volume grew by more than half: the last refinement is undone"
            )
            break
        result = replace(refined, messages=(*messages, *refined.messages))
        messages = list(result.messages)
    table = map_centroids(result.reflections, result.experiments)
    return replace(result, reflections=table, messages=tuple(messages))


def assigned(
    spots: Reflections, experiments: ExperimentList, method: IndexAssignment, d_min: float = 0.0
) -> Reflections:
    """Return the table with the indices of spots, by the method chosen; d_min : Angstrom."""
    if method.method == "local":
        return assign_local(spots, experiments, method.local, d_min=d_min)
    return assign(spots, experiments, tolerance=method.simple.hkl_tolerance, d_min=d_min)


def _has_grown(before: StepResult, after: StepResult) -> bool:
    pairs = zip(before.experiments.crystals, after.experiments.crystals, strict=True)
    return any(new.gemmi_cell.volume > LARGEST_GROWTH * old.gemmi_cell.volume for old, new in pairs)
