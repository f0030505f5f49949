"""X-ray diffraction frames to merged intensities, on Dask and zarr.

>>> import dxdask
>>> store = dxdask.process("run*/*.nxs", "insulin.zarr", space_group="I213")  # doctest: +SKIP
>>> store.table("refine", "rmsds")  # doctest: +SKIP
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import os

    from dxdask.pipeline.api import (
        apply_mask,
        detector_shifts,
        detector_statistics,
        dump,
        estimate_gain,
        export,
        find_bad_pixels,
        find_spots,
        generate_mask,
        histogram,
        hits,
        import_,
        index,
        integrate,
        linearity,
        merge,
        pedestal,
        postrefine,
        process,
        quiet,
        refine,
        refine_bravais_settings,
        refine_metrology,
        scale,
        stills_process,
    )
    from dxdask.storage.store.store import Store

__version__ = version("dxdask")
__all__ = [
    "apply_mask",
    "detector_shifts",
    "detector_statistics",
    "dump",
    "estimate_gain",
    "export",
    "find_bad_pixels",
    "find_spots",
    "generate_mask",
    "histogram",
    "hits",
    "import_",
    "index",
    "integrate",
    "linearity",
    "merge",
    "open",
    "pedestal",
    "postrefine",
    "process",
    "quiet",
    "refine",
    "refine_bravais_settings",
    "refine_metrology",
    "scale",
    "stills_process",
]


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
    from dxdask.storage.store.store import Store

    return Store.open(path, mode)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("dxdask.pipeline.api"), name)
    raise AttributeError(f"module 'dxdask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps `dxdask.hits` the function, whenever the package `dxdask.hits` is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
