"""An export for DIALS that is imported again is the same, whatever columns there are."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.processed_files import experiment, reflections

from dxdask.columns import concatenate, select
from dxdask.models import ExperimentList
from dxdask.storage.exporters.dials import write_experiments, write_reflections
from dxdask.storage.importers import read_runs

OPTIONAL = ["entering", "zeta", "qe", "bbox", "rlp", "d", "background_mean", "n_background"]


@settings(max_examples=25, deadline=None)
@given(
    step=st.sampled_from(["find_spots", "index", "integrate", "scale"]),
    left_out=st.sets(st.sampled_from(OPTIONAL)),
    n=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    seed=st.integers(0, 1000),
)
def test_export_and_import(step: str, left_out: set[str], n: list[int], seed: int) -> None:
    models = ExperimentList.of([experiment(f"run_{chr(97 + i)}") for i in range(len(n))])
    tables = [
        select(reflections(step, seed=seed + i, index=i), np.arange(7 * i, 7 * i + k))
        for i, k in enumerate(n)
    ]
    table = {k: v for k, v in concatenate(tables).items() if k not in left_out}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.expt"
        write_experiments(path, models)
        write_reflections(path.with_suffix(".refl"), table, models)
        runs = read_runs([path.with_suffix(".refl"), path])
    assert [run.name for run in runs] == [f"run_{chr(97 + i)}" for i in range(len(n))]
    for i, run in enumerate(runs):
        found = run.results[-1]
        assert found.step == step
        assert [e.identifier for e in found.experiments] == [f"id-of-{run.name}"]
        mine = np.flatnonzero(table["experiment"] == i)
        for name, values in table.items():
            if name != "experiment":
                np.testing.assert_allclose(
                    found.reflections[name], values[mine], rtol=1e-14, err_msg=name
                )
