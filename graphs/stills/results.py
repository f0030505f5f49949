"""From the events of all runs to the results of the steps find_spots, hits, index, integrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import concatenate
from dxdask.errors import InputError
from dxdask.fate import Fate
from dxdask.graphs.stills.parts import StillsPart
from dxdask.graphs.stills.rows import EVENT_COLUMNS
from dxdask.graphs.stills.run import StillsRun
from dxdask.hits import find_hits
from dxdask.indexing.stills import KnownCell
from dxdask.indexing.stills.consensus import ProposedCell, consensus_table
from dxdask.indexing.stills.index_stills import result_of
from dxdask.indexing.stills.many import IndexedStills
from dxdask.indexing.stills.tables import fates_table, index_rate_table, summary_table
from dxdask.models import ExperimentList
from dxdask.models.crystal import Crystal
from dxdask.results import StepResult
from dxdask.spotfinding.result import result_of_part
from dxdask.spotfinding.sampled_bad_pixels import SampledBadPixels, with_bad_pixels
from dxdask.still_columns import STILL_COLUMNS, Stills
from dxdask.tables import Table

Problems = tuple[Mapping[str, Any], ...]


def spots_result(
    part: StillsPart, run: StillsRun, bad: SampledBadPixels | None = None
) -> StepResult:
    """Return the result of find_spots of one run: of its spots, or of the peaks taken for them.

    bad : the bad pixels of the run, where they were looked for.
    """
    result = _spots_result(part, run)
    return result if bad is None else with_bad_pixels(result, bad, run.as_imported)


def _spots_result(part: StillsPart, run: StillsRun) -> StepResult:
    if part.found is not None:
        return result_of_part(
            part.found, run.as_imported, run.spotfinder, experiment_index=run.index,
            frame_shape=(run.mask.shape[0], run.mask.shape[1]),
        )  # fmt: skip
    rows = [
        {"run": run.experiment.run, "image": image + 1, "n_strong_pixels": strong, "n_spots": n}
        for image, strong, n in zip(
            part.stills["image"].tolist(), part.stills["n_strong_pixels"].tolist(),
            _counts(part).tolist(), strict=True,
        )
    ]  # fmt: skip
    return StepResult(
        experiments=ExperimentList.of([run.as_imported]),
        reflections=part.spots,
        tables=(Table(name="images", title="Peaks of each image", rows=rows, printed=False),),
        messages=(f"Found {len(part.spots['x'])} peaks by peakfinder8",),
        problems=tuple(p for p in part.problems if p["step"] == "find_spots"),
    )


def hits_result(parts: Sequence[StillsPart], runs: Sequence[StillsRun]) -> StepResult:
    """Return the result of hits: which events of all runs are hits; it holds no reflections."""
    stills, experiments = _stills(parts), ExperimentList.of([r.as_imported for r in runs])
    # not what the same graph has found by now beyond that
    stills = {name: stills[name] for name in EVENT_COLUMNS}
    spots = concatenate([p.spots for p in parts])
    found = find_hits(spots, stills, experiments, runs[0].parameters.hit_finder)
    arrays = _columns_only(stills | dict(found.arrays))
    return replace(found, reflections={}, arrays=arrays, problems=_problems(parts, "hits"))


def index_result(
    parts: Sequence[StillsPart],
    runs: Sequence[StillsRun],
    known: KnownCell,
    cells: Sequence[ProposedCell] | None = None,
) -> StepResult:
    """Return the result of index: crystals of all runs.

    cells : those that stills share, where the cell was not known. The experiments have a crystal of
    the cell searched for, unturned: each still's own is in `a_matrix`, among the arrays.
    """
    stills = _columns_only(_stills(parts))
    starts = np.cumsum([0] + [len(p.stills["image"]) for p in parts])
    additional = [
        start + np.searchsorted(p.stills["image"], p.additional_image)
        for start, p in zip(starts, parts, strict=False)
    ]
    indexed = IndexedStills(
        concatenate([p.indexed for p in parts if p.indexed is not None]),
        stills,
        np.concatenate(additional).astype(np.int64),
        np.concatenate([p.additional_a_matrix for p in parts]),
    )
    tables = []
    if cells is not None:
        tables.append(consensus_table(list(cells), sum(len(p.lattices) for p in parts)))
    experiments = experiments_of(runs).with_crystal(
        Crystal.from_cell(known.cell, space_group=known.group.xhm())
    )
    result = result_of(indexed, experiments, known, tables)
    return replace(
        result,
        tables=(
            *result.tables,
            index_rate_table(stills, experiments),
            fates_table(stills, experiments),
        ),
        problems=_problems(parts, "index"),
    )


def integrate_result(parts: Sequence[StillsPart], experiments: ExperimentList) -> StepResult:
    """Return the result of integrate: the observations of all runs, and the table of stills."""
    stills = concatenate([p.integrated for p in parts if p.integrated is not None])
    observations = concatenate([p.observations for p in parts if p.observations is not None])
    n = int((stills["reason"] == Fate.INTEGRATED).sum())
    table = summary_table(observations, stills, experiments)
    return StepResult(
        experiments=experiments,
        reflections=observations,
        arrays=_columns_only(stills),
        tables=(table,),
        messages=(f"Integrated {len(observations['d'])} reflections of {n} stills",),
        problems=_problems(parts, "integrate"),
    )


def require_crystals(stills: Mapping[str, NDArray[Any]], crystal: Crystal) -> None:
    """Check that any hit was indexed by the cell of a crystal.

    Raises
    ------
    InputError
        None was.
    """
    if stills["indexed"].any():
        return
    cell = ", ".join(f"{x:.2f}" for x in crystal.unit_cell)
    raise InputError(
        f"none of {int(stills['hit'].sum())} hits can be indexed by the cell {cell} of space group "
        f"{crystal.space_group}; is it theirs, are distance and beam centre right? Leave "
        "known_symmetry.unit_cell out to have the cell found; the table index.stills has a reason "
        "for each"
    )


def experiments_of(runs: Sequence[StillsRun]) -> ExperimentList:
    """Return the models that the runs are indexed by."""
    return ExperimentList.of([r.experiment for r in runs])


def _counts(part: StillsPart) -> NDArray[np.int64]:
    """Return the spots (stills,) of each event, whatever their resolution."""
    image = np.floor(part.spots["z"]).astype(np.int64)
    return np.searchsorted(image, part.stills["image"] + 1) - np.searchsorted(
        image, part.stills["image"]
    )


def _stills(parts: Sequence[StillsPart]) -> Stills:
    return concatenate([p.stills for p in parts])


def _columns_only(table: Mapping[str, NDArray[Any]]) -> Stills:
    return {n: table[n] for n in STILL_COLUMNS if n in table}


def _problems(parts: Sequence[StillsPart], step: str) -> Problems:
    return tuple(p for part in parts for p in part.problems if p["step"] == step)
