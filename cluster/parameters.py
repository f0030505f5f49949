"""Parameters of a cluster: `cluster=slurm cluster.jobs=4 cluster.memory=16GB`."""

from __future__ import annotations

from typing import Literal

from dxdask.errors import ParameterError
from dxdask.parameters import Parameters, parameter

QUEUES = ("slurm", "lsf", "pbs", "sge", "htcondor")
HERE = ("threads", "synchronous")  # in this process
LOOPBACK = "127.0.0.1:0"  # not reachable from other machines; port 0 is any free one
_NAMES = (*HERE, "local", *QUEUES)
_SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")


class ClusterParameters(Parameters):
    """Parameters of a cluster; unset ones are taken from Dask's configuration or its defaults."""

    kind: str = parameter(
        "threads",
        "threads (of this process), local (processes here), synchronous, an ADDRESS such as "
        "tcp://host:8786, slurm, lsf, pbs, sge, htcondor, or FILE.yaml with a jobqueue section",
    )
    jobs: int | None = parameter(None, "jobs to keep in the queue (default 1)", gt=0)
    cores: int | None = parameter(
        None, "cores a job, or in all here (default: those there are; 4 a job)", gt=0
    )
    processes: int | None = parameter(None, "worker processes a job, or in all here", gt=0)
    memory: str | None = parameter(None, "memory a job, or in all here: 16GB (default: 4GB a core)")
    walltime: str | None = parameter(None, "time a job may take: 01:00:00")
    queue: str | None = parameter(None, "queue or partition")
    account: str | None = parameter(None, "account or project that pays")
    interface: str | None = parameter(
        None, "network interface that scheduler and workers talk over: ib0", expert=1
    )
    security: Literal["tls", "none"] = parameter(
        "tls",
        "tls: scheduler, workers and this process of a queue show each other keys (the site's, or "
        "temporary ones) and encrypt what they send; none: what they send can be read, and who "
        "reaches the scheduler's port can run code as you",
        expert=1,
    )
    shared_temp_directory: str | None = parameter(
        None,
        "folder that the nodes of the jobs see too, for temporary keys (default: the current one)",
        expert=1,
    )
    local_directory: str | None = parameter(
        None, "fast folder on the workers for what does not fit in memory", expert=1
    )
    log_directory: str | None = parameter(None, "folder for the logs of the jobs", expert=1)
    job_extra_directives: tuple[str, ...] | None = parameter(
        None, "further lines for the head of the job script (NAME=VALUE for htcondor)", expert=1
    )
    job_script_prologue: tuple[str, ...] | None = parameter(
        None, "shell commands before the worker starts: module load ...", expert=1
    )
    python: str | None = parameter(None, "python on the workers", expert=1)
    death_timeout: int | None = parameter(
        None, "a worker without a scheduler ends itself after so long", unit="s", expert=1, gt=0
    )
    retries: int | None = parameter(
        None, "workers that may die of a task before the task is given up", expert=1, ge=0
    )
    timeout: float = parameter(
        600.0, "longest wait for a worker before it is an error", unit="s", expert=1, gt=0
    )
    dashboard: str | None = parameter(
        LOOPBACK,
        "address of the dashboard (needs dxdask[cluster]), port 0 is any free one; None is no "
        "dashboard",
        expert=1,
    )


_OF_QUEUES = frozenset(ClusterParameters.model_fields) - {"kind"}
_MEANT_FOR: dict[str, frozenset[str]] = {
    "threads": frozenset({"cores"}),
    "synchronous": frozenset(),
    "local": frozenset(
        ("cores", "processes", "memory", "local_directory", "retries", "timeout", "dashboard")
    ),
    "address": frozenset({"timeout"}),
    **dict.fromkeys(QUEUES, _OF_QUEUES),
    "htcondor": _OF_QUEUES - {"walltime", "queue"},
    "file": _OF_QUEUES,
}


def kind_of(parameters: ClusterParameters) -> str:
    """Return "threads", "local", "synchronous", "address", "file" or a queue.

    Raises
    ------
    ParameterError
        The kind is none of these, or a parameter is set that does not apply to it.
    """
    text = parameters.kind
    if text in _NAMES:
        kind = text
    elif text.startswith(_SCHEMES):
        kind = "address"
    elif text.endswith((".yaml", ".yml")):
        kind = "file"
    else:
        raise ParameterError(
            f"cluster={text} is not known: give {', '.join(_NAMES)}, an address such as "
            "tcp://host:8786, or FILE.yaml"
        )
    check_use(parameters, kind)
    return kind


def check_use(parameters: ClusterParameters, kind: str) -> None:
    """Raise `ParameterError` where a parameter is set that does not apply to this kind."""
    plain = ClusterParameters()
    set_here = {n for n in _OF_QUEUES if getattr(parameters, n) != getattr(plain, n)}
    useless = sorted(set_here - _MEANT_FOR[kind])
    if useless:
        names = ", ".join(f"cluster.{n}" for n in useless)
        raise ParameterError(f"cluster={parameters.kind} has no use for {names}: leave it out")
