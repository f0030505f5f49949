"""Work on frames that do not fit a worker is refused before anything is computed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from ensemble_example import FRAME, N_IMAGES, QUICK

import dxdask
from dxdask.cluster.client import Cluster
from dxdask.errors import MemoryBudgetError
from dxdask.graphs.frames import frame_blocks
from dxdask.models import Beam, Detector, Experiment, Panel, Scan
from dxdask.pipeline import ensemble
from dxdask.pipeline.memory import frame_task_bytes, require_memory
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.parts import spots_of_block
from dxdask.storage.store import Store

TASK = frame_task_bytes((N_IMAGES, *FRAME), 2)


class Idle(Cluster):
    """A place where nothing may be computed."""

    def compute(self, *_: Any, **__: Any) -> list[Any]:
        raise AssertionError("something was computed")


@pytest.fixture
def too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_cluster(_: Any) -> Iterator[Cluster]:
        yield Idle(kind="slurm", description="", threads=2, worker_bytes=TASK)

    monkeypatch.setattr(ensemble, "open_cluster", open_cluster)


def test_the_largest_block_counts() -> None:
    few, many = (da.zeros((20, 1000, 1000), chunks=(n, -1, -1), dtype="u2") for n in (2, 10))
    needed = frame_task_bytes((10, 1000, 1000), 2)
    enough = Cluster(kind="threads", description="", threads=3, worker_bytes=5 * needed)
    require_memory(enough, "integrate", [few, many])
    require_memory(enough, "integrate", [])
    tight = Cluster(kind="threads", description="", threads=3, worker_bytes=4 * needed)
    require_memory(tight, "integrate", [few])
    with pytest.raises(MemoryBudgetError, match=r"integrate: .*images_per_chunk"):
        require_memory(tight, "integrate", [few, many])


@pytest.mark.usefixtures("too_small")
def test_import_and_process_refuse_frames_that_do_not_fit(raw: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MemoryBudgetError, match=r"import: .*more cluster\.memory"):
        dxdask.import_(raw, tmp_path / "imported.zarr")
    with pytest.raises(MemoryBudgetError, match=r"find_spots: .*fewer images a block"):
        dxdask.process(raw, tmp_path / "all.zarr", show=dxdask.quiet, **QUICK)
    assert Store.open(tmp_path / "all.zarr").runs == ()


@pytest.mark.usefixtures("too_small")
def test_a_step_that_reads_frames_refuses_those_that_do_not_fit(processed: Store) -> None:
    path = processed.path
    with pytest.raises(MemoryBudgetError, match="find_spots"):
        dxdask.find_spots(path, show=dxdask.quiet, min_spot_size=4)
    with pytest.raises(AssertionError, match="was computed"):  # which reads none
        dxdask.merge(path, show=dxdask.quiet, nbins=3)


@pytest.mark.parametrize("images", [1, 6])
def test_spot_finding_takes_no_more_than_is_foreseen(images: int) -> None:
    shape = (images, 1000, 1100)
    counts = np.random.default_rng(7).poisson(2.0, shape).astype(np.uint16)
    detector = Detector(panels=(Panel(image_size=(1100, 1000)),))
    scan = Scan(image_range=(1, images), oscillation=(0.0, 0.1))
    models = Experiment(identifier="", run="run", beam=Beam(), detector=detector, scan=scan)
    masks = (np.ones(shape[1:], np.bool_),)
    frames = da.from_array(counts, chunks=shape)
    block = frame_blocks(frames)[0][0].compute(scheduler="synchronous")

    def find() -> None:
        whole = np.array(block.read())
        spots_of_block(
            (FramePiece(0, whole),), models, masks, SpotfinderParameters(), first_z=0,
            n_frames=images,
        )  # fmt: skip

    find()
    tracemalloc.start()
    try:
        find()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < frame_task_bytes(shape, 2) - 100_000_000
