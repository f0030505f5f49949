"""The job `dxdask pedestal`: a dark run reduced once, for as many runs as it serves."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from dask.delayed import delayed

from dxdask.calibration.parameters import DarkParameters
from dxdask.calibration.result import dark_result
from dxdask.cluster.client import open_cluster
from dxdask.errors import InputError, ParameterError
from dxdask.graphs.dark import pedestal as reduced
from dxdask.parameters import parameter
from dxdask.pipeline.catalogue import Step
from dxdask.pipeline.ensemble import import_runs
from dxdask.pipeline.frames import stored
from dxdask.pipeline.import_parameters import ImportCommandParameters
from dxdask.pipeline.plan import Plan, add_result, is_found
from dxdask.pipeline.run import Show, run_plan
from dxdask.storage.store.store import Store

PEDESTAL = Step(
    name="pedestal",
    title="Reduce a dark run to pedestal, noise and bad pixels.",
    needs=(),
    groups=("dark",),
    reads_frames=True,
)
ANY_WAVELENGTH = 1.0


class PedestalParameters(ImportCommandParameters):
    """Parameters of `dxdask pedestal`."""

    link: bool = parameter(True, "Leave the frames in their files, to which the store then refers.")
    dark: DarkParameters = DarkParameters()


def pedestal(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str] | None,
    parameters: PedestalParameters,
    show: Show,
) -> Store:
    """Reduce a dark run and return the store, which `calibration.dark_path` may then name.

    paths : its file, whose geometry says which pixels are of one panel; or the store of one run.
    output : the store to make of a file.

    Raises
    ------
    ParameterError
        A file without an output, or a store with one.
    InputError
        Not one run, or too few frames.
    """
    is_store = len(paths) == 1 and Path(paths[0]).suffix == ".zarr"
    if is_store == (output is not None):
        given = ", ".join(map(str, paths)) or "nothing"
        raise ParameterError(
            f"dxdask pedestal takes a file and -o NAME.zarr, or a store; got {given} and "
            f"-o {output or 'not given'}"
        )
    if output is None:
        store = Store.open(paths[0])
    else:
        store = import_runs(paths, output, _with_any_wavelength(parameters))
    if len(store.runs) != 1:
        raise InputError(
            f"{store.path} holds {len(store.runs)} runs ({', '.join(store.runs) or 'none'}); a "
            "dark run is one: give its file alone"
        )
    with store.writing(), open_cluster(parameters.cluster) as cluster:
        run_plan(store, _plan(store, parameters), cluster, show, label="pedestal")
    return store


def _with_any_wavelength(parameters: PedestalParameters) -> PedestalParameters:
    """Return the parameters with a wavelength: there is no beam, and many a file says none."""
    beam = parameters.geometry.beam
    if beam.wavelength is not None:
        return parameters
    beam = beam.model_copy(update={"wavelength": ANY_WAVELENGTH})
    geometry = parameters.geometry.model_copy(update={"beam": beam})
    return parameters.model_copy(update={"geometry": geometry})


def _plan(store: Store, parameters: PedestalParameters) -> Plan:
    (run,), plan, started = store.runs, Plan(), time.time()
    given = {"dark": parameters.dark.model_dump(mode="json")}
    prints = [store.frames_fingerprint(run)]
    if is_found(plan, store, PEDESTAL, given, prints, force=parameters.force):
        return plan
    frames = stored(store, run)
    experiment = store.run_experiment(run)
    dark = reduced(frames.array(), experiment.detector, parameters.dark)
    result = delayed(dark_result, pure=True)(dark, experiment)
    plan.reads[PEDESTAL.name] = [frames]
    add_result(plan, store, PEDESTAL, result, given, started)
    return plan
