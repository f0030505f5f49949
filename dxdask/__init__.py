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

    from dxdask.ledger.sums import ledger
    from dxdask.ledger.why import why
    from dxdask.pipeline.api import (
        combine_experiments,
        detector_shifts,
        detector_statistics,
        dump,
        export,
        import_,
        parameters,
        pedestal,
        process,
        quiet,
        show_step,
        simulate,
        slice_sequence,
        split_experiments,
        stills_process,
    )
    from dxdask.pipeline.step_functions import StepFunction
    from dxdask.report.comparison.compare import compare
    from dxdask.report.exploration.explore import explore
    from dxdask.report.page.make import report
    from dxdask.storage.store.store import Store

__version__ = version("dxdask")
__all__ = [
    "Store",
    "apply_mask",
    "calibrate_detector",
    "combine_experiments",
    "compare",
    "detector_shifts",
    "detector_statistics",
    "dump",
    "estimate_gain",
    "explore",
    "export",
    "find_bad_pixels",
    "find_spots",
    "generate_mask",
    "histogram",
    "hits",
    "import_",
    "index",
    "integrate",
    "ledger",
    "linearity",
    "merge",
    "open",
    "parameters",
    "pedestal",
    "postrefine",
    "process",
    "quiet",
    "refine",
    "refine_bravais_settings",
    "refine_metrology",
    "reindex",
    "reindex_integrated",
    "report",
    "scale",
    "search_beam_position",
    "show_step",
    "simulate",
    "slice_sequence",
    "split_experiments",
    "stills_process",
    "symmetry",
    "two_theta_refine",
    "why",
]

if TYPE_CHECKING:
    apply_mask: StepFunction
    calibrate_detector: StepFunction
    estimate_gain: StepFunction
    find_bad_pixels: StepFunction
    find_spots: StepFunction
    generate_mask: StepFunction
    histogram: StepFunction
    hits: StepFunction
    index: StepFunction
    integrate: StepFunction
    linearity: StepFunction
    merge: StepFunction
    postrefine: StepFunction
    refine: StepFunction
    refine_bravais_settings: StepFunction
    refine_metrology: StepFunction
    reindex: StepFunction
    reindex_integrated: StepFunction
    scale: StepFunction
    search_beam_position: StepFunction
    symmetry: StepFunction
    two_theta_refine: StepFunction


def open(path: str | os.PathLike[str], mode: Literal["r", "r+"] = "r+") -> Store:
    """Open a store; opening takes no lock.

    Parameters
    ----------
    path : of the store, NAME.zarr.
    mode : "r" to read, "r+" to read and write.

    Returns
    -------
    Store

    Raises
    ------
    StoreNotFoundError
        Nothing is at `path`.
    SchemaError
        It is no dxdask store, or one of another version.

    Examples
    --------
    >>> import dxdask
    >>> store = dxdask.open("tiny.zarr", mode="r")
    >>> store.runs
    ('tiny_1', 'tiny_2', 'tiny_3')
    """
    # imported here: the science of dxdask needs neither dask nor zarr
    from dxdask.storage.store.store import Store

    return Store.open(path, mode)


_ABOVE = {
    "compare": "dxdask.report.comparison.compare",
    "explore": "dxdask.report.exploration.explore",
    "ledger": "dxdask.ledger.sums",
    "report": "dxdask.report.page.make",
    "why": "dxdask.ledger.why",
}
"""Functions of packages above the pipeline."""


def __getattr__(name: str) -> Any:
    if name == "Store":
        return import_module("dxdask.storage.store.store").Store
    if name in _ABOVE:
        return getattr(import_module(_ABOVE[name]), name)
    if not name.startswith("_") and name in _functions():
        return getattr(import_module("dxdask.pipeline.api"), name)
    raise AttributeError(f"module 'dxdask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_functions()})


def _functions() -> set[str]:
    """Return the names of all functions: those listed, and those of steps declared elsewhere."""
    return {*__all__, *import_module("dxdask.pipeline.steps").names()}


class _Package(ModuleType):
    """Keeps `dxdask.hits` the function, whenever the package `dxdask.hits` is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

# before any kernel is declared, in every process that computes
import_module("dxdask.cluster.kernel_cache").provide_kernel_folder()
