"""Options of dask-jobqueue for a scheduler and its jobs.

A parameter beats the site's Dask configuration (environment, then YAML: `jobqueue.slurm` and so
on), which beats the defaults here.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import dask
from distributed import Security

from dxdask.cluster.environment import LIBRARIES, NUMBA, SAFE_PATH
from dxdask.cluster.extra import require_extra
from dxdask.cluster.limits import memory_in_bytes
from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.errors import ParameterError

DEFAULT_CORES = 4
BYTES_A_CORE = 4 * 10**9


def dask_jobqueue(kind: str) -> Any:
    """Return the package dask_jobqueue, imported without writing a file into the user's home.

    Raises
    ------
    ClusterError
        It is not installed; `kind` is named as what needs it.
    """
    require_extra("dask_jobqueue", f"cluster={kind}")
    with mock.patch.object(dask.config, "ensure_file", _write_nothing):
        import dask_jobqueue as package

    return package


def _write_nothing(*_: Any, **__: Any) -> None:
    """Replace dask.config.ensure_file; the defaults are read from the package all the same."""


def scheduler_options(kind: str, page: str | None) -> dict[str, Any]:
    """Return the options of the scheduler of a queue.

    Its pages ask for no password, and its own default serves them on the network, also without a
    dashboard (pages on its health).

    page : address of the dashboard, or None for none.
    """
    given = {"dashboard_address": page or LOOPBACK, "dashboard": page is not None}
    site = dask.config.get(f"jobqueue.{kind}.scheduler-options", None) or {}
    asked = page != LOOPBACK
    return {**site, **given} if asked else {**given, **site}


def job_options(
    kind: str, parameters: ClusterParameters, security: Security | None
) -> dict[str, Any]:
    """Return the options of dask-jobqueue for a job of this kind."""
    dask_jobqueue(kind)  # its defaults are added below the site's configuration at import
    p = parameters

    def site(*names: str) -> Any:
        found = (dask.config.get(f"jobqueue.{kind}.{name}", None) for name in names)
        return next((value for value in found if value), None)

    cores = p.cores or site("cores") or DEFAULT_CORES
    memory = p.memory or site("memory") or f"{cores * BYTES_A_CORE}B"
    if p.memory is not None:
        memory_in_bytes(p.memory)
    exports = [f"export {name}={value}" for name, value in (LIBRARIES | NUMBA | SAFE_PATH).items()]
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
        # workers serve pages too, without a password
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
