"""Integration as a graph: nothing computed in building it, and the same as in memory."""

from __future__ import annotations

import io
import pickle

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from support.painted_frames import experiment, paint

from dxdask import integration
from dxdask.columns import Flag, has_flag
from dxdask.errors import ChunkError
from dxdask.graphs import frames as frames_module
from dxdask.graphs import integrate as graph
from dxdask.graphs.fold import n_folds
from dxdask.integration import IntegrationParameters
from dxdask.models import ExperimentList
from dxdask.results import StepResult


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(n_images=10))


@pytest.fixture(scope="module")
def in_memory(painted):
    return integration.integrate(painted.frames, painted.mask, painted.experiment)


def lazy_frames(painted, chunk):
    return da.from_array(painted.frames, chunks=(chunk, -1, -1))


def refuse(*_args, **_kwargs):
    raise RuntimeError("computed while the graph was built")


def assert_same(a: StepResult, b: StepResult):
    for name, values in b.reflections.items():
        np.testing.assert_array_equal(a.reflections[name], values, err_msg=name)
    assert [t.to_dict() for t in a.tables] == [t.to_dict() for t in b.tables]
    assert a.messages == b.messages


@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_any_chunks_give_what_memory_gives(painted, in_memory, chunk):
    result = graph.integrate(
        lazy_frames(painted, chunk), painted.mask, painted.experiment, fan_in=3
    )
    assert_same(result.compute(scheduler="threads", num_workers=2), in_memory)


@pytest.mark.parametrize("chunk", [1, 3, 10])
def test_building_computes_nothing_and_costs_what_it_says(painted, chunk):
    frames = lazy_frames(painted, chunk)
    with dask.config.set(scheduler=refuse):
        result = graph.integrate(
            frames, painted.mask, delayed(painted.experiment, traverse=False), fan_in=3
        )
    n = frames.numblocks[0]
    own = set(result.__dask_graph__()) - set(frames.__dask_graph__())
    assert len(own) == 5 + 2 * n + n_folds(n, 3) + 1  # the last is the experiment


class ArrayShapes(pickle.Pickler):
    """Pickler that keeps the shapes of the arrays an object holds, at any depth."""

    def __init__(self):
        super().__init__(io.BytesIO(), protocol=5, buffer_callback=lambda _: None)
        self.shapes = []

    def reducer_override(self, obj):
        if isinstance(obj, np.ndarray):
            self.shapes.append(obj.shape)
        return NotImplemented


def test_frames_are_returned_by_no_task_but_those_that_read_them(painted):
    frames = lazy_frames(painted, 2)
    result = graph.integrate(frames, painted.mask, painted.experiment)
    results = []

    class Watch(dask.callbacks.Callback):
        def _posttask(self, key, value, dsk, state, worker_id):
            arrays = ArrayShapes()
            arrays.dump(value)
            results.append(arrays.shapes)

    with Watch():
        result.compute(scheduler="synchronous")
    assert [painted.mask.shape] in results
    stacks = [
        [s for s in shapes if len(s) > 2 and s[-2:] == frames.shape[1:]] for shapes in results
    ]
    assert sum(len(found) for found in stacks) <= frames.numblocks[0]
    assert all(shape[0] == 2 for found in stacks for shape in found)


def test_models_and_predictions_may_still_be_to_come(painted, in_memory):
    asked = IntegrationParameters()
    run = delayed(painted.experiment, traverse=False)
    predicted = graph.predict(run, asked)
    frames = lazy_frames(painted, 4)
    assert_same(
        graph.integrate(frames, painted.mask, run, asked, predicted=predicted).compute(), in_memory
    )


def test_a_frame_that_cannot_be_read_is_a_problem_and_no_end(painted, in_memory):
    def read(block, block_info=None):
        first = block_info[0]["array-location"][0][0]
        if first == 4:
            raise OSError("truncated chunk")
        return block

    frames = lazy_frames(painted, 1).map_blocks(
        read, dtype=painted.frames.dtype, meta=np.empty((0, 0, 0), np.uint16)
    )
    result = graph.integrate(frames, painted.mask, painted.experiment).compute()
    (problem,) = result.problems
    assert problem["run"] == "painted"
    assert problem["image"] == 9
    assert problem["step"] == "integrate"
    assert "truncated chunk" in problem["reason"]
    n = has_flag(result.reflections, Flag.INTEGRATED_SUM).sum()
    assert 0 < n < has_flag(in_memory.reflections, Flag.INTEGRATED_SUM).sum()


def test_runs_are_put_together(painted, in_memory):
    experiments = ExperimentList.of([painted.experiment, painted.experiment])
    runs = [
        graph.integrate(lazy_frames(painted, 5), painted.mask, experiments[i], experiment_index=i)
        for i in range(2)
    ]
    both = graph.combine(runs, experiments).compute()
    n = len(in_memory.reflections["d"])
    np.testing.assert_array_equal(both.reflections["experiment"], np.repeat([0, 1], n))
    np.testing.assert_array_equal(both.reflections["hkl"][n:], in_memory.reflections["hkl"])
    assert len(both.table("summary").rows) == 2
    assert both.experiments == experiments


def test_frames_cut_along_the_panel_are_refused(painted):
    with pytest.raises(ChunkError):
        graph.integrate(
            da.from_array(painted.frames, chunks=(2, 100, -1)), painted.mask, painted.experiment
        )


@pytest.mark.parametrize("piece", [0, 1 << 25])
def test_groups_of_blocks_give_what_memory_gives(painted, in_memory, piece, monkeypatch):
    monkeypatch.setattr(frames_module, "FEW_TASKS", 3)
    monkeypatch.setattr(frames_module, "MANY_TASKS", 3)
    monkeypatch.setattr(graph, "PIECE_BYTES", piece)
    lazy = graph.integrate(lazy_frames(painted, 1), painted.mask, painted.experiment)
    assert_same(lazy.compute(scheduler="threads"), in_memory)
