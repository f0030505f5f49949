"""Runs and their results, placed in another store.

Results are committed there as those of other programs are: made from one another, and renewed when
one of them is computed again. Steps that belong to all runs of a store (merge, settings) are left
out; run them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dxdask.errors import InputError
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList, Goniometer, Scan
from dxdask.pipeline.images import experiment_of_images
from dxdask.pipeline.imported_results import IMPORTED, imported_fingerprint
from dxdask.pipeline.inputs import kind_of_store
from dxdask.pipeline.staleness import require_not_stale
from dxdask.pipeline.stored_result import StoredResult
from dxdask.results import StepResult
from dxdask.storage.store.commit import commit_step
from dxdask.storage.store.partitions import write_partition
from dxdask.storage.store.store import Store
from dxdask.storage.store.transfer import place_run
from dxdask.tables import Table

CARRIED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sweeps": {
        "find_spots": ("find_spots",),
        "index": ("reindex", "index"),
        "refine": ("refine",),
        "integrate": ("symmetry", "reindex_integrated", "integrate"),
        "scale": ("scale",),
    },
    "stills": {
        "find_spots": ("find_spots",),
        "hits": ("hits",),
        "index": ("index",),
        "integrate": ("integrate",),
    },
}
"""Steps that are carried, and where each is read from: the first that is there."""

Edit = Callable[[ExperimentList], ExperimentList]
Model = TypeVar("Model", Beam, Detector, Goniometer, Scan, Crystal)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of a store on its way to another.

    Attributes
    ----------
    name : of the run there. images : first and last, where it is cut; None: all.
    """

    store: Store
    run: str
    name: str
    images: tuple[int, int] | None = None

    def source(self, step: str, kind: str) -> str | None:
        """Return the step that a result is read from, None where it is not there."""
        store = self.store
        for name in CARRIED[kind][step]:
            if store.has_step(name) and self.run in store.manifest(name).runs:
                return name
        return None


def place(target: Store, parts: Sequence[Part], edit: Edit, *, leave: Sequence[str] = ()) -> None:
    """Place runs, and the results that all of them have, in a store.

    edit : changes models: of the runs, and of each step. leave : steps that are not carried.

    Raises
    ------
    InputError
        Sweeps and stills, or a result is stale.
    """
    kinds = {kind_of_store(part.store) or "sweeps" for part in parts}
    if len(kinds) > 1:
        raise InputError("sweeps and stills cannot be in one store; combine them apart")
    (kind,) = kinds
    with target.writing():
        target.hold_runs()
        imported = edit(shared([_imported(part) for part in parts]))
        for part, experiment in zip(parts, imported, strict=True):
            images = None if part.images is None else _rows(part)
            place_run(target, part.store, part.run, experiment, images=images)
        done: dict[str, str] = {}
        for step in CARRIED[kind]:
            sources = [part.source(step, kind) for part in parts]
            found = [source for source in sources if source is not None]
            if step not in leave and len(found) == len(parts):
                done[step] = _commit(target, step, list(zip(parts, found, strict=True)), done, edit)


def _imported(part: Part) -> Experiment:
    """Return the models of a run as imported, of the images taken, with its new name."""
    found = replace(part.store.run_experiment(part.run), run=part.name)
    return found if part.images is None else experiment_of_images(found, part.images)


def _rows(part: Part) -> tuple[int, int]:
    """Return the first image taken and the one behind the last, counted from 0."""
    first, last = part.images or (0, 0)
    start = part.store.run_experiment(part.run).first_image
    n_images = part.store.frame_reader(part.run).shape[0]
    if not start <= first <= last < start + n_images:
        raise InputError(
            f"image_range={first},{last}: {part.run} has images {start} to {start + n_images - 1}"
        )
    return first - start, last - start + 1


def _commit(
    target: Store,
    step: str,
    parts: Sequence[tuple[Part, str]],
    done: Mapping[str, str],
    edit: Edit,
) -> str:
    """Write the rows of each run, and commit the step; return its fingerprint."""
    for store, source in {(part.store, source) for part, source in parts}:
        require_not_stale(store, source)
    files = [
        f"{part.store.manifest(source).id} {part.run} {list(part.images or ())}"
        for part, source in parts
    ]
    parameters: dict[str, Any] = {IMPORTED: {"files": files, "needs": list(done)}}
    value = imported_fingerprint(step, parameters, list(done.values()))
    columns = [part.store.manifest(source).columns for part, source in parts]
    common = [name for name in columns[0] if all(name in names for names in columns)]
    lost = sorted({name for names in columns for name in names} - set(common))
    own = [_models(part, source) for part, source in parts]
    everyone = edit(shared([e for experiments in own for e in experiments]))
    partitions, first = [], 0
    tables: dict[str, list[Table]] = {}
    for (part, source), experiments in zip(parts, own, strict=True):
        mine = [everyone[first + i] for i in range(len(experiments))]
        result = replace(_result(part, source, common), experiments=ExperimentList.of(mine))
        for table in _tables_of_run(part, source, first):
            tables.setdefault(table.name, []).append(table)
        partitions.append(
            write_partition(
                target.path, target.branch, step, result,
                run=part.name, fingerprint=value, parameters=parameters,
            )
        )  # fmt: skip
        first += len(experiments)
    whole = StepResult(
        experiments=everyone,
        reflections={},
        tables=tuple(Table.joined(found) for found in tables.values()),
        messages=(
            f"{sum(p.n_reflections for p in partitions)} reflections of {len(parts)} runs",
            *([f"columns that some runs lack are left out: {', '.join(lost)}"] if lost else []),
        ),
    )
    commit_step(
        target.path, target.branch, step, partitions,
        result=whole, fingerprint=value, parameters=parameters, seconds={},
    )  # fmt: skip
    return value


def _read(part: Part, source: str) -> StoredResult:
    found = StoredResult.of(part.store, source)
    return found if part.images is None else found.narrowed({part.run: part.images})


def _models(part: Part, source: str) -> list[Experiment]:
    """Return the models of a run as a step left them; identifiers of a renamed run name it."""
    out = []
    for experiment in _read(part, source).experiments(run=part.run):
        same = part.name == part.run
        identifier = experiment.identifier if same else f"{part.name}_{experiment.identifier}"
        out.append(replace(experiment, run=part.name, identifier=identifier))
    return out


def _result(part: Part, source: str, columns: Sequence[str]) -> StepResult:
    """Return rows, of these columns, and arrays of a run."""
    found = _read(part, source)
    table = found.columns(columns, run=part.run)
    there = part.store.manifest(source).runs[part.run].arrays
    if part.images is None:
        arrays = found.arrays(run=part.run)
    else:
        arrays = found.pixels(run=part.run) if "pixel_offsets" in there else {}
        arrays |= found.saturated(run=part.run)
        maps = [name for name in there if name.endswith("_mask")]
        arrays |= found.arrays(maps, run=part.run) if maps else {}
    return StepResult(experiments=ExperimentList(), reflections=table, arrays=arrays)


def _tables_of_run(part: Part, source: str, first: int) -> list[Table]:
    """Return the tables by run of a whole run, with experiments counted from `first`."""
    if part.images is not None:
        return []
    manifest = part.store.manifest(source)
    before = manifest.first_experiment(part.run)
    found = []
    for table in part.store.tables(source):
        rows = [dict(row) for row in table.rows if row.get("run") == part.run]
        for row in rows:
            row["run"] = part.name
            if isinstance(row.get("experiment"), int):
                row["experiment"] += first - before
        if rows:
            found.append(replace(table, rows=rows))
    return found


def shared(experiments: Sequence[Experiment]) -> ExperimentList:
    """Return a list in which equal models are shared."""
    known: dict[Any, Any] = {}

    def one(model: Model | None) -> Model | None:
        return None if model is None else known.setdefault((type(model), model), model)

    return ExperimentList.of(
        [
            replace(
                e,
                beam=known.setdefault((Beam, e.beam), e.beam),
                detector=known.setdefault((Detector, e.detector), e.detector),
                goniometer=one(e.goniometer),
                scan=one(e.scan),
                crystal=one(e.crystal),
            )
            for e in experiments
        ]
    )
