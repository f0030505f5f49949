"""Dask configuration of a site, given as a file, and an example of one for each queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import dask
import yaml

from dxdask.cluster.options import dask_jobqueue
from dxdask.cluster.parameters import QUEUES, ClusterParameters, check_use
from dxdask.errors import ParameterError


def profile(kind: str) -> str:
    """Return an example of a site's configuration for this queue, as YAML."""
    if kind not in QUEUES:
        raise ParameterError(f"no example for {kind}: there are {', '.join(QUEUES)}")
    return resources.files("dxdask.cluster.profiles").joinpath(f"{kind}.yaml").read_text()


@contextmanager
def site_configuration(p: ClusterParameters, kind: str) -> Iterator[str]:
    """Set Dask's configuration from FILE.yaml, where `p.kind` is one; yield the queue's kind.

    Raises
    ------
    ParameterError
        The file cannot be read, or does not name one queue, or a parameter is set that does not
        apply to this queue.
    """
    if kind != "file":
        yield kind
        return
    path = Path(p.kind)
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ParameterError(f"cluster={path} cannot be read: {error}") from None
    section = values.get("jobqueue") if isinstance(values, Mapping) else None
    found = [name for name in section if name in QUEUES] if isinstance(section, Mapping) else []
    if len(found) != 1:
        named = ", ".join(found) or "none"
        raise ParameterError(
            f"cluster={path} must describe one queue in its section jobqueue "
            f"({', '.join(QUEUES)}), it has {named}; for several give DASK_CONFIG={path} and "
            "cluster=KIND"
        )
    check_use(p, found[0])
    dask_jobqueue(found[0])  # first, as it adds its defaults below the present configuration
    with dask.config.set(_flat(values)):
        yield found[0]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in values.items():
        key = f"{prefix}{name}"
        out |= _flat(value, f"{key}.") if isinstance(value, Mapping) and value else {key: value}
    return out
