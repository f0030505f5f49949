"""The job `dxdask pedestal`: a dark run reduced once, for as many runs as it serves."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dxdask.calibration.parameters import DarkParameters
from dxdask.errors import InputError, ParameterError
from dxdask.parameters import parameter
from dxdask.pipeline.ensemble import import_runs
from dxdask.pipeline.import_parameters import ImportCommandParameters
from dxdask.pipeline.parameters import StepParameters
from dxdask.pipeline.run import Show
from dxdask.pipeline.step import require_kind, run_steps
from dxdask.storage.store.store import Store

ANY_WAVELENGTH = 1.0


class PedestalParameters(ImportCommandParameters, StepParameters):
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

    paths : its file, whose geometry gives the pixels of each panel; or the store of one run.
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
    kind = require_kind(store)
    run_steps(store, ["pedestal"], parameters, show, kind=kind, label="pedestal")
    return store


def _with_any_wavelength(parameters: PedestalParameters) -> PedestalParameters:
    """Return the parameters with a wavelength: there is no beam, and many files give none."""
    beam = parameters.geometry.beam
    if beam.wavelength is not None:
        return parameters
    beam = beam.model_copy(update={"wavelength": ANY_WAVELENGTH})
    geometry = parameters.geometry.model_copy(update={"beam": beam})
    return parameters.model_copy(update={"geometry": geometry})
