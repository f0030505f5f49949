"""The ensemble that parameters describe: geometry, intensities, shots and bad pixels."""

from __future__ import annotations

from dxdask.simulation import geometry, recording
from dxdask.simulation.parameters import SimulationParameters
from dxdask.simulation.shots import Shots, shots_of_run, stills
from dxdask.simulation.simulation import Simulation
from dxdask.simulation.structure_factors import equivalents, true_intensities


def simulate(parameters: SimulationParameters) -> Simulation:
    """Return the ensemble of the parameters; its frames are computed on request.

    Raises
    ------
    InputError
        The cell does not fit the space group, or there are no, or too many, reflections.
    """
    detector = geometry.true_detector(parameters.detector)
    crystal = parameters.crystal
    d_min = crystal.d_min or geometry.corner_resolution(detector, parameters.beam.wavelength)
    intensities = true_intensities(
        unit_cell=crystal.unit_cell,
        symbol=crystal.space_group,
        d_min=d_min,
        b_iso=crystal.b_iso,
        seed=parameters.seed,
    )
    hkl, unique = equivalents(intensities.hkl, crystal.space_group)
    shots: tuple[Shots, ...] = ()
    if parameters.mode == "stills":
        shots = tuple(shots_of_run(parameters, i) for i in range(len(parameters.transmissions)))
        nominal, true = stills(parameters, shots)
    else:
        nominal, true = geometry.sweeps(parameters)
    return Simulation(
        parameters=parameters,
        experiments=nominal,
        true_experiments=true,
        intensities=intensities,
        hkl=hkl,
        unique=unique,
        bad=recording.bad_pixels(parameters.detector, parameters.seed),
        shots=shots,
    )
