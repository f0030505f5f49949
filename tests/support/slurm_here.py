"""A Slurm of two nodes on this machine, for the tests that submit jobs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "cluster" / "slurm_up.sh"
NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "scancel")


def free_ports(n: int) -> int:
    """Return the first of n neighbouring ports without a listener."""
    for first in range(21000, 29000, 10):
        try:
            for port in range(first, first + n):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    pytest.fail("no free ports")


@contextmanager
def running_slurm(folder: Path) -> Iterator[Path]:
    """Start it with its files in `folder`, and end it; skip the test where there is none."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("the daemons of a Slurm of its own must be started as root")
    try:
        subprocess.run([SCRIPT, "up", folder, str(free_ports(3))], check=True, timeout=120)
        os.environ["SLURM_CONF"] = str(folder / "slurm.conf")
        yield folder
    finally:
        os.environ.pop("SLURM_CONF", None)
        subprocess.run([SCRIPT, "down", folder], check=True, timeout=60)


def jobs_in(folder: Path) -> dict[str, Any]:
    """Return the parameters of the cluster for two small jobs."""
    return {
        "kind": "slurm",
        "jobs": 2,
        "cores": 1,
        "processes": 1,
        "memory": "1GB",
        "walltime": "00:10:00",
        "interface": "lo",
        "log_directory": str(folder / "jobs"),
        "local_directory": str(folder),
        "shared_temp_directory": str(folder),
        "timeout": 120,
        "dashboard": None,
    }
