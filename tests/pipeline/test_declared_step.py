"""A step declared in one file: its command, function, storage, history, staleness, progress."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support.store_examples import frames, write_run

import dxdask
from dxdask.cli.main import run as run_command
from dxdask.errors import InputError
from dxdask.pipeline import steps
from dxdask.storage.store.store import Store

TOY = '''
"""Sums of counts of each run."""
from collections.abc import Mapping

import numpy as np
from dask.delayed import delayed

from dxdask.models import ExperimentList
from dxdask.parameters import Parameters, parameter
from dxdask.pipeline.declaration import Step
from dxdask.results import StepResult
from dxdask.tables import Table


class ToyParameters(Parameters):
    """Parameters of the step."""

    factor: int = parameter(1, "Factor of the sums.")


def parameters() -> Mapping[str, Parameters]:
    return {"toy": ToyParameters()}


def build(inputs):
    run = inputs.run
    return delayed(_sum)(inputs.frames().sum(), run.experiment, inputs.parameters)


def _sum(total, experiment, given):
    row = {"run": experiment.run, "total": int(total) * given.toy.factor}
    return StepResult(
        experiments=ExperimentList.of([experiment]),
        reflections={},
        arrays={"total": np.array([row["total"]])},
        tables=(Table(name="totals", title="Totals", rows=[row]),),
    )


STEP = Step(
    name="toy", title="Sum the counts of each run.", parameters=parameters, build=build,
    scope="run", reads_frames=True,
)
'''
NEXT = '''
"""Sum over the runs."""
from dask.delayed import delayed

from dxdask.pipeline.declaration import Step
from dxdask.results import StepResult


def build(inputs):
    return delayed(_sum)(inputs.results["toy"])


def _sum(toy):
    return StepResult(
        experiments=toy.experiments(), reflections={}, arrays={"all": toy.arrays()["total"].sum()}
    )


STEP = Step(name="toy_total", title="Sum over the runs.", parameters=dict, build=build,
            needs=("toy",))
'''


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[Store]:
    """Return a store of two runs, while two steps more are declared."""
    folder = tmp_path / "declared"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    (folder / "toy_total.py").write_text(NEXT)
    steps.__path__.append(str(folder))
    store = Store.create(tmp_path / "toy.zarr")
    for run in ("a", "b"):
        write_run(store, run, frames(seed=ord(run)))
    yield store
    steps.__path__.remove(str(folder))
    for name in ("toy", "toy_total"):
        sys.modules.pop(f"dxdask.pipeline.steps.{name}", None)


def test_function_result_and_storage(toy: Store) -> None:
    dxdask.toy(toy, factor=2, cluster="synchronous")
    expected = [2 * int(np.asarray(toy.frames(run)).sum()) for run in ("a", "b")]
    assert toy.arrays("toy")["total"].tolist() == expected
    assert toy.arrays("toy", run="b")["total"].tolist() == expected[1:]
    assert toy.table("toy", "totals")["total"].tolist() == expected
    assert "toy" in dir(dxdask)


def test_same_input_is_not_computed_again(toy: Store) -> None:
    dxdask.toy(toy, cluster="synchronous")
    first = toy.manifest("toy").id
    dxdask.toy(toy, cluster="synchronous")
    assert toy.manifest("toy").id == first
    dxdask.toy(toy, factor=3, cluster="synchronous")
    assert toy.manifest("toy").id != first
    assert [e["step"] for e in toy.history()] == ["toy", "toy"]


def test_one_run_more(toy: Store) -> None:
    dxdask.toy(toy, cluster="synchronous")
    before = {run: entry.id for run, entry in toy.manifest("toy").runs.items()}
    write_run(toy, "c", frames(seed=3))
    dxdask.toy(toy, cluster="synchronous")
    after = {run: entry.id for run, entry in toy.manifest("toy").runs.items()}
    assert {run: after[run] for run in before} == before
    assert list(after) == ["a", "b", "c"]


def test_runs_are_chosen(toy: Store) -> None:
    dxdask.toy(toy, runs=("a",), cluster="synchronous")
    assert list(toy.manifest("toy").runs) == ["a"]
    dxdask.toy(toy, factor=5, runs=("b",), cluster="synchronous")
    assert list(toy.manifest("toy").runs) == ["a", "b"]


def test_command_and_progress(toy: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["toy", "-c"]) == 0
    assert "toy.factor = 1" in capsys.readouterr().out
    assert run_command(["toy", str(toy.path), "factor=2", "cluster=synchronous"]) == 0
    assert "Totals" in capsys.readouterr().out
    assert run_command(["show", str(toy.path), "toy", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["steps"]["toy"]["parameters"]["toy"] == {"factor": 2}


def test_stale_results_are_refused_with_the_command_that_renews_them(
    toy: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    dxdask.toy(toy, factor=2, cluster="synchronous")
    dxdask.toy_total(toy, cluster="synchronous")
    mask = np.ones(toy.mask("a").shape, bool)
    mask[0, 0] = False
    np.save(toy.path.parent / "mask.npy", mask)
    dxdask.apply_mask(toy, mask=str(toy.path.parent / "mask.npy"), cluster="synchronous")
    with pytest.raises(InputError, match=r"dxdask toy \S+ toy.factor=2"):
        dxdask.toy_total(toy, cluster="synchronous")
    assert run_command(["show", str(toy.path)]) == 0
    assert "stale" in capsys.readouterr().out


def test_a_branch_takes_missing_steps_from_main(toy: Store) -> None:
    dxdask.toy(toy, cluster="synchronous")
    dxdask.toy_total(toy, branch="other", cluster="synchronous")
    other = toy.on_branch("other")
    assert other.arrays("toy_total")["all"] == toy.arrays("toy")["total"].sum()
    assert not toy.has_step("toy_total")
    dxdask.toy(other, factor=4, cluster="synchronous")
    assert (other.arrays("toy")["total"] == 4 * toy.arrays("toy")["total"]).all()
