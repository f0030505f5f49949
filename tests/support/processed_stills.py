"""A store of painted stills taken from an NXmx file to merged intensities, for what reads one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from support.made_up_stills import SIZE, panels
from support.painted_stills import WAVELENGTH
from support.still_runs import KNOWN, SPOTS, events, stills

from dxdask.models import Beam, Detector, Experiment, Scan
from dxdask.storage.exporters.nxmx import write_nxmx
from dxdask.storage.store.store import Store

PATTERN = ".xx.x"
HITS = [i for i, letter in enumerate(PATTERN) if letter == "x"]
EVENT_IDS = np.array([900, 17, 18, 21, 40])
WAVELENGTHS = WAVELENGTH * (1.0 + 1e-4 * np.arange(len(PATTERN)))
SHAPE = (len(PATTERN), 4 * SIZE[1], SIZE[0])
GIVEN: dict[str, Any] = {**SPOTS, **KNOWN}


def photons() -> NDArray[np.int32]:
    """Return the events, those with an "x" in `PATTERN` of a crystal."""
    return events(PATTERN).photons


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
    return stills([source or path], folder / "events.zarr")
