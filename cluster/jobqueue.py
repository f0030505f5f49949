"""Jobs of a batch queue as workers: Slurm, LSF, PBS, SGE and HTCondor, by dask-jobqueue."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from distributed import Security

from dxdask.cluster.options import dask_jobqueue, job_options, scheduler_options
from dxdask.cluster.parameters import QUEUES, ClusterParameters, check_use
from dxdask.cluster.security import keys_in, site_keys
from dxdask.errors import ClusterError, ParameterError


@dataclass(frozen=True)
class _Queue:
    """Class of dask-jobqueue, and the commands that submit a job and list the queue."""

    cluster: str
    submit: str
    look: str


_QUEUES = {
    "slurm": _Queue("SLURMCluster", "sbatch", "squeue --me"),
    "lsf": _Queue("LSFCluster", "bsub", "bjobs"),
    "pbs": _Queue("PBSCluster", "qsub", "qstat"),
    "sge": _Queue("SGECluster", "qsub", "qstat"),
    "htcondor": _Queue("HTCondorCluster", "condor_submit", "condor_q"),
}


def start(
    kind: str, parameters: ClusterParameters, security: Security | None, page: str | None
) -> Any:
    """Return a running cluster of dask-jobqueue, without jobs.

    security : keys of the cluster, None for none. page : address of its dashboard, None for none.

    Raises
    ------
    ClusterError
        The queue's commands are not installed, or the scheduler cannot start.
    """
    queue = _QUEUES[kind]
    if shutil.which(queue.submit) is None:
        raise ClusterError(
            f"cluster={kind}: the command {queue.submit} is not on this machine; "
            "run on a node that can submit jobs, or use cluster=local"
        )
    options = job_options(kind, parameters, security)
    try:
        return getattr(dask_jobqueue(kind), queue.cluster)(
            **options, scheduler_options=scheduler_options(kind, page)
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"cluster={kind}: the scheduler cannot start here: {error}; "
            "look at cluster.interface and the port"
        ) from error


def script(kind: str, parameters: ClusterParameters) -> str:
    """Return the job script that would be submitted; nothing is submitted or started.

    SCHEDULER:PORT, WORKER and the folder KEYS are placeholders, filled in at submission.

    Raises
    ------
    ParameterError
        The kind is no queue, or a parameter does not apply to it.
    """
    if kind not in QUEUES:
        raise ParameterError(f"{kind} has no job script: give one of {', '.join(QUEUES)}")
    check_use(parameters, kind)
    security = None
    if parameters.security == "tls":
        security = site_keys() or keys_in(Path("KEYS"))
    protocol = "tls://" if security else "tcp://"
    options = job_options(kind, parameters, security)
    job_class = getattr(dask_jobqueue(kind), _QUEUES[kind].cluster).job_cls
    with mock.patch("os.makedirs"):  # a job makes its folder for logs when it is constructed
        job = job_class(f"{protocol}SCHEDULER:PORT", name="WORKER", **options)
    return str(job.job_script())


def explain_no_worker(kind: str, seconds: float) -> str:
    """Return the message for a queue from which no worker has come within some seconds."""
    return (
        f"cluster={kind}: no worker has come within {seconds:.0f} s; see {_QUEUES[kind].look} for "
        "what is queued and the jobs' logs (cluster.log_directory) for why they ended. Common "
        "reasons: the queue is full (cluster.timeout), cluster.interface is not one that nodes "
        "share, cluster.shared_temp_directory is not a folder that nodes see, cluster.memory or "
        "cluster.walltime is more than the queue allows"
    )
