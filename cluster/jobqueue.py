"""Jobs of a batch queue as workers: Slurm, LSF, PBS, SGE and HTCondor, by dask-jobqueue.

A parameter beats the site's Dask configuration (environment, then YAML: `jobqueue.slurm` and so
on), which beats the defaults here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any
from unittest import mock

import dask
from distributed import Security

from dxdask.cluster.limits import ONE_THREAD, memory_in_bytes
from dxdask.cluster.parameters import QUEUES, ClusterParameters, check_use
from dxdask.errors import ClusterError, ParameterError

DEFAULT_CORES = 4
BYTES_A_CORE = 4 * 10**9
SUBMIT = {
    "slurm": "sbatch",
    "lsf": "bsub",
    "pbs": "qsub",
    "sge": "qsub",
    "htcondor": "condor_submit",
}
LOOK = {
    "slurm": "squeue --me",
    "lsf": "bjobs",
    "pbs": "qstat",
    "sge": "qstat",
    "htcondor": "condor_q",
}


def dask_jobqueue() -> Any:
    """Return the package, without the file it would write into the user's home when imported."""
    with mock.patch.object(dask.config, "ensure_file", _write_nothing):
        import dask_jobqueue as package

    return package


def _write_nothing(*_: Any, **__: Any) -> None:
    """Stand in for dask.config.ensure_file; the defaults are read all the same."""


def slurm(options: Mapping[str, Any]) -> Any:
    """Return a cluster of Slurm jobs."""
    return dask_jobqueue().SLURMCluster(**options)


def lsf(options: Mapping[str, Any]) -> Any:
    """Return a cluster of LSF jobs."""
    return dask_jobqueue().LSFCluster(**options)


def pbs(options: Mapping[str, Any]) -> Any:
    """Return a cluster of PBS jobs."""
    return dask_jobqueue().PBSCluster(**options)


def sge(options: Mapping[str, Any]) -> Any:
    """Return a cluster of Grid Engine jobs."""
    return dask_jobqueue().SGECluster(**options)


def htcondor(options: Mapping[str, Any]) -> Any:
    """Return a cluster of HTCondor jobs."""
    return dask_jobqueue().HTCondorCluster(**options)


_CLUSTERS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "slurm": slurm,
    "lsf": lsf,
    "pbs": pbs,
    "sge": sge,
    "htcondor": htcondor,
}


def start(kind: str, parameters: ClusterParameters) -> Any:
    """Return a running cluster of this kind, with no job yet.

    Raises
    ------
    ClusterError
        The queue's commands are not here, or the scheduler cannot start.
    """
    command = SUBMIT[kind]
    if shutil.which(command) is None:
        raise ClusterError(
            f"cluster={kind}: the command {command} is not on this machine; "
            "run on a node that can submit jobs, or use cluster=local"
        )
    options = job_options(kind, parameters)
    site = dask.config.get(f"jobqueue.{kind}.scheduler-options", None) or {}
    dashboard = {"dashboard_address": parameters.dashboard, "dashboard": bool(parameters.dashboard)}
    try:
        return _CLUSTERS[kind]({**options, "scheduler_options": {**dashboard, **site}})
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"cluster={kind}: the scheduler cannot start here: {error}; "
            "look at cluster.interface and the port"
        ) from error


def script(kind: str, parameters: ClusterParameters) -> str:
    """Return the job script that would be submitted; submits nothing and starts nothing.

    Raises
    ------
    ParameterError
        The kind is no queue, or a parameter has no meaning for it.
    """
    if kind not in QUEUES:
        raise ParameterError(f"{kind} has no job script: give one of {', '.join(QUEUES)}")
    check_use(parameters, kind)
    options = job_options(kind, parameters)
    package = dask_jobqueue()
    cluster = getattr(package, {"htcondor": "HTCondorCluster"}.get(kind, f"{kind.upper()}Cluster"))
    with mock.patch("os.makedirs"):
        job = cluster.job_cls("tcp://SCHEDULER:PORT", name="WORKER", **options)
    return str(job.job_script())


def profile(kind: str) -> str:
    """Return an example of a site's configuration for this queue, as YAML."""
    if kind not in QUEUES:
        raise ParameterError(f"no example for {kind}: there are {', '.join(QUEUES)}")
    return resources.files("dxdask.cluster.profiles").joinpath(f"{kind}.yaml").read_text()


def job_options(kind: str, parameters: ClusterParameters) -> dict[str, Any]:
    """Return what dask-jobqueue takes to describe a job of this kind."""
    dask_jobqueue()  # its defaults are what the site's configuration is laid over
    p = parameters

    def site(name: str) -> Any:
        return dask.config.get(f"jobqueue.{kind}.{name}", None)

    cores = p.cores or site("cores") or DEFAULT_CORES
    memory = p.memory or site("memory") or f"{cores * BYTES_A_CORE}B"
    if p.memory is not None:
        memory_in_bytes(p.memory)
    prologue = p.job_script_prologue or site("job-script-prologue") or ()
    exports = [f"export {name}={value}" for name, value in ONE_THREAD.items()]
    given = {
        "cores": cores,
        "memory": memory,
        "processes": p.processes,
        "interface": p.interface,
        "local_directory": p.local_directory,
        "log_directory": p.log_directory,
        "python": p.python,
        "death_timeout": p.death_timeout,
        "job_script_prologue": [*exports, *prologue],
        "security": _security(),
        **_of_kind(kind, p),
    }
    options = {name: value for name, value in given.items() if value is not None}
    if kind == "htcondor" and site("disk") is None:
        options["disk"] = "10GB"
    return options


def _of_kind(kind: str, p: ClusterParameters) -> dict[str, Any]:
    extra = p.job_extra_directives
    if kind == "htcondor":
        lines = dict(_name_and_value(text) for text in extra or ())
        if p.account is not None:
            lines["accounting_group"] = p.account
        return {"job_extra_directives": lines or None}
    payer = "project" if kind in ("lsf", "sge") else "account"
    return {
        payer: p.account,
        "queue": p.queue,
        "walltime": _hours_and_minutes(p.walltime) if kind == "lsf" else p.walltime,
        "job_extra_directives": None if extra is None else list(extra),
    }


def _hours_and_minutes(walltime: str | None) -> str | None:
    """Return 01:30 for 01:30:00, as LSF counts no seconds."""
    return walltime[: walltime.rindex(":")] if walltime and walltime.count(":") == 2 else walltime


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"cluster.job_extra_directives: {text!r} is not NAME=VALUE")
    return name.strip(), value.strip()


def _security() -> Security | None:
    """Return the site's TLS keys where its Dask configuration names them."""
    has_keys = dask.config.get("distributed.comm.tls.scheduler.cert", None)
    return Security() if has_keys else None  # type: ignore[no-untyped-call]


def explain_no_worker(kind: str, seconds: float) -> str:
    """Return the advice for a queue that has given no worker."""
    look = LOOK.get(kind, "the scheduler's page")
    return (
        f"cluster={kind}: no worker has come within {seconds:.0f} s; see {look} for what is "
        "queued and the jobs' logs (cluster.log_directory) for why they ended. Common reasons: "
        "the queue is full (cluster.timeout), cluster.interface is not one that nodes share, "
        "cluster.memory or cluster.walltime is more than the queue allows"
    )
