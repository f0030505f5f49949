"""Adjustments of a run by the parameters of the import: geometry, mask, link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError, ParameterError
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.geometry import overridden
from dxdask.storage.importers.geometry_check import geometry_problems
from dxdask.storage.importers.missing import require_complete, with_given_panels
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.reference_geometry import with_reference


def adjusted(
    run: RunSource, parameters: ImportParameters, mask: NDArray[np.bool_] | None
) -> RunSource:
    """Return the run with the user's overrides; `mask` (slow, fast) is true for good pixels.

    Raises
    ------
    FormatError
        The files lack a value that was not given either.
    ParameterError, InputError
        What was given contradicts itself or the frames.
    """
    run = with_given_panels(run, parameters.geometry.detector.panel)
    run = with_reference(run, parameters.input)
    require_complete(run, parameters)
    experiment = overridden(run.experiment, parameters.geometry)
    scan = experiment.scan
    if parameters.convert_stills and scan is not None:
        scan = replace(scan, oscillation=(scan.oscillation[0], 0.0), angles=())
        experiment = replace(experiment, scan=scan, goniometer=None)
    experiment = replace(experiment, identifier=run.name)
    columns = dict(run.columns)
    if parameters.geometry.scan.oscillation is not None and scan is not None:
        start, width = scan.oscillation
        columns["angle"] = start + width * np.arange(run.shape[0], dtype=np.float64)
    n_images = run.shape[0]
    for name in ("wavelength", "transmission"):
        value = getattr(parameters.geometry.beam, name)
        if value is not None:
            columns[name] = np.full(n_images, value)
    good = run.mask
    if mask is not None:
        if mask.shape != run.shape[1:]:
            raise InputError(
                f"lookup.mask={parameters.lookup.mask} is {mask.shape}, the frames of run "
                f"{run.name} {run.shape[1:]} (slow, fast)"
            )
        good = good & mask
    extra = () if parameters.lookup.mask is None else (parameters.lookup.mask,)
    return replace(
        run,
        experiment=experiment,
        columns=columns,
        mask=good,
        files=(*run.files, *extra),
        missing=(),
        problems=(*run.problems, *geometry_problems(experiment)),
    )


def with_manifest(run: RunSource, parameters: ImportParameters) -> RunSource:
    """Return the run with the chunk manifest of its frames, to be linked.

    Raises
    ------
    ParameterError
        Chunks of another size are requested.
    FormatError
        Its frames cannot be linked.
    """
    if parameters.images_per_chunk != 1:
        raise ParameterError(
            f"images_per_chunk={parameters.images_per_chunk} contradicts link=true: chunks stay as "
            "they are in the files; leave one of the two out"
        )
    try:
        return replace(run, manifest=run.locate())
    except FormatError as error:
        raise FormatError(
            f"run {run.name} cannot be linked: {error}; import it with link=false"
        ) from error
