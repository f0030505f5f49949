"""Dark runs and calibrated frames as graphs: the same as in memory, one task a block."""

from __future__ import annotations

import pickle
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask.utils import ensure_dict
from numpy.typing import NDArray
from support.calibration_examples import RawRun, raw_run
from support.frame_readers import Results, marked, n_tasks

from dxdask.calibration import (
    Calibration,
    CalibrationParameters,
    DarkParameters,
    calibration_of,
    correct,
    reduce_dark_run,
)
from dxdask.errors import ChunkError, InputError
from dxdask.frame_block import unreadable_frames
from dxdask.graphs import calibrate as graph
from dxdask.graphs import dark as dark_graph
from dxdask.graphs.blocks import Block, map_frames
from dxdask.graphs.fold import n_folds

RUN = raw_run(n_dark=20)


def made(run: RawRun = RUN) -> Calibration:
    dark = reduce_dark_run(run.dark, run.detector)
    return calibration_of(
        run.detector,
        run.pedestal.shape,
        pedestal=dark.pedestal,
        noise=dark.noise,
        bad=dark.reasons > 0,
        n_dark=len(dark.frames),
    )


def lazy(frames: NDArray[Any], block: int, kind: str) -> Any:
    if kind == "reader":
        return marked(frames, block)
    return da.from_array(frames, chunks=(block, -1, -1))


def same(one: Any, other: Any) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one[:5], other[:5], strict=True)) and list(
        one.table.rows
    ) == list(other.table.rows)


@pytest.mark.parametrize("kind", ["reader", "array"])
@pytest.mark.parametrize("block", [1, 3, 7, 20])
def test_a_dark_run_is_reduced_as_in_memory(block: int, kind: str) -> None:
    frames = RUN.dark.copy()
    frames[5], frames[11] = RUN.frames[0], 0
    expected = reduce_dark_run(frames, RUN.detector)
    assert expected.rejected.tolist() == [5, 11]
    task = dark_graph.pedestal(lazy(frames, block, kind), RUN.detector)
    assert same(dask.compute(task, scheduler="threads")[0], expected)


def test_the_tasks_of_a_dark_run() -> None:
    frames = lazy(RUN.dark, 2, "reader")
    task = dark_graph.pedestal(frames, RUN.detector)
    n = n_folds(10, dark_graph.FAN_IN, records=True)
    assert n_tasks(task) == 4 + 2 + 10 + n


def test_dark_frames_that_cannot_be_read_are_left_out() -> None:
    frames = marked(RUN.dark, 5, bad=(3, 4))
    found = dask.compute(dark_graph.pedestal(frames, RUN.detector), scheduler="synchronous")[0]
    expected = reduce_dark_run(np.delete(RUN.dark, [3, 4], axis=0), RUN.detector)
    assert np.array_equal(found.pedestal, expected.pedestal)
    assert 3 not in found.frames
    with pytest.raises(InputError, match="18 usable frames"):
        dask.compute(
            dark_graph.pedestal(frames, RUN.detector, DarkParameters(min_frames=19)),
            scheduler="synchronous",
        )


@pytest.mark.parametrize("kind", ["reader", "array"])
@pytest.mark.parametrize("block", [1, 5, 12])
@pytest.mark.parametrize("output", ["photons", "adu"])
def test_frames_are_corrected_where_they_are_read(block: int, kind: str, output: str) -> None:
    parameters = CalibrationParameters.model_validate({"output": output})
    calibration = made()
    expected = correct(RUN.frames, calibration, parameters)
    frames = graph.calibrate(lazy(RUN.frames, block, kind), calibration, parameters)
    assert frames.shape == RUN.frames.shape
    assert frames.dtype == expected.dtype
    records = map_frames(_sums, frames, [], label="sums")
    assert n_tasks(records[0]) <= 1 + 3 + 1
    with Results() as seen:
        found = dask.compute(*records, scheduler="synchronous")
    assert not seen.frames
    assert np.array_equal(np.concatenate([r.item() for r in found]), expected.sum(axis=(1, 2)))
    assert np.array_equal(frames.compute(scheduler="threads"), expected)


def _sums(block: Block) -> NDArray[Any]:
    return np.asarray(block.frames.sum(axis=(1, 2)))


def test_the_calibration_is_in_the_graph_once() -> None:
    frames = graph.calibrate(lazy(RUN.frames, 1, "reader"), made())
    records = map_frames(_sums, frames, [], label="sums")
    whole = ensure_dict(records[0].dask)
    # calibration, reader, its memory, first frames
    assert len([k for k in whole if not isinstance(k, tuple)]) == 4
    tasks = [v for k, v in whole.items() if isinstance(k, tuple)]
    assert len(tasks) == 12
    assert len(pickle.dumps(tasks)) < 1000 * len(tasks) + 2000


def test_names_differ_between_calibrations_and_parameters() -> None:
    frames, calibration = lazy(RUN.frames, 4, "reader"), made()
    other = calibration_of(RUN.detector, RUN.pedestal.shape)
    adu = CalibrationParameters(output="adu")
    names = {
        graph.calibrate(frames, calibration).name,
        graph.calibrate(frames, calibration, adu).name,
        graph.calibrate(frames, other).name,
    }
    assert len(names) == 3
    assert graph.calibrate(frames, made()).name in names


def test_a_frame_that_cannot_be_read_costs_one_frame() -> None:
    calibration = made()
    frames = graph.calibrate(marked(RUN.frames, 4, bad=(6,)), calibration)
    values = frames.to_delayed()[1, 0, 0].compute(scheduler="synchronous")
    assert list(unreadable_frames(values)) == [2]
    expected = correct(RUN.frames[4:8], calibration)
    expected[2] = 0
    assert np.array_equal(values, expected)


def test_chunks_that_cut_frames_are_refused() -> None:
    cut = da.from_array(RUN.frames, chunks=(4, 32, -1))
    with pytest.raises(ChunkError, match="rechunk"):
        graph.calibrate(cut, made())
    with pytest.raises(ChunkError, match="rechunk"):
        dark_graph.pedestal(cut, RUN.detector)
