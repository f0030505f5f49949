"""Indexing of the spots of one run, or of an ensemble of runs of one crystal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from dxdask.columns import Flag, Reflections, check, concatenate, has_flag, n_rows, select
from dxdask.errors import ConvergenceError, DxdaskError, InputError, plain
from dxdask.indexing.candidates import best_candidate
from dxdask.indexing.fft3d import find_basis_vectors, grid_d_min
from dxdask.indexing.lattice import find_lattices
from dxdask.indexing.macrocycles import resolution_steps, run_macrocycles
from dxdask.indexing.max_cell import find_max_cell
from dxdask.indexing.parameters import IndexParameters
from dxdask.indexing.reciprocal import map_centroids, within_first_turn, without_crystals
from dxdask.models import ExperimentList
from dxdask.refinement import RefinementParameters
from dxdask.results import StepResult
from dxdask.tables import Table

COLUMNS_NEEDED = (
    "experiment", "panel", "flags", "x", "y", "z", "x_variance", "y_variance", "z_variance",
)  # fmt: skip
REFLECTIONS_PER_DEGREE = 100.0


def index(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Find the crystal, give every spot its Miller index, and refine the models.

    Parameters
    ----------
    reflections : spots of all runs: columns experiment, panel, flags, x, y, z and their variances;
        bbox where there is one.
    experiments : rotation data; crystals that are there already are dropped.
    parameters : see `IndexParameters`.
    refinement : for the macrocycles; where they say "auto", outliers are found by Tukey's rule and
        100 reflections are used for each degree.

    Returns
    -------
    StepResult
        Experiments with one crystal for all runs (or, without `joint_indexing`, one for each run);
        all input rows in their order, with x_mm .. phi_rad and variances, s1, rlp, entering, hkl
        (0 0 0 where not indexed), flags and predictions. Tables candidates, imagesets, crystals,
        rmsds, panels.

    Raises
    ------
    InputError
        Stills, or too few spots.
    ConvergenceError
        No lattice indexes the spots, or none has the known symmetry.
    """
    check(reflections, COLUMNS_NEEDED)
    _check_rotation(reflections, experiments)
    start = without_crystals(experiments)
    settings = _for_indexing(refinement)
    if parameters.joint_indexing or len(experiments.runs) < 2:
        return _index_together(reflections, start, parameters, settings)
    return _index_separately(reflections, start, parameters, settings)


def _check_rotation(reflections: Reflections, experiments: ExperimentList) -> None:
    """Refuse what has no rotation, or rows of experiments that are not there."""
    for e in experiments:
        if e.scan is None or e.goniometer is None or e.scan.is_still:
            raise InputError(f"run {e.run} is a still: index needs rotation data; see stills_process")
    if not n_rows(reflections):
        raise InputError("no spots to index: lower the threshold of find_spots")
    ids = reflections["experiment"]
    if ids.min() < 0 or ids.max() >= len(experiments):
        raise InputError(
            f"column 'experiment' runs from {ids.min()} to {ids.max()}, but there are "
            f"{len(experiments)} experiments: give the list that the spots belong to"
        )


def _for_indexing(refinement: RefinementParameters) -> RefinementParameters:
    """Return the parameters with the choices that differ from those of a last refinement."""
    chosen = refinement.reflections
    update: dict[str, Any] = {}
    if chosen.outlier.algorithm == "auto":
        update["outlier"] = chosen.outlier.model_copy(update={"algorithm": "tukey"})
    if chosen.reflections_per_degree == "auto":
        update["reflections_per_degree"] = REFLECTIONS_PER_DEGREE
    return refinement.model_copy(update={"reflections": chosen.model_copy(update=update)})


def _index_together(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result with one crystal for all experiments."""
    spots = map_centroids(reflections, experiments)
    search = select(spots, within_first_turn(spots, experiments))
    max_cell, messages = _max_cell(search, parameters)
    grid = parameters.fft3d.reciprocal_space_grid
    d_min = grid_d_min(search["rlp"], max_cell=max_cell, n_points=grid.n_points, d_min=grid.d_min)
    messages += [f"Setting d_min: {d_min:.2f}", f"FFT gridding: ({', '.join([str(grid.n_points)] * 3)})"]
    basis = find_basis_vectors(
        search["rlp"],
        max_cell=max_cell,
        min_cell=parameters.min_cell,
        d_min=d_min,
        parameters=parameters.fft3d,
    )
    messages.append(f"Number of centroids used: {basis.n_used}")
    low = select(search, np.einsum("ij,ij->i", search["rlp"], search["rlp"]) <= 1.0 / d_min**2)
    lattices = find_lattices(basis.vectors, low["rlp"], parameters)
    best, table = best_candidate(lattices, low, experiments, parameters, refinement)
    steps = resolution_steps(spots["rlp"], d_min, parameters.refinement_protocol)
    messages.append(f"Using d_min_step {steps.step:.2f}")
    result = run_macrocycles(spots, best.experiments, steps, parameters, refinement)
    tables = [t for t in result.tables if t.name in ("crystals", "rmsds", "panels")]
    return replace(
        result,
        tables=(table, imagesets_table(result.reflections, experiments), *tables),
        messages=(*messages, *result.messages),
    )


def _max_cell(search: Reflections, parameters: IndexParameters) -> tuple[float, list[str]]:
    """Return the longest cell edge (Angstrom), given, of the known cell, or estimated."""
    known, multiplier = parameters.known_symmetry.unit_cell, parameters.max_cell_estimation.multiplier
    if parameters.max_cell is not None:
        return parameters.max_cell, [f"Using max_cell: {parameters.max_cell:.1f} Angstrom"]
    if known is not None:
        value = multiplier * max(known[:3])
        return value, [f"Using max_cell: {value:.1f} Angstrom"]
    value = find_max_cell(search, parameters.max_cell_estimation)
    return value, [f"Found max_cell: {value:.1f} Angstrom"]


def _index_separately(
    reflections: Reflections,
    experiments: ExperimentList,
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the results of each run by itself, one below the other.

    A run that cannot be indexed stays without a crystal and is named in `problems`.
    """
    members, parts, order = list(experiments), [], []
    out, messages, problems = list(members), [], []
    tables: dict[str, list[dict[str, Any]]] = {}
    shapes: dict[str, Table] = {}
    for run in experiments.runs:
        ids = [i for i, m in enumerate(members) if m.run == run]
        rows = np.flatnonzero(np.isin(reflections["experiment"], ids))
        part = select(reflections, rows)
        part["experiment"] = np.searchsorted(ids, part["experiment"]).astype(np.int32)
        try:
            got = index_run(part, [members[i] for i in ids], parameters, refinement)
        except DxdaskError as error:
            problems.append({"run": run, "image": None, "step": "index", "reason": plain(error)})
            continue
        for i, e in zip(ids, got.experiments, strict=True):
            out[i] = e
        messages += [f"Run {run}:", *got.messages]
        parts.append({**got.reflections, "experiment": np.asarray(ids, np.int32)[got.reflections["experiment"]]})
        order.append(rows)
        for t in got.tables:
            shapes[t.name] = t
            tables.setdefault(t.name, []).extend(_with_run(t, run, ids))
    if not parts:
        reasons = "; ".join(f"{p['run']}: {p['reason']}" for p in problems)
        raise ConvergenceError(f"none of {len(experiments.runs)} runs could be indexed: {reasons}")
    return StepResult(
        experiments=ExperimentList.of(out),
        reflections=_in_order(reflections, parts, order),
        tables=tuple(replace(shapes[k], rows=rows) for k, rows in tables.items()),
        messages=tuple(messages),
        problems=tuple(problems),
    )


def index_run(
    part: Reflections,
    members: list[Any],
    parameters: IndexParameters,
    refinement: RefinementParameters,
) -> StepResult:
    """Return the result for the experiments of one run."""
    if not n_rows(part):
        raise InputError("no spots to index: lower the threshold of find_spots")
    return _index_together(part, ExperimentList.of(members), parameters, refinement)


def _with_run(table: Table, run: str, ids: list[int]) -> list[dict[str, Any]]:
    """Return the rows with their run, and with experiments counted in the whole list."""
    rows = []
    for row in table.rows:
        new = {"run": run, **row}
        if "experiment" in new:
            new["experiment"] = ids[new["experiment"]]
        rows.append(new)
    return rows


def _in_order(
    reflections: Reflections, parts: list[Reflections], order: list[np.ndarray]
) -> Reflections:
    """Return all input rows in their order; those of runs that failed have no index."""
    done = concatenate(parts)
    rows = np.concatenate(order)
    table: Reflections = {}
    for name, values in done.items():
        whole = np.zeros((n_rows(reflections), *values.shape[1:]), dtype=values.dtype)
        if name in reflections:
            whole[:] = reflections[name]
        if name == "hkl":
            whole[:] = 0
        whole[rows] = values
        table[name] = whole
    return table


def imagesets_table(reflections: Reflections, experiments: ExperimentList) -> Table:
    """Return how many spots of each run are indexed."""
    indexed = has_flag(reflections, Flag.INDEXED)
    runs = experiments.runs
    place = np.array([runs.index(m.run) for m in experiments.members])
    of_run = place[reflections["experiment"]]
    total = np.bincount(of_run, minlength=len(runs))
    counts = np.bincount(of_run[indexed], minlength=len(runs))
    rows = [
        {
            "run": run,
            "n_indexed": int(n),
            "n_unindexed": int(t - n),
            "percent": float(100.0 * n / t) if t else 0.0,
        }
        for run, n, t in zip(runs, counts, total, strict=True)
    ]
    headings = {
        "run": ("Imageset", ""),
        "n_indexed": ("# indexed", ""),
        "n_unindexed": ("# unindexed", ""),
        "percent": ("% indexed", ".1f"),
    }
    return Table(name="imagesets", title="Indexed spots", rows=rows, headings=headings)
