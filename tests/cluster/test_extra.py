"""Packages that a plain install leaves out: one line names the command that installs them."""

from __future__ import annotations

import logging
import sys

import pytest

from dxdask.cluster.client import open_cluster
from dxdask.cluster.extra import dashboard_address
from dxdask.cluster.jobqueue import script
from dxdask.cluster.parameters import LOOPBACK, ClusterParameters
from dxdask.cluster.security import open_security
from dxdask.errors import ClusterError

INSTALL = r"pip install 'dxdask\[cluster\]'$"


@pytest.fixture(autouse=True)
def plain_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("bokeh", "cryptography", "dask_jobqueue"):
        monkeypatch.setitem(sys.modules, package, None)


def test_a_queue_needs_the_extra() -> None:
    slurm = ClusterParameters(kind="slurm")
    message = f"^cluster=slurm needs dask-jobqueue, .*{INSTALL}"
    with pytest.raises(ClusterError, match=message), open_cluster(slurm):
        pytest.fail("must not open")
    with pytest.raises(ClusterError, match=message):
        script("slurm", ClusterParameters(kind="slurm", security="none"))


def test_temporary_keys_need_the_extra() -> None:
    with (
        pytest.raises(ClusterError, match=f"^cluster.security=tls needs cryptography, .*{INSTALL}"),
        open_security(ClusterParameters(kind="slurm"), "slurm"),
    ):
        pytest.fail("must not open")


def test_a_dashboard_needs_the_extra(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_dashboard = ClusterParameters(kind="local", dashboard="127.0.0.1:8787")
    message = f"^cluster.dashboard=127.0.0.1:8787 needs bokeh, .*{INSTALL}"
    with pytest.raises(ClusterError, match=message), open_cluster(with_dashboard):
        pytest.fail("must not open")
    with caplog.at_level(logging.INFO, logger="dxdask.cluster"):
        assert dashboard_address(ClusterParameters(kind="local")) is None
    assert "no dashboard: it needs bokeh" in caplog.text


def test_a_dashboard_where_the_extra_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bokeh")
    assert dashboard_address(ClusterParameters(kind="local")) == LOOPBACK
    assert dashboard_address(ClusterParameters(kind="local", dashboard=None)) is None
