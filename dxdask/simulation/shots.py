"""The shots of a run of stills: hits, orientations, wavelengths, fluences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from dxdask.arrays import Floats
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList, Scan
from dxdask.simulation.geometry import nominal_beam, nominal_detector, run_names, true_detector
from dxdask.simulation.parameters import SimulationParameters
from dxdask.simulation.recording import generator


@dataclass(frozen=True, kw_only=True, slots=True)
class Shots:
    """Shots of one run.

    is_hit: (n,) bool. u_matrices: (n, 3, 3). wavelengths: (n,) Angstrom. fluences: (n,), near 1.
    """

    is_hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    u_matrices: Floats
    wavelengths: Floats
    fluences: Floats


def shots_of_run(parameters: SimulationParameters, run: int) -> Shots:
    """Return the shots of run number `run` (from 0); orientations are uniform over rotations."""
    n = parameters.scan.n_images
    rng = generator(parameters.seed, 3, run)
    quaternions = rng.standard_normal((n, 4))
    stills = parameters.stills
    return Shots(
        u_matrices=Rotation.from_quat(quaternions).as_matrix(),
        is_hit=rng.random(n) >= stills.blank_fraction,
        wavelengths=parameters.beam.wavelength
        * (1 + stills.wavelength_jitter * rng.standard_normal(n)),
        fluences=np.exp(stills.fluence_jitter * rng.standard_normal(n)),
    )


def stills(
    parameters: SimulationParameters, shots: tuple[Shots, ...]
) -> tuple[ExperimentList, ExperimentList]:
    """Return the nominal experiments, one per run, and the true ones, one per hit."""
    detector, moved = nominal_detector(parameters.detector), true_detector(parameters.detector)
    nominal, true = [], []
    n, exposure = parameters.scan.n_images, parameters.scan.exposure
    runs = zip(run_names(parameters), parameters.transmissions, shots, strict=True)
    for name, transmission, run in runs:
        beam = nominal_beam(parameters, transmission)
        many: Beam = replace(beam, wavelengths=tuple(run.wavelengths.tolist()))
        scan = Scan(image_range=(1, n), exposure_times=(exposure,) * n)
        nominal.append(
            Experiment(identifier=name, run=name, beam=many, detector=detector, scan=scan)
        )
        hits = np.flatnonzero(run.is_hit).tolist()
        true += [
            _still(parameters, name, i, run, replace(beam, wavelengths=None), moved) for i in hits
        ]
    return ExperimentList.of(nominal), ExperimentList.of(true)


def _still(
    parameters: SimulationParameters,
    run: str,
    image: int,
    shots: Shots,
    beam: Beam,
    detector: Detector,
) -> Experiment:
    crystal = parameters.crystal
    return Experiment(
        identifier=f"{run}-{image}",
        run=run,
        beam=replace(beam, wavelength=float(shots.wavelengths[image])),
        detector=detector,
        scan=Scan(image_range=(image + 1, image + 1), exposure_times=(parameters.scan.exposure,)),
        crystal=Crystal.from_cell(
            crystal.unit_cell, u_matrix=shots.u_matrices[image], space_group=crystal.space_group
        ),
    )
