"""Dark runs and calibrated frames as graphs: the same as in memory, one task a block."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
from dask import delayed
from numpy.typing import NDArray
from support.calibration_examples import RawRun, raw_run

from dxdask.calibration import (
    Calibration,
    CalibrationParameters,
    DarkParameters,
    calibration_of,
    correct,
    reduce_dark_run,
)
from dxdask.errors import ChunkError, InputError
from dxdask.graphs import calibrate as graph
from dxdask.graphs import dark as dark_graph
from dxdask.graphs.blocked import BlockedFrames
from dxdask.graphs.fold import n_folds
from dxdask.graphs.frames import frame_blocks


@dataclass(frozen=True)
class Reader:
    """Frames in memory; those in `bad` cannot be read."""

    frames: NDArray[Any]
    bad: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        n, slow, fast = self.frames.shape
        return n, slow, fast

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.frames.dtype

    def read(self, first: int, last: int) -> NDArray[Any]:
        if any(first <= i < last for i in self.bad):
            raise OSError("checksum of the chunk does not match")
        return self.frames[first:last]


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
        return BlockedFrames(Reader(frames), block)
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
    assert len(dict(task.dask)) == 2 * 10 + n_folds(10, dark_graph.FAN_IN) + 1


def test_dark_frames_that_cannot_be_read_are_left_out() -> None:
    frames = BlockedFrames(Reader(RUN.dark, bad=(3, 4)), 5)
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
    blocks = frame_blocks(frames)
    read = delayed(_sums, pure=True)
    tasks = [read(b, first) for b, first in blocks]
    keys = dict(dask.base.collections_to_expr(tasks).__dask_graph__())
    assert len(keys) <= 3 * len(blocks) + 2
    found = np.concatenate(dask.compute(*tasks, scheduler="threads"))
    assert np.array_equal(found, expected.sum(axis=(1, 2)))
    for handle in dask.compute(*[b for b, _ in blocks], scheduler="synchronous"):
        one = pickle.loads(pickle.dumps(handle))
        assert np.array_equal(one.read(), expected[one.first : one.first + len(one)])


def _sums(block: Any, first: int) -> NDArray[Any]:
    return np.asarray(block.read().sum(axis=(1, 2)))


def test_the_calibration_is_in_the_graph_once() -> None:
    frames = graph.calibrate(lazy(RUN.frames, 1, "reader"), made())
    whole = {k: v for k, v in frames.dask.items() if not isinstance(k, tuple)}
    assert len(whole) == 1
    assert len(frames.dask) == 12 + 1
    tasks = {k: v for k, v in frames.dask.items() if isinstance(k, tuple)}
    assert len(pickle.dumps(tasks)) < 100 * len(tasks) + 2000


def test_names_tell_calibrations_and_parameters_apart() -> None:
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
    frames = BlockedFrames(Reader(RUN.frames, bad=(6,)), 4)
    blocks = frame_blocks(graph.calibrate(frames, calibration))
    handle = dask.compute(blocks[1][0], scheduler="synchronous")[0]
    values, reasons = handle.read_all_it_can()
    assert list(reasons) == [2]
    expected = correct(RUN.frames[4:8], calibration)
    expected[2] = 0
    assert np.array_equal(values, expected)


def test_chunks_that_cut_frames_are_refused() -> None:
    cut = da.from_array(RUN.frames, chunks=(4, 32, -1))
    with pytest.raises(ChunkError, match="rechunk"):
        graph.calibrate(cut, made())
    with pytest.raises(ChunkError, match="rechunk"):
        dark_graph.pedestal(cut, RUN.detector)
