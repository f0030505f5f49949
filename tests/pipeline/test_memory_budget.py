"""Work on frames that do not fit a worker is refused before anything is computed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
from support.ensemble_example import FRAME, N_IMAGES, QUICK
from support.painted_frames import experiment, paint

import dxdask
from dxdask.analysis import BadPixelParameters
from dxdask.analysis.bad_pixels import EvidenceOfRun, RunEvidence, combine_evidence
from dxdask.arrays import sum_of_records
from dxdask.cluster.client import Cluster
from dxdask.errors import MemoryBudgetError
from dxdask.graphs import bad_pixels
from dxdask.graphs.integrate import BACKGROUND_FAN_IN
from dxdask.integration import IntegrationParameters
from dxdask.integration.background_shape import (
    BackgroundSums,
    sum_background,
    with_background_shape,
)
from dxdask.integration.context import integration_context
from dxdask.models import Beam, Detector, Experiment, Panel, Scan
from dxdask.pipeline import ensemble, step
from dxdask.pipeline.memory import frame_task_bytes, require_memory
from dxdask.pipeline.steps import integrate as integrate_step
from dxdask.pipeline.steps.find_bad_pixels import STEP
from dxdask.spotfinding import SpotfinderParameters
from dxdask.spotfinding.extract import FramePiece
from dxdask.spotfinding.parts import spots_of_block
from dxdask.storage.store.store import Store

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
    monkeypatch.setattr(step, "open_cluster", open_cluster)


def peak_of(function: Callable[[], Any]) -> int:
    """Return the most bytes that a function has allocated at a time."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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

    def find() -> None:
        whole = counts.copy()
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


def test_a_block_of_bad_pixels_takes_no_more_than_is_counted() -> None:
    """Sums of 18 bytes a pixel, the threshold's workspace, and one frame with an edge."""
    shape = (4, 1000, 1200)
    frames = np.random.default_rng(0).poisson(1.0, shape).astype(np.uint16)
    experiment = Experiment(
        identifier="made-up",
        run="run",
        beam=Beam(),
        detector=Detector(panels=(Panel(image_size=(1200, 1000)),)),
        scan=Scan(image_range=(1, 4)),
    )
    mask = np.ones(shape[1:], bool)

    def add() -> RunEvidence:
        adder = EvidenceOfRun(experiment, mask, BadPixelParameters(), frames.dtype, 4)
        adder.add(frames, 0, range(4))
        return adder.result()

    part = add()
    sums = sum(a.nbytes for p in part.panels for a in (p.counts, p.total, p.constant))
    assert sums == 18 * frames[0].size
    assert peak_of(add) < 54 * frames[0].size
    combine_evidence([part] * 2)  # compiled before it is measured
    # beside the three that are given
    assert peak_of(lambda: combine_evidence([part] * bad_pixels.FAN_IN)) < 1.01 * sums
    assert frame_task_bytes((1, 1, 1), 0, 18 * (bad_pixels.FAN_IN + 1)) == 72 + 100_000_000
    tight = Cluster(kind="threads", description="", threads=1, worker_bytes=480_000_000)
    lazy = da.from_array(np.zeros((1, 1, 1), "u2")).map_blocks(
        lambda _: frames, chunks=((4,), (2000,), (2000,)), dtype="u2"
    )
    require_memory(tight, "find_spots", [lazy])
    nothing: Any = SimpleNamespace()
    with pytest.raises(MemoryBudgetError, match="find_bad_pixels"):
        require_memory(tight, "find_bad_pixels", [lazy], STEP.bytes_per_pixel_of(nothing))


@pytest.mark.jit
def test_the_background_of_a_run_is_counted() -> None:
    """Measured peaks of a block's sums, of adding them up and of the shape, beside the budget."""
    painted = paint(experiment(n_images=3))
    given = IntegrationParameters.model_validate({"background": {"algorithm": "gmodel"}})
    values: Any = SimpleNamespace(integration=given)
    budget = integrate_step.STEP.bytes_per_pixel_of(values)
    context = integration_context(painted.predicted, painted.experiment, given)
    frames, detector = painted.frames.astype(np.uint16), painted.experiment.detector

    def add() -> BackgroundSums:
        return sum_background(frames, 0, context, painted.mask, detector)

    part = add()
    parts = [part] * BACKGROUND_FAN_IN
    held = 12 * frames[0].size
    assert part.counts.nbytes + part.n.nbytes == held
    assert peak_of(add) < budget * frames[0].size
    sum_of_records(parts)
    assert peak_of(lambda: sum_of_records(parts)) + len(parts) * held < budget * frames[0].size
    with_background_shape(context, part, painted.experiment)
    peak = peak_of(lambda: with_background_shape(context, part, painted.experiment)) + held
    assert 0.9 * budget < peak / frames[0].size < budget
    plain: Any = SimpleNamespace(integration=IntegrationParameters())
    assert integrate_step.STEP.bytes_per_pixel_of(plain) == 24
