"""The jobs as Python functions: parameters are keywords, with the names of the command line.

A name may be shortened as there (`min_spot_size=2`); groups may be given as mappings
(`spotfinder={"filter": {"d_min": 2.0}}`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import create_model

from dxdask.parameters import Parameters
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline import ensemble
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.pipeline.dump.write import Dumped, dump_store
from dxdask.pipeline.experiments import combine, split
from dxdask.pipeline.experiments.parameters import (
    CombineParameters,
    SliceParameters,
    SplitParameters,
)
from dxdask.pipeline.export import export_store
from dxdask.pipeline.export_parameters import ExportParameters
from dxdask.pipeline.import_parameters import ImportCommandParameters
from dxdask.pipeline.metrology import shifts
from dxdask.pipeline.metrology.parameters import DetectorShiftsParameters
from dxdask.pipeline.pedestal import PedestalParameters
from dxdask.pipeline.pedestal import pedestal as run_pedestal
from dxdask.pipeline.process_parameters import process_parameters
from dxdask.pipeline.run import Show
from dxdask.pipeline.simulate import simulate as run_simulation
from dxdask.pipeline.simulate import simulation_parameters
from dxdask.pipeline.step_functions import StepFunction, quiet, show_step
from dxdask.pipeline.step_parameters import step_parameters
from dxdask.pipeline.steps import names
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline.stills.process import stills_process as run_stills
from dxdask.storage.store.store import Store
from dxdask.tables import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["quiet", "show_step"]

PathLike = str | os.PathLike[str]
P = TypeVar("P", bound=Parameters)


def __getattr__(name: str) -> StepFunction:
    """Return the function of a step."""
    if name in names():
        return StepFunction(name)
    raise AttributeError(f"dxdask has no function {name!r}")


def parameters(name: str, store: Store | PathLike | None = None) -> Any:
    """Return the parameters of a step at default: a model with one attribute a group.

    Parameters
    ----------
    name : of the step.
    store : whose runs decide between steps of this name for sweeps and for stills; None: sweeps.

    Examples
    --------
    >>> import dxdask
    >>> dxdask.parameters("find_spots").spotfinder.threshold.algorithm
    'dispersion_extended'
    """
    values, groups = step_parameters(name, None if store is None else _path(store))
    fields: dict[str, Any] = {g: (type(getattr(values, g)), getattr(values, g)) for g in groups}
    return create_model(f"{name}_parameters", __base__=Parameters, **fields)()


def import_(paths: PathLike | Sequence[PathLike], output: PathLike, **parameters: Any) -> Store:
    """Read frames, or results of another program, into a new store, or add runs to one.

    Parameters
    ----------
    paths : files, folders, patterns or templates.
    output : the store, NAME.zarr.
    **parameters : of the import, by name.

    Returns
    -------
    Store

    Examples
    --------
    >>> import dxdask
    >>> store = dxdask.import_("frames/*/*.nxs", "imported.zarr")
    >>> store.runs
    ('tiny_1', 'tiny_2', 'tiny_3')
    >>> store.frames("tiny_1").shape
    (14, 264, 256)
    """
    given = _given(ImportCommandParameters(), parameters)
    return ensemble.import_runs(_several(paths), output, given)


def process(
    paths: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    show: Show = quiet,
    **parameters: Any,
) -> Store:
    """Process an ensemble of sweeps from raw frames to merged intensities, as one graph.

    Parameters
    ----------
    paths : files, folders, patterns or templates.
    output : the store, NAME.zarr.
    show : is called with store and step when a step is complete.
    **parameters : of the import and of the steps, by name.

    Returns
    -------
    Store

    Examples
    --------
    >>> import dxdask
    >>> store = dxdask.process(
    ...     "frames/run1_*/*.nxs", "processed.zarr", space_group="I213", n_points=128
    ... )
    >>> store.has_step("merge")
    True
    """
    given = _given(process_parameters(), parameters)
    return ensemble.process(_several(paths), output, given, show)


def combine_experiments(
    paths: Sequence[Store | PathLike], output: PathLike, **parameters: Any
) -> Store:
    """Put runs of stores, or of .expt and .refl files, with their results into one new store.

    Parameters
    ----------
    paths : stores, and files that are imported.
    output : the store to make, NAME.zarr.
    **parameters : by name: `reference_from_experiment.detector`, ...

    Returns
    -------
    Store
        Its models that are equal are shared.

    Examples
    --------
    >>> import dxdask
    >>> parts = dxdask.split_experiments("tiny.zarr", experiments_prefix="part")
    >>> dxdask.combine_experiments(parts, "whole.zarr").runs
    ('tiny_1', 'tiny_2', 'tiny_3')
    """
    given = _given(CombineParameters(), parameters)
    return combine.combine_experiments([_path(p) for p in paths], output, given)


def split_experiments(store: Store | PathLike, **parameters: Any) -> list[Store]:
    """Put the runs of a store into several: one a run, a detector or a wavelength.

    Parameters
    ----------
    store : Store, or its path.
    **parameters : by name: `by_wavelength`, `output.experiments_prefix`, ...

    Returns
    -------
    list of Store

    Examples
    --------
    >>> import dxdask
    >>> [s.runs for s in dxdask.split_experiments("tiny.zarr", overwrite=True)]
    [('tiny_1',), ('tiny_2',), ('tiny_3',)]
    """
    return split.split_experiments(_path(store), _given(SplitParameters(), parameters))


def slice_sequence(store: Store | PathLike, output: PathLike, **parameters: Any) -> Store:
    """Put ranges of images of runs, and their reflections, into a new store.

    Parameters
    ----------
    store : Store, or its path.
    output : the store to make, NAME.zarr.
    **parameters : by name: `image_range`, `runs`, ...

    Returns
    -------
    Store

    Examples
    --------
    >>> import dxdask
    >>> sliced = dxdask.slice_sequence("tiny.zarr", "some.zarr", image_range=[(3, 8)])
    >>> sliced.frames("tiny_2").shape
    (6, 264, 256)
    """
    return split.slice_sequence(_path(store), output, _given(SliceParameters(), parameters))


def pedestal(
    paths: Store | PathLike | Sequence[PathLike],
    output: PathLike | None = None,
    *,
    show: Show = quiet,
    **parameters: Any,
) -> Store:
    """Reduce a dark run to pedestal, noise and bad pixels, for `calibration.dark_path`.

    Parameters
    ----------
    paths : the file of the run; or its store, without `output`.
    output : the store to make of a file, NAME.zarr.
    show : is called with store and step when the step is complete.
    **parameters : by name.

    Returns
    -------
    Store

    Examples
    --------
    >>> import dxdask
    >>> files = dxdask.simulate("raw_shots", stills=True, n_images=1, n_dark=10)
    >>> store = dxdask.pedestal("raw_shots/dark.nxs", "dark.zarr")
    >>> store.has_step("pedestal")
    True
    """
    given = _given(PedestalParameters(), parameters)
    return run_pedestal(_several(paths), output, given, show)


def stills_process(
    paths: Store | PathLike | Sequence[PathLike],
    output: PathLike | None = None,
    *,
    show: Show = quiet,
    **parameters: Any,
) -> Store:
    """Process stills from raw events to merged intensities, as one graph.

    Parameters
    ----------
    paths : files of events; or one store, whose runs are processed in place, without `output`.
    output : the store to make of files, NAME.zarr.
    show : is called with store and step when a step is complete.
    **parameters : of the import, the calibration and the steps, by name.

    Returns
    -------
    Store

    Examples
    --------
    >>> import dxdask
    >>> store = dxdask.stills_process(
    ...     "events.nxs",
    ...     "stills.zarr",
    ...     spotfinder={"threshold": {"algorithm": "dispersion"}, "filter": {"min_spot_size": 2}},
    ...     indexing={"known_symmetry": {"unit_cell": (79, 79, 38, 90, 90, 90)}},
    ... )
    >>> store.has_step("index")
    True
    """
    given = _given(StillsProcessParameters(), parameters)
    return run_stills(_several(paths), output, given, show)


def detector_shifts(
    one: Store | PathLike,
    other: Store | PathLike | None = None,
    *,
    max_hierarchy_level: int | None = None,
) -> pd.DataFrame:
    """Return the shifts and rotations of the parts of a detector, level by level.

    Parameters
    ----------
    one, other : geometries: a store, a .geom of CrystFEL, a .expt of DIALS or a .json of panels.
        One store alone: after refine_metrology against before.
    max_hierarchy_level : smallest parts, 0 is the whole; None: panels.

    Returns
    -------
    pandas.DataFrame
        One row a part.

    Examples
    --------
    >>> import dxdask
    >>> shifts = dxdask.detector_shifts("tiny.zarr", "tiny.zarr")
    >>> float(shifts["delta_xy_um"].abs().max())
    0.0
    """
    given = _given(DetectorShiftsParameters(), {"max_hierarchy_level": max_hierarchy_level})
    against = None if other is None else _path(other)
    return _frame(shifts.detector_shifts(_path(one), against, given)[1])


def detector_statistics(
    store: Store | PathLike, *, max_hierarchy_level: int | None = None
) -> pd.DataFrame:
    """Return the differences between the geometries that odd and even stills of a store give.

    Parameters
    ----------
    store : with a result of refine_metrology.
    max_hierarchy_level : smallest parts, 0 is the whole; None: panels.

    Returns
    -------
    pandas.DataFrame
        One row a part.

    Examples
    --------
    >>> import shutil
    >>> import dxdask
    >>> files = ["events.nxs", shutil.copy("events.nxs", "more_events.nxs")]
    >>> store = dxdask.stills_process(
    ...     files,
    ...     "halves.zarr",
    ...     spotfinder={"threshold": {"algorithm": "dispersion"}, "filter": {"min_spot_size": 2}},
    ...     indexing={"known_symmetry": {"unit_cell": (79, 79, 38, 90, 90, 90)}},
    ... )
    >>> store = dxdask.refine_metrology(store)
    >>> len(dxdask.detector_statistics(store)) > 0
    True
    """
    given = _given(DetectorShiftsParameters(), {"max_hierarchy_level": max_hierarchy_level})
    return _frame(shifts.detector_statistics(_path(store), given)[1])


def dump(store: Store | PathLike, folder: PathLike, **parameters: Any) -> Dumped:
    """Write events of stills into files of a folder.

    Parameters
    ----------
    store : with the events.
    folder : that the files are written to.
    **parameters : the selection of events and the format, by name.

    Returns
    -------
    Dumped
        Names of files, the number of events, problems.

    Examples
    --------
    >>> import dxdask
    >>> dumped = dxdask.dump("events.zarr", "dumped", which="indexed", max_events=2)
    >>> dumped.n_events
    2
    """
    given = _given(DumpParameters(), parameters)
    opened = store if isinstance(store, Store) else Store.open(store, mode="r")
    return dump_store(opened, folder, given)


def export(store: Store | PathLike, **parameters: Any) -> list[str]:
    """Write results in the format of another program.

    Parameters
    ----------
    store : with the results.
    **parameters : `output`, `format`, `step`, `branch` and others, by name.

    Returns
    -------
    list of str
        Names of the files written.

    Examples
    --------
    >>> import dxdask
    >>> dxdask.export("tiny.zarr", output="merged.mtz")
    ['merged.mtz']
    """
    given = _given(ExportParameters(), parameters)
    opened = store if isinstance(store, Store) else Store.open(store, mode="r")
    if "branch" in parameters:
        opened = opened.on_branch(given.branch)
    return export_store(opened, given)


def simulate(folder: PathLike, *, stills: bool = False, **parameters: Any) -> list[Path]:
    """Write simulated frames as NXmx files, with the truth beside them.

    Parameters
    ----------
    folder : that is made.
    stills : raw shots of many crystals and a dark run, instead of sweeps of one crystal.
    **parameters : of crystal, beam, detector and scan, by name.

    Returns
    -------
    list of pathlib.Path
        The file of each run.

    Examples
    --------
    >>> import dxdask
    >>> files = dxdask.simulate("made", n_images=2, transmissions=(1.0,), module_size=(96, 64))
    >>> [file.name for file in files]
    ['simulated_1.nxs']
    """
    given = _given(simulation_parameters(stills=stills), parameters)
    return run_simulation(folder, given)


def _given(default: P, parameters: dict[str, Any], groups: Sequence[str] | None = None) -> P:
    return with_assignments(default, flatten(parameters), groups)


def _several(paths: Store | PathLike | Sequence[PathLike]) -> list[PathLike]:
    one = isinstance(paths, (Store, str, os.PathLike))
    return [_path(paths)] if one else list(paths)  # type: ignore[arg-type]


def _path(store: Store | PathLike) -> PathLike:
    return store.path if isinstance(store, Store) else store


def _frame(table: Table) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([dict(row) for row in table.rows])
