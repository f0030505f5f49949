"""What dask-jobqueue takes to describe a scheduler and its jobs.

A parameter beats the site's Dask configuration (environment, then YAML: `jobqueue.slurm` and so
on), which beats the defaults here.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import dask
from distributed import Security

from dxdask.cluster.limits import LIBRARIES, NUMBA, memory_in_bytes
from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.errors import ParameterError

DEFAULT_CORES = 4
BYTES_A_CORE = 4 * 10**9


def dask_jobqueue() -> Any:
    """Return the package, without the file it would write into the user's home when imported."""
    with mock.patch.object(dask.config, "ensure_file", _write_nothing):
        import dask_jobqueue as package

    return package


def _write_nothing(*_: Any, **__: Any) -> None:
    """Stand in for dask.config.ensure_file; the defaults are read all the same."""


def scheduler_options(kind: str, p: ClusterParameters) -> dict[str, Any]:
    """Return what the scheduler is started with.

    Its pages ask for no password. Left alone they are on the network, also where there is no
    dashboard, as those that tell its health are served all the same.
    """
    given = {"dashboard_address": p.dashboard or LOOPBACK, "dashboard": bool(p.dashboard)}
    site = dask.config.get(f"jobqueue.{kind}.scheduler-options", None) or {}
    asked = p.dashboard != LOOPBACK
    return {**site, **given} if asked else {**given, **site}


def job_options(
    kind: str, parameters: ClusterParameters, security: Security | None
) -> dict[str, Any]:
    """Return what dask-jobqueue takes to describe a job of this kind."""
    dask_jobqueue()  # its defaults are what the site's configuration is laid over
    p = parameters

    def site(*names: str) -> Any:
        found = (dask.config.get(f"jobqueue.{kind}.{name}", None) for name in names)
        return next((value for value in found if value), None)

    cores = p.cores or site("cores") or DEFAULT_CORES
    memory = p.memory or site("memory") or f"{cores * BYTES_A_CORE}B"
    if p.memory is not None:
        memory_in_bytes(p.memory)
    exports = [f"export {name}={value}" for name, value in (LIBRARIES | NUMBA).items()]
    prologue = p.job_script_prologue or site("job-script-prologue", "env-extra") or ()
    arguments = site("worker-extra-args", "extra") or ()
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
        # each worker serves pages too, without a password
        "worker_extra_args": ["--dashboard-address", LOOPBACK, *arguments],
        "security": security,
        "protocol": "tls://" if security else None,
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
