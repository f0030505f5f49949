"""New stores that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dxdask.errors import DxdaskError, InputError, StoreWriteError
from dxdask.storage.store.new_store import replace_store, require_free
from dxdask.storage.store.store import Store

PathLike = str | os.PathLike[str]


def require_new(output: PathLike, *, overwrite: bool) -> None:
    """Raise an error unless a store of this name may be made.

    Raises
    ------
    InputError
        The name is not NAME.zarr.
    StoreExistsError
        It is there and `overwrite` is false, or is no store.
    """
    path = Path(output)
    if path.suffix != ".zarr":
        raise InputError(
            f"a store is called NAME.zarr, not {path.name!r}; give -o {path.name}.zarr"
        )
    require_free(path, overwrite=overwrite)


@contextmanager
def completed(output: PathLike, *, overwrite: bool) -> Iterator[Store]:
    """Yield an empty store that takes the name `output` at the end, in place of one that is there.

    After an error nothing is left of it, and what was there before still is.

    Raises
    ------
    InputError, StoreExistsError
        As `require_new`.
    StoreLockedError
        The store that is there is being written to.
    StoreWriteError
        The folder cannot be written to.
    """
    require_new(output, overwrite=overwrite)
    path = Path(output).absolute()
    # one name, so that what a killed process leaves is replaced by the next
    aside = path.with_name(f".{path.stem}-partial.zarr")
    try:
        yield Store.create(aside, overwrite=True)
        replace_store(path, aside)
    except OSError as error:
        if isinstance(error, DxdaskError):
            raise
        raise StoreWriteError(
            f"cannot create {path}: {error.strerror}; check the folder and its disk"
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
