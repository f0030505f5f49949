"""Parameters of a cluster: accepted and refused values."""

from __future__ import annotations

from pathlib import Path

import pytest

from dxdask.cluster.limits import (
    _group_limits,
    available_cores,
    available_memory,
    memory_in_bytes,
    require_memory,
)
from dxdask.cluster.parameters import QUEUES, ClusterParameters, kind_of
from dxdask.errors import MemoryBudgetError, ParameterError


@pytest.mark.parametrize("kind", ["threads", "local", "synchronous", *QUEUES])
def test_kinds_by_name(kind: str) -> None:
    assert kind_of(ClusterParameters(kind=kind)) == kind


def test_kinds_by_form() -> None:
    assert kind_of(ClusterParameters(kind="tcp://127.0.0.1:8786")) == "address"
    assert kind_of(ClusterParameters(kind="site/slurm.yaml")) == "file"
    with pytest.raises(ParameterError, match="slurn is not known"):
        kind_of(ClusterParameters(kind="slurn"))


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        ("threads", {"jobs": 3}, "cluster.jobs"),
        ("local", {"queue": "fast"}, "cluster.queue"),
        ("tcp://host:8786", {"cores": 3}, "cluster.cores"),
        ("htcondor", {"walltime": "1:00"}, "cluster.walltime"),
    ],
)
def test_unused_parameters_are_refused(kind: str, values: dict[str, object], name: str) -> None:
    with pytest.raises(ParameterError, match=name):
        kind_of(ClusterParameters.model_validate({"kind": kind, **values}))


def test_memory_is_read_and_nonsense_refused() -> None:
    assert memory_in_bytes("16GB") == 16 * 10**9
    assert memory_in_bytes("1GiB") == 2**30
    for text in ("much", "-3GB", "0"):
        with pytest.raises(ParameterError, match="amount of memory"):
            memory_in_bytes(text)


def test_limits_of_nested_control_groups_count(tmp_path: Path) -> None:
    for folder, text in (("", "max"), ("slurm", "8000000000"), ("slurm/job_1", "2000000000")):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "memory.max").write_text(text + "\n")
    found = _group_limits("", "/slurm/job_1/step_0", root=tmp_path)
    assert min(found) == 2_000_000_000
    old = tmp_path / "memory" / "job"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("3000000000")
    assert _group_limits("memory", "/job", root=tmp_path) == [3_000_000_000]
    assert available_memory() > 10**8
    assert available_cores() >= 1


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("threads", r"fewer cluster\.cores \(1 a worker\)$"),
        ("slurm", r"fewer cluster\.cores \(1 a worker\), or more cluster\.memory$"),
        ("address", "workers with more memory$"),
    ],
)
def test_work_that_does_not_fit_is_refused_before_it_starts(kind: str, advice: str) -> None:
    task = 2 * 10**9
    require_memory("find_spots", task, kind=kind, threads=2, worker_bytes=8 * 10**9)
    with pytest.raises(MemoryBudgetError, match=advice):
        require_memory("find_spots", task, kind=kind, threads=2, worker_bytes=4 * 10**9)
    with pytest.raises(MemoryBudgetError, match=r"^find_spots: .* fewer images a block"):
        require_memory("find_spots", task, kind=kind, threads=1, worker_bytes=10**9)
