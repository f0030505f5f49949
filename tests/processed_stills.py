"""A store of painted stills taken from an NXmx file to merged intensities, for what reads one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from made_up_stills import CELL, SIZE, panels
from numpy.typing import NDArray
from painted_stills import WAVELENGTH, painted

import dxdask
from dxdask.assignments import flatten, with_assignments
from dxdask.models import Beam, Detector, Experiment, Scan
from dxdask.pipeline.stills.parameters import StillsProcessParameters
from dxdask.pipeline.stills.process import stills_process
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.store import Store

PATTERN = ".xx.x"
EVENT_IDS = np.array([900, 17, 18, 21, 40])
WAVELENGTHS = WAVELENGTH * (1.0 + 1e-4 * np.arange(len(PATTERN)))
SHAPE = (len(PATTERN), 4 * SIZE[1], SIZE[0])
GIVEN: dict[str, Any] = {
    "indexing.known_symmetry.unit_cell": CELL,
    "indexing.known_symmetry.space_group": "P43212",
    "spotfinder.threshold.algorithm": "dispersion",
    "spotfinder.threshold.dispersion.global_threshold": 4,
    "spotfinder.filter.min_spot_size": 2,
    "cluster.kind": "synchronous",
}


def photons() -> NDArray[np.int32]:
    """Return the events, those with an "x" in `PATTERN` of a crystal."""
    frames = [
        painted(i).frame if letter == "x" else np.random.default_rng(i).poisson(1.0, SHAPE[1:])
        for i, letter in enumerate(PATTERN)
    ]
    return np.array(frames, dtype=np.int32)


def experiment() -> Experiment:
    """Return the models of the run; each event has a wavelength of its own.

    The sensor is so thin that places in it are what they were painted for.
    """
    beam = Beam(wavelength=WAVELENGTH, wavelengths=tuple(WAVELENGTHS.tolist()))
    scan = Scan(image_range=(1, SHAPE[0]), oscillation=(0.0, 0.0))
    thin = tuple(replace(p, material="Si", thickness=0.001) for p in panels().panels)
    detector = Detector(panels=thin)
    return Experiment(identifier="", run="events", beam=beam, detector=detector, scan=scan)


def processed_stills(folder: Path, source: str | None = None) -> Store:
    """Process the events into a store in `folder`: those of `source`, else written here as NXmx."""
    path = folder / "events.nxs"
    if source is None:
        mask = np.zeros(SHAPE[1:], np.uint32)
        mask[5, 7] = 1
        write_nxmx(
            path, experiment(), photons(), shape=SHAPE, dtype=np.int32, pixel_mask=mask,
            columns={"event_id": EVENT_IDS},
        )  # fmt: skip
    parameters = with_assignments(StillsProcessParameters(), flatten(GIVEN))
    return stills_process([source or path], folder / "events.zarr", parameters, dxdask.quiet)
