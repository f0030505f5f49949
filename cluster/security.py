"""TLS keys for the traffic between the scheduler of a queue, its workers and this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
from distributed import Security

from dxdask.cluster.extra import require_extra
from dxdask.cluster.parameters import ClusterParameters
from dxdask.errors import ClusterError, ParameterError

log = logging.getLogger("dxdask.cluster")

# Keys that a site's configuration must name beside scheduler.cert.
_NEEDED = ("ca-file", "client.cert", "worker.cert", "worker.key")


@contextmanager
def open_security(p: ClusterParameters, kind: str) -> Iterator[Security | None]:
    """Yield the keys of a queue, or None for `cluster.security=none`.

    They are the site's, where its Dask configuration names them; otherwise self-signed ones for
    this session, in a private folder that the jobs read them from and that is removed at the end.

    Raises
    ------
    ParameterError
        The site's configuration names some of the keys only.
    ClusterError
        The keys cannot be written.
    """
    if p.security == "none":
        log.warning(
            "cluster.security=none: the traffic of cluster=%s is not encrypted, and who reaches "
            "the scheduler's port can run code as you",
            kind,
        )
        yield None
    elif (keys := site_keys()) is not None:
        yield keys
    else:
        folder = _shared_folder(p, kind)
        try:
            private = TemporaryDirectory(
                prefix=".dxdask-keys-", dir=folder, ignore_cleanup_errors=True
            )
        except OSError as error:
            raise ClusterError(
                f"cluster={kind}: the keys for TLS cannot be written in {folder}: {error}; give "
                "cluster.shared_temp_directory=FOLDER, one that the jobs' nodes see too"
            ) from error
        with private as name:
            yield _write_keys(Path(name))


def site_keys() -> Security | None:
    """Return the TLS keys that the site's Dask configuration names for a scheduler, or None.

    Raises
    ------
    ParameterError
        It names the scheduler's key, but not all of those of workers and client.
    """

    def named(key: str) -> bool:
        return bool(dask.config.get(f"distributed.comm.tls.{key}", None))

    if not named("scheduler.cert"):
        return None
    missing = [f"distributed.comm.tls.{key}" for key in _NEEDED if not named(key)]
    if missing:
        raise ParameterError(
            "Dask's configuration names distributed.comm.tls.scheduler.cert, but not "
            f"{', '.join(missing)}: name them too, or none of them for temporary keys"
        )
    return Security(require_encryption=True)  # type: ignore[no-untyped-call]


def keys_in(folder: Path) -> Security:
    """Return the security options that refer to temporary keys in this folder, written or not."""
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    return Security(  # type: ignore[no-untyped-call]
        require_encryption=True,
        tls_ca_file=cert,
        tls_client_cert=cert,
        tls_client_key=key,
        tls_scheduler_cert=cert,
        tls_scheduler_key=key,
        tls_worker_cert=cert,
        tls_worker_key=key,
    )


def _write_keys(folder: Path) -> Security:
    """Write new self-signed keys, one pair for all roles, readable by their owner only."""
    require_extra("cryptography", "cluster.security=tls")
    made = Security.temporary()  # type: ignore[no-untyped-call]
    for name, text in (("cert.pem", made.tls_worker_cert), ("key.pem", made.tls_worker_key)):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    return keys_in(folder)


def _shared_folder(p: ClusterParameters, kind: str) -> Path:
    """Return the folder for keys: the parameter, or the site's configuration, or the current one.

    The last is dask-jobqueue's default: a folder in which jobs are submitted is mostly shared.
    """
    site = dask.config.get(f"jobqueue.{kind}.shared-temp-directory", None)
    text = p.shared_temp_directory or site or "."
    folder = Path(os.path.expandvars(text)).expanduser().absolute()
    if any(c.isspace() for c in str(folder)):
        raise ParameterError(
            f"cluster={kind}: the keys for TLS cannot be in {str(folder)!r}, as job scripts cannot "
            "hold a path with a space; give cluster.shared_temp_directory=FOLDER"
        )
    return folder
