"""The hierarchy of a new store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from dxdask.errors import SchemaError, StoreExistsError, StoreNotFoundError, StoreWriteError
from dxdask.storage.store import branches, create, layout, read
from dxdask.storage.store.lock import WriteLock
from dxdask.storage.store.provenance import now, versions


def create_store(path: Path, *, overwrite: bool = False) -> None:
    """Create an empty store in the folder `path`.

    With `overwrite` an earlier store, or an empty folder, is replaced; anything else is left alone.

    Raises
    ------
    StoreExistsError
        Something is there already.
    StoreLockedError
        The earlier store is being written to.
    StoreWriteError
        The folder cannot be made.
    """
    require_free(path, overwrite=overwrite)
    try:
        if (path / layout.METADATA).exists():
            with _unwritten(path):
                shutil.rmtree(path)
        software = versions()
        attributes = {"format": layout.FORMAT, "version": layout.VERSION, "created": now()}
        create.group(path, {**attributes, "software": software})
        for name in (layout.RUNS, layout.RESULTS, layout.HISTORY, layout.WORK):
            create.group(path / name, {})
        for name in (layout.STAGING, layout.REPLACED, layout.PARTITIONS, layout.LOCKS):
            create.group(path / name, {})
    except OSError as error:
        raise StoreWriteError(
            f"cannot create {path}: {error}; check the folder and its disk"
        ) from error


def replace_store(path: Path, new: Path) -> None:
    """Give a store the name `path`, in place of the store that has it, which stays until then.

    new : the store, in the same folder.

    Raises
    ------
    StoreLockedError
        The earlier store is being written to.
    OSError
        A folder cannot be renamed.
    """
    if not (path / layout.METADATA).exists():
        os.rename(new, path)
        return
    earlier = new.with_name(f"{new.name}-replaced")
    shutil.rmtree(earlier, ignore_errors=True)
    with _unwritten(path):
        os.rename(path, earlier)
        try:
            os.rename(new, path)
        except OSError:
            os.rename(earlier, path)
            raise
    shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def _unwritten(path: Path) -> Iterator[None]:
    """Hold all locks of a store."""
    with ExitStack() as locks:
        for name in (*branches.names(path), layout.IMPORTS):
            locks.enter_context(WriteLock(path, name).held())
        yield


def require_free(path: Path, *, overwrite: bool) -> None:
    """Raise an error unless `create_store` may make a store of this name.

    Raises
    ------
    StoreExistsError
        Something is there, and is no store, or `overwrite` is false.
    """
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        known = read.attributes(path).get("format") == layout.FORMAT
    except (StoreNotFoundError, SchemaError):
        known = False
    if not overwrite:
        kind = "a store" if known else "something else"
        remedy = (
            "give overwrite=true to replace it, or another name" if known else "give another name"
        )
        raise StoreExistsError(f"{path} exists already and is {kind}; {remedy}")
    if not known:
        raise StoreExistsError(
            f"{path} is no dxdask store, so overwrite=true does not delete it; give another name"
        )
