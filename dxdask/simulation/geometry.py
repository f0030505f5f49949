"""The experiments of a simulation: nominal, as in the header, and true."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.vectors import rotation_matrix, vector
from dxdask.simulation.parameters import (
    DetectorParameters,
    ScanParameters,
    SimulationParameters,
)


def nominal_detector(parameters: DetectorParameters) -> Detector:
    """Return the detector of the header."""
    if parameters.header == "one_panel":
        width, height = frame_size(parameters)
        return Detector(panels=(_panel(parameters, "frame", 0, (width, height), (0.0, 0.0)),))
    return Detector(panels=_modules(parameters, ((0.0, 0.0),) * len(parameters.module_shifts)))


def true_detector(parameters: DetectorParameters) -> Detector:
    """Return the modules at their true positions, one panel each."""
    angles = parameters.module_rotations or (0.0,) * len(parameters.module_shifts)
    panels = _modules(parameters, parameters.module_shifts)
    return Detector(panels=tuple(_rotated(p, a) for p, a in zip(panels, angles, strict=True)))


def frame_size(parameters: DetectorParameters) -> tuple[int, int]:
    """Return the size of the stored frame along fast and slow, pixels."""
    width, height = parameters.module_size
    n = len(parameters.module_shifts)
    return width, n * height + (n - 1) * parameters.gap


def module_rows(parameters: DetectorParameters) -> tuple[slice, ...]:
    """Return the rows of the stored frame of each module."""
    size, pitch = parameters.module_size[1], parameters.module_size[1] + parameters.gap
    return tuple(slice(i * pitch, i * pitch + size) for i in range(len(parameters.module_shifts)))


def _modules(
    parameters: DetectorParameters, shifts: tuple[tuple[float, float], ...]
) -> tuple[Panel, ...]:
    return tuple(
        _panel(parameters, f"m{i}", rows.start, parameters.module_size, shift)
        for i, (rows, shift) in enumerate(zip(module_rows(parameters), shifts, strict=True))
    )


def _rotated(panel: Panel, angle: float) -> Panel:
    """Return the panel rotated in its plane about its centre by an angle, degree."""
    if angle == 0.0:
        return panel
    return panel.moved(rotation_matrix(panel.normal, np.deg2rad(angle)), about=panel.centre)


def _panel(
    parameters: DetectorParameters,
    name: str,
    row: int,
    size: tuple[int, int],
    shift: tuple[float, float],
) -> Panel:
    pixel, (centre_x, centre_y) = parameters.pixel_size, parameters.beam_centre
    origin = (
        (shift[0] - centre_x) * pixel,
        -(row + shift[1] - centre_y) * pixel,
        -parameters.distance,
    )
    return Panel(
        name=name,
        origin=vector(origin),
        pixel_size=(pixel, pixel),
        image_size=size,
        offset=(0, row),
        trusted_range=(-1.0, float(parameters.largest_value)),
        thickness=parameters.thickness,
        material=parameters.material,
        mu=parameters.absorption,
        use_parallax=True,
    )


def orientation_matrix(
    parameters: SimulationParameters,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return U (3, 3)."""
    rotation = np.deg2rad(parameters.crystal.orientation)
    angle = float(np.linalg.norm(rotation))
    return rotation_matrix(rotation, angle) if angle > 0 else np.eye(3)


def run_names(parameters: SimulationParameters) -> tuple[str, ...]:
    """Return the name of each run, which is the stem of its file."""
    return tuple(f"{parameters.name}_{i + 1}" for i in range(len(parameters.transmissions)))


def sweeps(parameters: SimulationParameters) -> tuple[ExperimentList, ExperimentList]:
    """Return the nominal experiments (no crystal) and the true ones, one per run."""
    crystal = Crystal.from_cell(
        parameters.crystal.unit_cell,
        u_matrix=orientation_matrix(parameters),
        space_group=parameters.crystal.space_group,
    )
    scan = parameters.scan
    run_scan = Scan(
        image_range=(1, scan.n_images),
        oscillation=(scan.start, scan.oscillation),
        exposure_times=(scan.exposure,) * scan.n_images,
        angles=uneven_angles(scan, parameters.seed),
    )
    goniometer, detector = Goniometer(), nominal_detector(parameters.detector)
    nominal, true = [], []
    moved = true_detector(parameters.detector)
    for name, transmission in zip(run_names(parameters), parameters.transmissions, strict=True):
        experiment = Experiment(
            identifier=name,
            run=name,
            beam=nominal_beam(parameters, transmission),
            detector=detector,
            goniometer=goniometer,
            scan=run_scan,
        )
        nominal.append(experiment)
        true.append(replace(experiment, detector=moved, crystal=crystal))
    return ExperimentList.of(nominal), ExperimentList.of(true)


def uneven_angles(scan: ScanParameters, seed: int) -> tuple[float, ...]:
    """Return the angles (n_images + 1), degree, at the ends of images; empty of even ones.

    The axis goes forward by a tenth of a width or more during each image.
    """
    if scan.angle_jitter == 0.0 and scan.slow_images == 0:
        return ()
    n, slow = scan.n_images, scan.slow_images
    speed = np.minimum(np.arange(1, n + 1) / (slow + 1), 1.0)
    off = np.random.default_rng((seed, 11)).uniform(-1.0, 1.0, n + 1)
    places = np.concatenate([[0.0], np.cumsum(speed)]) + np.sqrt(3.0) * scan.angle_jitter * off
    steps = np.maximum(np.diff(places), 0.1)
    angles = places[0] + np.concatenate([[0.0], np.cumsum(steps)])
    return tuple((scan.start + scan.oscillation * angles).tolist())


def nominal_beam(parameters: SimulationParameters, transmission: float) -> Beam:
    """Return the beam of a run."""
    beam = parameters.beam
    return Beam(
        wavelength=beam.wavelength,
        polarization_fraction=beam.polarization_fraction,
        transmission=transmission,
    )


def corner_resolution(detector: Detector, wavelength: float) -> float:
    """Return the finest spacing (Angstrom) that reaches a corner of the detector, beam along -z."""
    finest = np.inf
    for panel in detector.panels:
        width, height = panel.image_size
        corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], dtype=np.float64)
        points = panel.lab_coordinates(corners * panel.pixel_size)
        cosines = -points[:, 2] / np.linalg.norm(points, axis=1)
        finest = min(finest, float((wavelength / np.sqrt(2 * (1 - cosines))).min()))
    return finest
