"""Small experiments, results and runs to put into stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask import columns
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    GaussianProfile,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.results import StepResult
from dxdask.storage.store.run_writer import RunWriter
from dxdask.storage.store.store import Store
from dxdask.tables import Table

FRAME = (5, 7)


def experiment(run: str = "run1", n_images: int = 6, crystal: Crystal | None = None) -> Experiment:
    panel = Panel(image_size=(FRAME[1], FRAME[0]), trusted_range=(-1.0, float("inf")))
    return Experiment(
        identifier=f"{run}-id",
        run=run,
        beam=Beam(wavelength=0.9795, transmission=0.5),
        detector=Detector(panels=(panel,)),
        goniometer=Goniometer(),
        scan=Scan(image_range=(1, n_images), oscillation=(0.0, 0.1)),
        crystal=crystal,
        profile=GaussianProfile(sigma_b=0.001, sigma_m=0.002) if crystal else None,
    )


def experiments(*runs: str) -> ExperimentList:
    crystal = Crystal.from_cell((78.0, 78.0, 78.0, 90.0, 90.0, 90.0), space_group="I 21 3")
    return ExperimentList.of([experiment(run, crystal=crystal) for run in runs])


def reflections(n_experiments: int = 2, n: int = 40, seed: int = 0) -> columns.Reflections:
    rng = np.random.default_rng(seed)
    return {
        "experiment": np.sort(rng.integers(0, n_experiments, n)).astype(np.int32),
        "hkl": rng.integers(-20, 20, (n, 3)).astype(np.int32),
        "flags": rng.integers(0, 2**26, n).astype(np.uint32),
        "entering": rng.random(n) < 0.5,
        "x": rng.normal(size=n),
        "s1": rng.normal(size=(n, 3)),
    }


def result(seed: int = 0, runs: tuple[str, ...] = ("run1", "run2")) -> StepResult:
    rows = [{"run": r, "n_indexed": 10 + seed, "percent": 99.5} for r in runs]
    return StepResult(
        experiments=experiments(*runs),
        reflections=reflections(len(runs), seed=seed),
        arrays={
            "offsets": np.array([0, 2, 5], dtype=np.int64),
            "profile": np.ones((3, 4, 5), np.float32),
        },
        tables=(
            Table(
                name="imagesets",
                title="Indexed",
                rows=rows,
                headings={"percent": ("% indexed", ".1f")},
            ),
        ),
        messages=("a line", "Å and ∞"),
        problems=({"run": "run1", "image": 3, "step": "index", "reason": "all masked"},),
    )


def assert_same(left: StepResult, right: StepResult) -> None:
    assert left.experiments == right.experiments
    for a, b in ((left.reflections, right.reflections), (left.arrays, right.arrays)):
        assert list(a) == list(b)
        for name, values in a.items():
            assert values.dtype == b[name].dtype
            assert values.shape == b[name].shape
            assert values.tobytes() == b[name].tobytes(), name
    assert [t.to_dict() for t in left.tables] == [t.to_dict() for t in right.tables]
    assert left.messages == right.messages
    assert [dict(p) for p in left.problems] == [dict(p) for p in right.problems]


def frames(n_images: int = 6, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).poisson(3, (n_images, *FRAME)).astype(dtype)


def begin_run(store: Store, run: str, images: NDArray[Any], **others: Any) -> RunWriter:
    return store.create_run(
        run,
        experiment(run, len(images)),
        n_images=len(images),
        shape=images.shape[1:],
        dtype=images.dtype,
        **others,
    )


def write_run(store: Store, run: str, images: NDArray[Any], **others: Any) -> None:
    with store.writing():
        writer = begin_run(store, run, images, **others)
        for first, last in writer.pending:
            writer.write(first, images[first:last])
        writer.finish()


def new_store(folder: Path) -> Store:
    return Store.create(folder / "ensemble.zarr")


def edit(array: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the metadata of an array or a group."""
    file = array / "zarr.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
