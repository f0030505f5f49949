"""Simulated frames in a folder, with their truth: the job of `dxdask simulate`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from dxdask.errors import InputError
from dxdask.simulation import SimulationParameters, jet
from dxdask.simulation import simulate as simulate_frames
from dxdask.storage.exporters.simulated import write_simulation


def simulation_parameters(*, stills: bool = False) -> SimulationParameters:
    """Return the parameters at default: sweeps of one crystal, or raw shots of many."""
    return jet() if stills else SimulationParameters()


def simulate(
    folder: str | os.PathLike[str],
    parameters: SimulationParameters,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Path]:
    """Write frames and truth into a folder; return the NXmx files of the runs.

    progress : is called with the name of the run, images done and images in all.

    Raises
    ------
    InputError
        The folder holds a simulation.
    """
    target = Path(folder)
    if (target / "truth.json").exists():
        raise InputError(f"{target} holds a simulation already; give another -o FOLDER")
    return write_simulation(target, simulate_frames(parameters), progress=progress)
