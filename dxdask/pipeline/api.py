"""The jobs as Python functions: parameters are keywords, with the names of the command line.

A name may be shortened as there (`min_spot_size=2`); groups may be given as mappings
(`spotfinder={"filter": {"d_min": 2.0}}`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dxdask.errors import InputError, ParameterError
from dxdask.parameters import Parameters
from dxdask.parameters.assignments import flatten, with_assignments
from dxdask.pipeline import ensemble
from dxdask.pipeline.catalogue import STEPS
from dxdask.pipeline.dump.parameters import DumpParameters
from dxdask.pipeline.dump.write import Dumped, dump_store
from dxdask.pipeline.export import ExportParameters, export_store
from dxdask.pipeline.import_parameters import ImportCommandParameters, ProcessParameters
from dxdask.pipeline.metrology import refine as metrology
from dxdask.pipeline.metrology import shifts
from dxdask.pipeline.metrology.parameters import (
    DetectorShiftsParameters,
    RefineMetrologyParameters,
)
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.pedestal import PedestalParameters
from dxdask.pipeline.pedestal import pedestal as run_pedestal
from dxdask.pipeline.run import Show
from dxdask.pipeline.step import run_step
from dxdask.pipeline.stills.catalogue import groups_of
from dxdask.pipeline.stills.parameters import StillsProcessParameters, StillsStepParameters
from dxdask.pipeline.stills.process import stills_process as run_stills
from dxdask.pipeline.stills.step import run_stills_step
from dxdask.storage.store.store import Store
from dxdask.tables import Table

if TYPE_CHECKING:
    import pandas as pd

PathLike = str | os.PathLike[str]
P = TypeVar("P", bound=Parameters)


def show_step(store: Store, name: str) -> None:
    """Print the messages and tables of a step; give `show=quiet` to have none."""
    for text in (*store.messages(name), *store.tables(name)):
        sys.stdout.write(f"{text}\n")


def quiet(store: Store, name: str) -> None:
    """Print nothing."""


def import_(paths: PathLike | Sequence[PathLike], output: PathLike, **parameters: Any) -> Store:
    """Read frames into a store, see `dxdask import -c` for the parameters."""
    given = _given(ImportCommandParameters(), parameters)
    return ensemble.import_runs(_several(paths), output, given)


def process(
    paths: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    show: Show = show_step,
    **parameters: Any,
) -> Store:
    """Take an ensemble of sweeps from raw frames to merged intensities, see `dxdask process -c`."""
    given = _given(ProcessParameters(), parameters)
    return ensemble.process(_several(paths), output, given, show)


def pedestal(
    paths: Store | PathLike | Sequence[PathLike],
    output: PathLike | None = None,
    *,
    show: Show = show_step,
    **parameters: Any,
) -> Store:
    """Reduce a dark run to pedestal, noise and bad pixels, for `calibration.dark_path`.

    paths : its file; or its store (no output).
    """
    given = _given(PedestalParameters(), parameters)
    return run_pedestal(_several(paths), output, given, show)


def stills_process(
    paths: Store | PathLike | Sequence[PathLike],
    output: PathLike | None = None,
    *,
    show: Show = show_step,
    **parameters: Any,
) -> Store:
    """Take stills from raw events to merged intensities, see `dxdask stills_process -c`.

    paths : files of events; or one store, whose runs are processed where they are (no output).
    """
    given = _given(StillsProcessParameters(), parameters)
    return run_stills(_several(paths), output, given, show)


def hits(store: Store | PathLike, *, show: Show = show_step, **parameters: Any) -> Store:
    """Tell which events of a store show a crystal, by the spots found on them."""
    return _stills_step(store, "hits", show, parameters)


def postrefine(store: Store | PathLike, *, show: Show = show_step, **parameters: Any) -> Store:
    """Post-refine and merge the integrated stills of a store."""
    return _stills_step(store, "postrefine", show, parameters)


def refine_metrology(
    store: Store | PathLike, *, show: Show = show_step, **parameters: Any
) -> Store:
    """Refine where the panels are, from all indexed stills of a store, see the command's `-c`."""
    given = _given(RefineMetrologyParameters(), parameters)
    if given.output.picture is not None:
        raise ParameterError(
            f"output.picture={given.output.picture} is of the command line; draw with "
            "dxdask.report.plot_metrology(store)"
        )
    return metrology.refine_metrology(_path(store), given, show)


def detector_shifts(
    one: Store | PathLike,
    other: Store | PathLike | None = None,
    *,
    max_hierarchy_level: int | None = None,
) -> pd.DataFrame:
    """Return how the parts of a detector lie in `other` against `one`, level by level.

    Each is a store, a .geom of CrystFEL, a .expt of DIALS or a .json of panels; one store alone:
    after refine_metrology against before. max_hierarchy_level : smallest parts, 0 is the whole.
    """
    given = _given(DetectorShiftsParameters(), {"max_hierarchy_level": max_hierarchy_level})
    against = None if other is None else _path(other)
    return _frame(shifts.detector_shifts(_path(one), against, given)[1])


def detector_statistics(
    store: Store | PathLike, *, max_hierarchy_level: int | None = None
) -> pd.DataFrame:
    """Return how the geometries lie apart that odd and even stills of a store give."""
    given = _given(DetectorShiftsParameters(), {"max_hierarchy_level": max_hierarchy_level})
    return _frame(shifts.detector_statistics(_path(store), given)[1])


def run(store: Store | PathLike, name: str, *, show: Show = show_step, **parameters: Any) -> Store:
    """Run the step of this name on a store, see `dxdask NAME -c`; return the store."""
    given = _given(StepParameters(), parameters, (*STEPS[name].groups, "cluster", "force"))
    if isinstance(store, Store) and store.mode == "r":
        raise InputError(f'{store.path} is open for reading; open it with mode="r+" to run {name}')
    return run_step(_path(store), name, given, show)


def find_spots(store: Store | PathLike, **parameters: Any) -> Store:
    """Find the strong spots of every run."""
    return run(store, "find_spots", **parameters)


def index(store: Store | PathLike, **parameters: Any) -> Store:
    """Find the lattice and index the spots of all runs."""
    return run(store, "index", **parameters)


def refine_bravais_settings(store: Store | PathLike, **parameters: Any) -> Store:
    """Try the Bravais settings of the lattice."""
    return run(store, "refine_bravais_settings", **parameters)


def refine(store: Store | PathLike, **parameters: Any) -> Store:
    """Refine crystal, detector and beam jointly over the runs."""
    return run(store, "refine", **parameters)


def integrate(store: Store | PathLike, **parameters: Any) -> Store:
    """Predict and integrate the reflections of every run."""
    return run(store, "integrate", **parameters)


def scale(store: Store | PathLike, **parameters: Any) -> Store:
    """Put all observations on one scale."""
    return run(store, "scale", **parameters)


def merge(store: Store | PathLike, **parameters: Any) -> Store:
    """Merge to unique reflections."""
    return run(store, "merge", **parameters)


def histogram(store: Store | PathLike, **parameters: Any) -> Store:
    """Count the pixel values of each run's indexed spots."""
    return run(store, "histogram", **parameters)


def linearity(store: Store | PathLike, **parameters: Any) -> Store:
    """Compare matched reflections between the runs."""
    return run(store, "linearity", **parameters)


def generate_mask(store: Store | PathLike, **parameters: Any) -> Store:
    """Make a mask of borders, regions, resolutions and ice rings."""
    return run(store, "generate_mask", **parameters)


def apply_mask(store: Store | PathLike, **parameters: Any) -> Store:
    """Use masks of files or steps from now on; `mask=None` takes away what was applied."""
    return run(store, "apply_mask", **parameters)


def estimate_gain(store: Store | PathLike, **parameters: Any) -> Store:
    """Estimate counts per photon of each run."""
    return run(store, "estimate_gain", **parameters)


def find_bad_pixels(store: Store | PathLike, **parameters: Any) -> Store:
    """Find dead, hot and strong pixels; `apply_mask` with `mask="find_bad_pixels"` masks them."""
    return run(store, "find_bad_pixels", **parameters)


def dump(store: Store | PathLike, folder: PathLike, **parameters: Any) -> Dumped:
    """Write chosen events into files of a folder, see `dxdask dump -c`; return what was written."""
    given = _given(DumpParameters(), parameters)
    opened = store if isinstance(store, Store) else Store.open(store, mode="r")
    return dump_store(opened, folder, given)


def export(store: Store | PathLike, **parameters: Any) -> list[str]:
    """Write results in another program's format, see `dxdask export -c`; return the files."""
    given = _given(ExportParameters(), parameters)
    opened = store if isinstance(store, Store) else Store.open(store, mode="r")
    return export_store(opened, given)


def _stills_step(
    store: Store | PathLike, command: str, show: Show, parameters: dict[str, Any]
) -> Store:
    given = _given(StillsStepParameters(), parameters, groups_of(command))
    return run_stills_step(_path(store), command, given, show)


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
