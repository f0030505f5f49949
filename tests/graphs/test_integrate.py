"""Integration as a graph: nothing computed in building it, and the same as in memory."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from support.frame_readers import Results, marked, n_tasks, refuse
from support.painted_frames import experiment, paint

from dxdask import integration
from dxdask.columns import Flag, has_flag
from dxdask.errors import ChunkError
from dxdask.graphs import integrate as graph
from dxdask.graphs.fold import n_folds
from dxdask.integration import IntegrationParameters
from dxdask.results import StepResult


@pytest.fixture(scope="module")
def painted():
    return paint(experiment(n_images=10))


@pytest.fixture(scope="module")
def in_memory(painted):
    return integration.integrate(painted.frames, painted.mask, painted.experiment)


def of_array(painted, chunk):
    return da.from_array(painted.frames, chunks=(chunk, -1, -1))


def of_reader(painted, chunk):
    return marked(painted.frames, chunk)


def assert_same(a: StepResult, b: StepResult):
    for name, values in b.reflections.items():
        np.testing.assert_array_equal(a.reflections[name], values, err_msg=name)
    assert [t.to_dict() for t in a.tables] == [t.to_dict() for t in b.tables]
    assert a.messages == b.messages


@pytest.mark.parametrize("make", [of_array, of_reader])
@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_any_chunks_give_the_result_in_memory(painted, in_memory, chunk, make):
    result = graph.integrate(make(painted, chunk), painted.mask, painted.experiment, fan_in=3)
    assert_same(result.compute(scheduler="threads", num_workers=2), in_memory)


@pytest.mark.parametrize("chunk", [1, 3, 10])
def test_building_computes_nothing_and_makes_the_tasks_documented(painted, chunk):
    frames = of_reader(painted, chunk)
    with dask.config.set(scheduler=refuse):
        result = graph.integrate(
            frames, painted.mask, delayed(painted.experiment, traverse=False), fan_in=3
        )
    n = frames.numblocks[0]
    # the last is the experiment
    assert n_tasks(result) == 6 + 2 + n + n_folds(n, 3, records=True) + 1


@pytest.mark.parametrize("make", [of_array, of_reader])
def test_no_task_returns_frames(painted, make):
    result = graph.integrate(make(painted, 2), painted.mask, painted.experiment)
    with dask.config.set(scheduler="synchronous"), Results() as seen:
        result.compute()
    assert len(seen.values) > 5
    assert not seen.frames


def test_models_and_predictions_may_still_be_to_come(painted, in_memory):
    parameters = IntegrationParameters()
    run = delayed(painted.experiment, traverse=False)
    predicted = graph.predict(run, parameters)
    frames = of_reader(painted, 4)
    assert_same(
        graph.integrate(frames, painted.mask, run, parameters, predicted=predicted).compute(),
        in_memory,
    )


def test_a_frame_that_cannot_be_read_is_a_problem_and_no_end(painted, in_memory):
    frames = marked(painted.frames, 3, bad=(4,))
    result = graph.integrate(frames, painted.mask, painted.experiment).compute()
    (problem,) = result.problems
    assert problem["run"] == "painted"
    assert problem["image"] == 9
    assert problem["step"] == "integrate"
    assert "truncated chunk" in problem["reason"]
    n = has_flag(result.reflections, Flag.INTEGRATED_SUM).sum()
    assert 0 < n < has_flag(in_memory.reflections, Flag.INTEGRATED_SUM).sum()


def test_frames_cut_along_the_panel_are_refused(painted):
    with pytest.raises(ChunkError):
        graph.integrate(
            da.from_array(painted.frames, chunks=(2, 100, -1)), painted.mask, painted.experiment
        )


@pytest.mark.parametrize("chunk", [1, 4, 10])
def test_the_background_of_the_run_is_that_in_memory(painted, chunk):
    given = IntegrationParameters.model_validate({"background": {"algorithm": "gmodel"}})
    expected = integration.integrate(
        painted.frames, painted.mask, painted.experiment, parameters=given
    )
    lazy = graph.integrate(
        of_reader(painted, chunk), painted.mask, painted.experiment, given, fan_in=3
    )
    assert_same(lazy.compute(scheduler="threads", num_workers=2), expected)
