"""Job scripts, as text: no queue is needed to see what would be submitted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dask
import pytest
import yaml

from dxdask.cluster.client import open_cluster
from dxdask.cluster.configuration import profile, site_configuration
from dxdask.cluster.jobqueue import script
from dxdask.cluster.options import scheduler_options
from dxdask.cluster.parameters import LOOPBACK, QUEUES, ClusterParameters
from dxdask.errors import ClusterError, ParameterError

EXPECTED = {
    "slurm": ("#SBATCH -p mx", "#SBATCH -A visit7", "--cpus-per-task=8", "#SBATCH -t 00:20:00"),
    "lsf": ("#BSUB -q mx", '#BSUB -P "visit7"', "#BSUB -n 8", "#BSUB -W 00:20\n"),
    "pbs": ("#PBS -q mx", "#PBS -A visit7", "ncpus=8", "#PBS -l walltime=00:20:00"),
    "sge": ("#$ -q mx", "#$ -P visit7", "#$ -l h_rt=00:20:00"),
    "htcondor": ("accounting_group = visit7", "DaskWorkerCores = 8"),
}


def parameters(kind: str, **values: object) -> ClusterParameters:
    only_queues = {} if kind == "htcondor" else {"queue": "mx", "walltime": "00:20:00"}
    common = {"kind": kind, "cores": 8, "processes": 2, "memory": "20GB", "account": "visit7"}
    return ClusterParameters.model_validate({**common, **only_queues, **values})


@pytest.mark.parametrize("kind", QUEUES)
def test_scripts_request_the_given_resources(kind: str) -> None:
    text = script(kind, parameters(kind))
    for line in EXPECTED[kind]:
        assert line in text
    for part in (
        "tls://SCHEDULER:PORT",
        "--tls-key KEYS/key.pem",
        "--nthreads 4",
        "--nworkers 2",
        "--memory-limit 9.31GiB",
    ):
        assert part in text
    for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        assert f"export {name}_NUM_THREADS=1" in text
    assert "export PYTHONSAFEPATH=1" in text
    assert sys.executable in text


def test_additional_lines_and_commands_reach_the_script() -> None:
    text = script(
        "slurm",
        parameters(
            "slurm",
            job_extra_directives=["--exclusive"],
            job_script_prologue=["module load dxdask"],
            interface="ib0",
            python="/opt/python",
            local_directory="/scratch",
            death_timeout=120,
        ),
    )
    assert "#SBATCH --exclusive" in text
    assert text.index("module load dxdask") < text.index("/opt/python -m")
    assert "--interface ib0" in text
    assert "--local-directory /scratch" in text
    assert "--death-timeout 120" in text
    text = script("htcondor", parameters("htcondor", job_extra_directives=["+Visit=7"]))
    assert "+Visit = 7" in text
    with pytest.raises(ParameterError, match="NAME=VALUE"):
        script("htcondor", parameters("htcondor", job_extra_directives=["nothing"]))


def test_printing_a_script_leaves_no_folder(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    assert str(logs) in script("slurm", parameters("slurm", log_directory=str(logs)))
    assert not logs.exists()


def test_a_parameter_beats_the_site_and_the_site_beats_the_defaults() -> None:
    plain = script("slurm", ClusterParameters(kind="slurm"))
    assert "--cpus-per-task=4" in plain
    assert "#SBATCH --mem=15G" in plain
    with dask.config.set(
        {
            "jobqueue.slurm.cores": 12,
            "jobqueue.slurm.memory": "40GB",
            "jobqueue.slurm.queue": "site",
        }
    ):
        site = script("slurm", ClusterParameters(kind="slurm"))
        assert "--cpus-per-task=12" in site
        assert "#SBATCH -p site" in site
        own = script("slurm", ClusterParameters(kind="slurm", cores=3, queue="own"))
    assert "--cpus-per-task=3" in own
    assert "#SBATCH -p own" in own
    assert "#SBATCH --mem=38G" in own


def test_the_pages_are_local_by_default() -> None:
    arguments = {"jobqueue.pbs.worker-extra-args": ["--lifetime", "55m"]}
    with dask.config.set(arguments):
        text = script("pbs", ClusterParameters(kind="pbs"))
    assert "--dashboard-address 127.0.0.1:0 --lifetime 55m" in text
    assert scheduler_options("pbs", None) == {
        "dashboard": False,
        "dashboard_address": "127.0.0.1:0",
    }
    with dask.config.set({"jobqueue.pbs.scheduler-options": {"dashboard_address": ":8787"}}):
        site = scheduler_options("pbs", LOOPBACK)
        assert site["dashboard_address"] == ":8787"
        assert scheduler_options("pbs", None)["dashboard_address"] == "127.0.0.1:0"


@pytest.mark.parametrize("kind", QUEUES)
def test_each_example_of_a_site_is_one(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(profile(kind))
    assert list(yaml.safe_load(profile(kind))["jobqueue"]) == [kind]
    before = dask.config.get(f"jobqueue.{kind}.cores", None)
    with site_configuration(ClusterParameters(kind=str(file)), "file") as found:
        assert found == kind
        text = script(kind, ClusterParameters(kind=kind))
    assert "--nthreads 4" in text
    assert "--nworkers 4" in text
    assert dask.config.get(f"jobqueue.{kind}.cores", None) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("jobqueue: [", "cannot be read"),
        ("jobqueue: {}", "it has none"),
        ("jobqueue: {slurm: {}, pbs: {}}", "slurm, pbs"),
        ("- 3", "it has none"),
    ],
)
def test_files_that_describe_no_queue_are_refused(
    text: str | None, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    if text is not None:
        file.write_text(text)
    with (
        pytest.raises(ParameterError, match=words),
        open_cluster(ClusterParameters(kind=str(file))),
    ):
        pytest.fail("must not open")


def test_parameters_without_use_for_the_queue_of_a_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "condor.yaml"
    file.write_text(profile("htcondor"))
    p = ClusterParameters(kind=str(file), walltime="01:00:00")
    with (
        pytest.raises(ParameterError, match=r"no use for cluster\.walltime"),
        site_configuration(p, "file"),
    ):
        pytest.fail("must not open")


def test_no_script_without_a_queue() -> None:
    with pytest.raises(ParameterError, match="no job script"):
        script("threads", ClusterParameters())
    with pytest.raises(ParameterError, match="no use for"):
        script("htcondor", ClusterParameters(kind="htcondor", queue="mx"))
    with pytest.raises(ParameterError, match="no example"):
        profile("threads")


def test_a_queue_that_is_not_here_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(ClusterError, match="bsub is not on this machine"),
        open_cluster(ClusterParameters(kind="lsf")),
    ):
        pytest.fail("must not open")


def test_nothing_is_written_into_the_home(tmp_path: Path) -> None:
    code = (
        "from dxdask.cluster.jobqueue import script\n"
        "from dxdask.cluster.parameters import ClusterParameters\n"
        "assert '#SBATCH' in script('slurm', ClusterParameters(kind='slurm'))\n"
    )
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=tmp_path)
    assert list(tmp_path.rglob("*")) == []
