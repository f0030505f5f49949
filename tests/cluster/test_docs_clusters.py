"""The examples of docs/clusters.md agree with dxdask."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import dask.array as da
import pytest
from support.paths import ROOT

from dxdask.cluster.client import Cluster
from dxdask.cluster.configuration import profile
from dxdask.cluster.jobqueue import script
from dxdask.cluster.parameters import QUEUES, ClusterParameters, kind_of
from dxdask.errors import MemoryBudgetError
from dxdask.parameters.assignments import parse, with_assignments
from dxdask.pipeline.memory import require_memory
from dxdask.pipeline.process_parameters import process_parameters

PAGE = (ROOT / "docs" / "clusters.md").read_text()


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)\n```", PAGE, re.DOTALL)


def commands() -> list[str]:
    lines = "\n".join(fenced("bash")).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("dxdask ")]


@pytest.mark.parametrize("command", commands())
def test_commands_have_parameters_that_are_taken(command: str) -> None:
    pairs = parse(word for word in shlex.split(command) if "=" in word)
    parameters = with_assignments(process_parameters(), pairs).cluster
    kind = kind_of(parameters)
    if kind in QUEUES:
        text = script(kind, parameters)
        for value in (parameters.queue, parameters.account, parameters.walltime):
            assert value is None or value in text


def test_the_job_script_shown_is_the_one_made() -> None:
    [code] = fenced("python")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert printed.getvalue().strip() == fenced("text")[0]


def test_the_site_s_file_shown_is_the_one_installed() -> None:
    [shown] = fenced("yaml")
    assert shown == profile("slurm").strip()
    for kind in QUEUES:
        assert f"(../cluster/profiles/{kind}.yaml)" in PAGE


def test_the_refusal_shown_is_the_one_given() -> None:
    node = Cluster(kind="slurm", description="", threads=4, worker_bytes=8 * 10**9)
    frames = da.zeros((200, 4362, 4148), chunks=(50, -1, -1), dtype="u4")
    with pytest.raises(MemoryBudgetError) as refused:
        require_memory(node, "find_spots", [frames])
    assert str(refused.value) == fenced("text")[1]


def test_parameters_named_exist() -> None:
    named = set(re.findall(r"`(?:cluster)?\.([a-z_]+)[`=]", PAGE)) | set(
        re.findall(r"cluster\.([a-z_]+)=", PAGE)
    )
    assert {"jobs", "cores", "security", "shared_temp_directory"} <= named
    assert named <= set(ClusterParameters.model_fields)


def queue_of(folder: Path, *, kind: str, environment: dict[str, str]) -> str:
    """Return the queue in the job script of a new process."""
    code = (
        "import re\n"
        "from dxdask.cluster.configuration import site_configuration\n"
        "from dxdask.cluster.jobqueue import script\n"
        "from dxdask.cluster.parameters import ClusterParameters, kind_of\n"
        f"p = ClusterParameters(kind={kind!r})\n"
        "with site_configuration(p, kind_of(p)) as kind:\n"
        "    text = script(kind, p)\n"
        "print(*re.findall('#SBATCH -p (.*)', text))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
    )
    return done.stdout.strip()


def test_the_first_that_sets_it_wins(tmp_path: Path) -> None:
    for name in ("site", "given"):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"jobqueue:\n  slurm:\n    queue: {name}\n")
    yaml = {"DASK_CONFIG": str(tmp_path / "site.yaml")}
    environment = {**yaml, "DASK_JOBQUEUE__SLURM__QUEUE": "environment"}
    assert queue_of(tmp_path, kind="slurm", environment={}) == ""
    assert queue_of(tmp_path, kind="slurm", environment=yaml) == "site"
    assert queue_of(tmp_path, kind="slurm", environment=environment) == "environment"
    assert queue_of(tmp_path, kind="given.yaml", environment=environment) == "given"
