"""Keys of a queue: temporary ones, the site's, or none; who may read them, who may connect."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from dxdask.cluster.jobqueue import script
from dxdask.cluster.parameters import ClusterParameters, kind_of
from dxdask.cluster.security import open_security, site_keys
from dxdask.errors import ClusterError, ParameterError


def given_in(folder: Path, **values: object) -> ClusterParameters:
    common = {"kind": "slurm", "shared_temp_directory": str(folder)}
    return ClusterParameters.model_validate({**common, **values})


def test_temporary_keys_are_private_and_removed(tmp_path: Path) -> None:
    with open_security(given_in(tmp_path), "slurm") as keys:
        assert keys is not None
        assert keys.require_encryption
        [folder] = tmp_path.iterdir()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        files = sorted(folder.iterdir())
        assert [f.name for f in files] == ["cert.pem", "key.pem"]
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
        assert "PRIVATE KEY" in files[1].read_text()
        assert keys.tls_worker_key == str(files[1])
    assert list(tmp_path.iterdir()) == []


def test_two_sessions_have_keys_of_their_own(tmp_path: Path) -> None:
    with (
        open_security(given_in(tmp_path), "pbs") as a,
        open_security(given_in(tmp_path), "pbs") as b,
    ):
        assert a is not None
        assert b is not None
        assert Path(a.tls_worker_key).read_text() != Path(b.tls_worker_key).read_text()


def test_only_holders_of_the_keys_may_connect(tmp_path: Path) -> None:
    with (
        open_security(given_in(tmp_path), "slurm") as keys,
        open_security(given_in(tmp_path), "slurm") as others,
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            host="127.0.0.1",
            protocol="tls://",
            security=keys,
            dashboard_address="127.0.0.1:0",
        ) as cluster,
    ):
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with Client(address, security=keys, timeout=20, set_as_default=False) as client:
            assert client.submit(abs, -3).result(timeout=20) == 3
        with pytest.raises(OSError):
            Client(address, security=others, timeout=1, set_as_default=False)
        with pytest.raises(OSError):
            Client(address.replace("tls://", "tcp://"), timeout=1, set_as_default=False)


def test_the_folder_is_the_given_one_or_the_site_s_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("own", "site", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SITE", str(tmp_path / "site"))

    def folder_of(p: ClusterParameters) -> str:
        with open_security(p, "slurm") as keys:
            assert keys is not None
            return Path(keys.tls_worker_key).parent.parent.name

    unset = ClusterParameters(kind="slurm")
    assert folder_of(unset) == "here"
    with dask.config.set({"jobqueue.slurm.shared-temp-directory": "$SITE"}):
        assert folder_of(unset) == "site"
        assert folder_of(given_in(tmp_path / "own")) == "own"


def test_folders_that_cannot_hold_keys_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ClusterError, match=r"cannot be written.*cluster\.shared_temp_directory"),
        open_security(given_in(tmp_path / "nowhere"), "lsf"),
    ):
        pytest.fail("must not open")
    with (
        pytest.raises(ParameterError, match="path with a space"),
        open_security(given_in(tmp_path / "my frames"), "lsf"),
    ):
        pytest.fail("must not open")


def test_none_is_none_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    p = given_in(tmp_path, security="none")
    with (
        caplog.at_level(logging.WARNING, logger="dxdask.cluster"),
        open_security(p, "slurm") as keys,
    ):
        assert keys is None
        assert list(tmp_path.iterdir()) == []
    assert "not encrypted" in caplog.text
    assert "tcp://SCHEDULER:PORT" in script("slurm", p)
    assert "--tls" not in script("slurm", p)


def test_keys_of_the_site_beat_temporary_ones(tmp_path: Path) -> None:
    names = ("ca-file", "client.cert", "scheduler.cert", "worker.cert", "worker.key")
    whole = {f"distributed.comm.tls.{n}": f"/site/{n}.pem" for n in names}
    with dask.config.set(whole), open_security(given_in(tmp_path), "slurm") as keys:
        assert keys is not None
        assert keys.tls_ca_file == "/site/ca-file.pem"
        assert list(tmp_path.iterdir()) == []
        text = script("slurm", ClusterParameters(kind="slurm"))
        assert "--tls-ca-file /site/ca-file.pem" in text
        assert "--tls-key /site/worker.key.pem" in text
    assert site_keys() is None
    some = {k: v for k, v in whole.items() if "worker" not in k}
    with dask.config.set(some), pytest.raises(ParameterError, match=r"not .*tls\.worker\.cert"):
        site_keys()


def test_kinds_without_a_queue_have_no_use_for_keys() -> None:
    with pytest.raises(ParameterError, match=r"no use for cluster\.security"):
        kind_of(ClusterParameters(kind="local", security="none"))
