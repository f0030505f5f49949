"""Packages of the extra `dxdask[cluster]`, which a plain install leaves out."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.errors import ClusterError

INSTALL = "pip install 'dxdask[cluster]'"

log = logging.getLogger("dxdask.cluster")


def require_extra(package: str, purpose: str) -> None:
    """Check that a package of the extra is installed.

    purpose : the parameter that needs it, for the message.

    Raises
    ------
    ClusterError
        It is not installed.
    """
    if find_spec(package) is None:
        name = package.replace("_", "-")
        raise ClusterError(f"{purpose} needs {name}, which a plain install leaves out: {INSTALL}")


def dashboard_address(p: ClusterParameters) -> str | None:
    """Return the address at which Dask's dashboard is served, or None for no dashboard.

    Without bokeh there is none, which is an error only where an address was given.

    Raises
    ------
    ClusterError
        An address was given and bokeh is not installed.
    """
    if p.dashboard is None:
        return None
    if p.dashboard == LOOPBACK and find_spec("bokeh") is None:
        log.info("no dashboard: it needs bokeh, which a plain install leaves out: %s", INSTALL)
        return None
    require_extra("bokeh", f"cluster.dashboard={p.dashboard}")
    return p.dashboard
