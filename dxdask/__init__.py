"""X-ray diffraction frames to merged intensities, on Dask and zarr."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import os

    from dxdask.storage.store import Store

__version__ = version("dxdask")


def open(path: str | os.PathLike[str], mode: Literal["r", "r+"] = "r+") -> Store:
    """Open a store, to read ("r") or to read and write ("r+"); opening takes no lock.

    Raises
    ------
    StoreNotFoundError
        Nothing is at `path`.
    SchemaError
        It is no dxdask store, or one of a later version.
    """
    # imported here: the science of dxdask needs neither dask nor zarr
    from dxdask.storage.store import Store

    return Store.open(path, mode)
