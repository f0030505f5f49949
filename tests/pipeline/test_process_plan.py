"""`process` is one lazy graph, whose size grows with the blocks; no frame is a task's result."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
from dask.callbacks import Callback
from dask.delayed import Delayed
from dask.optimization import cull
from dask.utils import ensure_dict
from support.ensemble_example import FRAME, N_IMAGES, QUICK, STEPS

from dxdask.graphs.fold import n_folds
from dxdask.parameters.assignments import with_assignments
from dxdask.pipeline import frames
from dxdask.pipeline.ensemble import process_plan
from dxdask.pipeline.plan import Plan
from dxdask.pipeline.process_parameters import (
    PROCESS,
    completed,
    process_parameters,
    steps_of_process,
)
from dxdask.storage.frames import lazy as lazy_module
from dxdask.storage.importers import read_runs
from dxdask.storage.store.store import Store


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("something is computed while the graph is built")


def in_blocks_of(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `images` in a block of frames; by default the small runs are one block each."""
    n_bytes = images * FRAME[0] * FRAME[1] * 2
    monkeypatch.setattr(lazy_module, "SMALL_BLOCK", n_bytes)
    monkeypatch.setattr(lazy_module, "USUAL_BLOCK", n_bytes)


def lazy(raw: list[Path], path: Path) -> tuple[Store, Plan]:
    parameters = with_assignments(process_parameters(), QUICK.items())
    sources = read_runs(raw, parameters)
    store = Store.create(path)
    prints = frames.fingerprints(sources, parameters)
    readers = frames.prepare(store, sources, prints, parameters)
    with dask.config.set(scheduler=refuse):
        return store, process_plan(store, sources, readers, prints, parameters)


def tasks_of(plan: Plan) -> dict[Any, Any]:
    graph: dict[Any, Any] = {}
    for task in plan.tasks:
        graph |= ensure_dict(task.dask)
    return dict(cull(graph, [t.key for t in plan.tasks])[0])


def test_building_computes_nothing(raw: list[Path], tmp_path: Path) -> None:
    store, plan = lazy(raw, tmp_path / "a.zarr")
    assert list(plan.commits) == list(STEPS)
    assert len(plan.finishes) == len(raw)
    assert store.runs == ()
    assert store.show()["steps"] == {}


def test_size_is_two_tasks_a_block_and_the_folds(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # one for find_spots, and one for integrate
    fixed = set()
    for images in (N_IMAGES, 7, 3, 2, 1):
        in_blocks_of(images, monkeypatch)
        blocks = -(-N_IMAGES // images)
        _, plan = lazy(raw, tmp_path / f"{images}.zarr")
        n_tasks = len(tasks_of(plan))
        fixed.add(n_tasks - len(raw) * (2 * blocks + 2 * n_folds(blocks, records=True)))
    assert len(fixed) == 1
    assert fixed.pop() <= 33 * len(raw)


def test_a_task_that_reads_is_small(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(1, monkeypatch)
    _, plan = lazy(raw, tmp_path / "a.zarr")
    of_blocks = [
        task
        for key, task in tasks_of(plan).items()
        if isinstance(key, tuple)
        and key[0].startswith(("find-spots-", "integrate-"))
        and not key[0].startswith("integrate-merge")
    ]
    assert len(of_blocks) == 2 * len(raw) * N_IMAGES
    assert max(len(pickle.dumps(task)) for task in of_blocks) < 3000


def test_frames_are_no_result_of_a_task(
    raw: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_blocks_of(3, monkeypatch)
    store, plan = lazy(raw, tmp_path / "a.zarr")
    seen = []

    def look(key: Any, result: Any, *_: Any) -> None:
        seen.append(key)
        if isinstance(result, np.ndarray):
            assert result.ndim < 3 or result.dtype == object, key

    with Callback(posttask=look), store.writing():
        dask.compute(*plan.tasks, scheduler="synchronous")
    assert len(seen) >= 2 * len(raw) * N_IMAGES / 3
    assert store.runs == ("tiny_1", "tiny_2", "tiny_3")
    assert list(store.show()["steps"]) == [
        "find_spots", "index", "refine", "integrate", "scale", "merge", "calibrate_detector",
        "histogram", "linearity",
    ]  # fmt: skip


def test_stored_results_are_not_in_the_graph(processed: Store, raw: list[Path]) -> None:
    parameters = with_assignments(process_parameters(), QUICK.items())
    sources = read_runs(raw, parameters)
    prints = frames.fingerprints(sources, parameters)
    assert frames.prepare(processed, sources, prints, parameters) == {}
    plan = process_plan(processed, sources, {}, prints, parameters)
    assert plan.found == list(STEPS)
    assert plan.tasks == []
    changed = with_assignments(parameters, [("scaling.model", "KB")])
    plan = process_plan(processed, sources, {}, prints, changed)
    assert list(plan.commits) == ["scale", "merge"]
    forced = with_assignments(parameters, [("force", True)])
    plan = process_plan(processed, sources, {}, prints, forced)
    assert list(plan.commits) == list(STEPS)
    assert all(isinstance(task, Delayed) for task in plan.tasks)


def test_one_run_has_no_linearity(raw: list[Path], tmp_path: Path) -> None:
    _, plan = lazy(raw[:1], tmp_path / "a.zarr")
    assert "linearity" not in plan.commits


def test_names_of_the_steps_of_process() -> None:
    assert tuple(n for n in PROCESS if n != "symmetry") == STEPS


@pytest.mark.parametrize(
    ("given", "n_runs", "expected"),
    [
        ({}, 1, True),
        ({"space_group": "P 4"}, 1, False),
        ({"space_group": "P 4"}, 3, False),
        ({"space_group": "P 4", "max_lattices": 2}, 1, True),
        ({"space_group": "P 4", "joint_indexing": False}, 3, True),
        ({"space_group": "P 4", "joint_indexing": "auto"}, 3, True),
        ({"space_group": "P 4", "joint_indexing": "auto"}, 1, False),
        ({"space_group": "P 4", "reference.reflections": "a.mtz"}, 1, True),
        ({"space_group": "P 4", "scaling.reference.reflections": "a.mtz"}, 1, False),
    ],
)
def test_symmetry_chooses_settings_of_a_given_space_group(
    given: dict[str, Any], n_runs: int, expected: bool
) -> None:
    parameters = completed(with_assignments(process_parameters(), given.items()))
    assert ("symmetry" in steps_of_process(parameters, n_runs)) == expected
    assert parameters.symmetry.known_space_group == given.get("space_group")


def test_one_reference_serves_symmetry_and_scaling() -> None:
    both = {"reference.reflections": "a.mtz", "scaling.reference.experiments": "b.zarr"}
    one = completed(with_assignments(process_parameters(), list(both.items())[:1]))
    assert one.symmetry.reference == one.scaling.reference == one.reference
    own = completed(with_assignments(process_parameters(), both.items()))
    assert own.symmetry.reference == own.reference != own.scaling.reference
    axes = [("reference.experiments", "a.expt")]
    crystal = completed(with_assignments(process_parameters(), axes))
    assert crystal.symmetry.reference.is_given
    assert not crystal.scaling.reference.is_given
