"""Parameters of the simulation: crystal, beam, detector with its faults, scan."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from dxdask.parameters import Parameters, parameter

# NIST's mass attenuation at 13.776 and 9.537 keV times 2.33 g/cm^3, 1/mm.
SILICON_AT_0_9_A = 3.0910627414814282
SILICON_AT_1_3_A = 9.05792062343553
LARGEST_RAW = 65535


class CrystalParameters(Parameters):
    """The crystal that is simulated."""

    unit_cell: tuple[float, float, float, float, float, float] = parameter(
        (78.0, 78.0, 78.0, 90.0, 90.0, 90.0), "a, b, c, alpha, beta, gamma", unit="A, degree"
    )
    space_group: str = parameter("I 21 3", "symbol or number of the space group")
    d_min: float | None = parameter(
        None,
        "smallest d of reflections. None: that of the detector's corners",
        unit="A",
        gt=0,
    )
    b_iso: float = parameter(
        18.0, "fall-off of the mean intensity, exp(-B / 2d^2)", unit="A^2", ge=0
    )
    orientation: tuple[float, float, float] = parameter(
        (31.0, -52.0, 17.0), "U as a rotation vector, laboratory frame", unit="degree"
    )
    mosaicity: float = parameter(
        0.15, "rms misorientation of the domains about any axis", unit="degree", ge=0
    )
    rlp_radius: float = parameter(
        2e-4, "rms radius of a reciprocal lattice point along any axis", unit="1/A", gt=0
    )


class BeamParameters(Parameters):
    """The incident beam."""

    wavelength: float = parameter(0.9, "wavelength", unit="A", gt=0)
    bandwidth: float = parameter(1e-4, "rms of the relative spread of wavelengths", ge=0)
    divergence: float = parameter(0.005, "rms divergence", unit="degree", ge=0)
    polarization_fraction: float = parameter(
        0.999, "fraction polarised in the horizontal plane; 0.5 is unpolarised", ge=0, le=1
    )


class GainSwitchParameters(Parameters):
    """A detector that switches its gain at a count, with an error of the second gain."""

    enabled: bool = parameter(True, "enable the error of the second gain")
    threshold: int = parameter(30, "smallest count of the second gain", gt=0)
    factor: float = parameter(1.02, "recorded = round(factor * count) + offset", gt=0)
    offset: int = parameter(1, "recorded = round(factor * count) + offset", ge=0)


class RawParameters(Parameters):
    """A detector that records ADU, without calibration."""

    enabled: bool = parameter(False, "record frames in ADU, with a dark run")
    pedestal: float = parameter(1000.0, "mean of all pixels without photons", unit="ADU", ge=0)
    pedestal_spread: float = parameter(40.0, "rms over pixels", unit="ADU", ge=0)
    noise: float = parameter(3.0, "rms of a pixel from frame to frame", unit="ADU", ge=0)
    gain: float = parameter(7.0, "mean of all pixels", unit="ADU/photon", gt=0)
    gain_spread: float = parameter(0.02, "relative rms over pixels", ge=0, le=0.2)
    common_mode: float = parameter(
        6.0, "rms of the offset that a module's pixels share in a frame", unit="ADU", ge=0
    )
    n_unbonded: int = parameter(0, "pixels without sensor contact per module", ge=0)
    n_dark: int = parameter(24, "frames of the dark run", gt=0)


class DetectorParameters(Parameters):
    """Modules one below the other in one array, with their positions and faults."""

    distance: float = parameter(110.0, "from the sample to the sensor's front", unit="mm", gt=0)
    beam_centre: tuple[float, float] = parameter(
        (255.2, 265.6), "beam centre along fast and slow of the stored frame", unit="px"
    )
    module_size: tuple[int, int] = parameter((512, 256), "of a module, fast and slow", unit="px")
    gap: int = parameter(16, "rows between modules", unit="px", ge=0)
    module_shifts: tuple[tuple[float, float], ...] = parameter(
        ((0.0, 0.0), (0.3, 1.5)),
        "one pair per module: true less nominal position, fast and slow",
        unit="px",
        min_length=1,
    )
    module_rotations: tuple[float, ...] = parameter(
        (),
        "one per module: true rotation in its plane about its centre; default: none",
        unit="degree",
    )
    header: Literal["modules", "one_panel"] = parameter(
        "modules", "panels in the header: one per module, or one for the whole frame"
    )
    pixel_size: float = parameter(0.15, "of the square pixels", unit="mm", gt=0)
    material: str = parameter("Si", "of the sensor")
    thickness: float = parameter(0.32, "of the sensor", unit="mm", gt=0)
    mu: float | None = parameter(
        None,
        "absorption of the sensor (default: silicon at 0.9 A; otherwise required)",
        unit="1/mm",
        gt=0,
    )
    psf_sigma: float = parameter(0.7, "point spread", unit="px", ge=0.3)
    saturation: int = parameter(10000, "largest count recorded", gt=0, lt=65535)
    gain_switch: GainSwitchParameters = GainSwitchParameters()
    n_dead: int = parameter(40, "dead pixels; every second one is in the mask", ge=0)
    n_hot: int = parameter(20, "hot pixels; every second one is in the mask", ge=0)
    raw: RawParameters = RawParameters()

    @model_validator(mode="after")
    def _a_rotation_for_each_module(self) -> DetectorParameters:
        n = len(self.module_shifts)
        if len(self.module_rotations) not in (0, n):
            raise ValueError(
                f"detector.module_rotations has {len(self.module_rotations)} values and "
                f"detector.module_shifts {n}: give one of each for every module"
            )
        return self

    @property
    def largest_value(self) -> int:
        """Largest trusted value of a pixel."""
        return LARGEST_RAW if self.raw.enabled else self.saturation

    @property
    def absorption(self) -> float:
        """Absorption of the sensor, 1/mm."""
        return SILICON_AT_0_9_A if self.mu is None else self.mu


class ScanParameters(Parameters):
    """The images of a run."""

    n_images: int = parameter(45, "images per run (shots, for stills)", gt=0)
    start: float = parameter(0.0, "angle at the start of the first image", unit="degree")
    oscillation: float = parameter(0.8, "rotation during one image", unit="degree", gt=0)
    exposure: float = parameter(0.05, "of one image", unit="s", gt=0)
    angle_jitter: float = parameter(
        0.0, "rms departure of the images' angles from even steps", unit="widths", ge=0, le=1
    )
    slow_images: int = parameter(0, "first images during which the axis speeds up", ge=0)


class BackgroundParameters(Parameters):
    """Photons per pixel of the background, at full transmission."""

    flat: float = parameter(0.05, "uniform background", unit="photons/px", ge=0)
    radial: float = parameter(0.6, "air scatter at the beam centre", unit="photons/px", ge=0)
    radial_sigma: float = parameter(
        10.0, "width in 2 theta of the air scatter", unit="degree", gt=0
    )
    ring: float = parameter(0.3, "height of the solvent's ring", unit="photons/px", ge=0)
    ring_d: float = parameter(3.3, "spacing of the solvent's ring", unit="A", gt=0)
    ring_sigma: float = parameter(0.05, "width of the ring in 1/d", unit="1/A", gt=0)


class StillsParameters(Parameters):
    """Shots, each of another crystal or of none."""

    blank_fraction: float = parameter(0.3, "shots without a crystal", ge=0, le=1)
    wavelength_jitter: float = parameter(1e-3, "rms relative change of wavelength per shot", ge=0)
    fluence_jitter: float = parameter(0.3, "rms of the logarithm of a shot's brightness", ge=0)


class SimulationParameters(Parameters):
    """All parameters of a simulation; the same parameters give the same frames."""

    mode: Literal["rotation", "stills"] = parameter("rotation", "sweeps or stills")
    name: str = parameter("simulated", "of the crystal: stem of the file names")
    seed: int = parameter(2024, "of all random numbers", ge=0)
    transmissions: tuple[float, ...] = parameter(
        (0.064, 0.127, 0.253, 0.503, 1.0), "one run for each", min_length=1
    )
    photons: float = parameter(
        150.0, "mean photons of a reflection at full transmission before L, P and absorption", ge=0
    )
    crystal: CrystalParameters = CrystalParameters()
    beam: BeamParameters = BeamParameters()
    detector: DetectorParameters = DetectorParameters()
    scan: ScanParameters = ScanParameters()
    background: BackgroundParameters = BackgroundParameters()
    stills: StillsParameters = StillsParameters()

    @model_validator(mode="after")
    def _transmissions_are_fractions(self) -> SimulationParameters:
        if not all(0 < t <= 1 for t in self.transmissions):
            raise ValueError(
                f"transmissions {self.transmissions}: each must be above 0 and at most 1"
            )
        return self

    @model_validator(mode="after")
    def _absorption_is_known(self) -> SimulationParameters:
        default = (self.beam.wavelength, self.detector.material) == (0.9, "Si")
        if self.detector.mu is None and not default:
            raise ValueError(
                f"detector.mu is known for Si at 0.9 A only: give it for "
                f"{self.detector.material} at {self.beam.wavelength} A, in 1/mm"
            )
        return self


def jet(**changes: object) -> SimulationParameters:
    """Return parameters of raw shots of lysozyme crystals in a jet, on four displaced modules.

    As at an X-ray laser: ADU with pedestal, gain and common mode, and a dark run.
    """
    values: dict[str, object] = {
        "mode": "stills",
        "name": "jet",
        "transmissions": (1.0,),
        "photons": 2000.0,
        "crystal": {
            "unit_cell": (79.2, 79.2, 38.0, 90.0, 90.0, 90.0),
            "space_group": "P 43 21 2",
            "mosaicity": 0.03,
            "b_iso": 20.0,
        },
        "beam": {"wavelength": 1.3, "bandwidth": 1e-3, "divergence": 0.002},
        "detector": {
            "beam_centre": (200.3, 206.8),
            "module_size": (400, 92),
            "gap": 12,
            "module_shifts": ((0.5, -0.4), (-0.3, 0.2), (0.2, 0.6), (-0.6, -0.2)),
            "module_rotations": (0.05, -0.08, 0.03, 0.06),
            "pixel_size": 0.2,
            "mu": SILICON_AT_1_3_A,
            "gain_switch": {"enabled": False},
            "raw": {"enabled": True},
        },
        "scan": {"n_images": 120, "exposure": 1 / 120},
        "stills": {"blank_fraction": 0.6},
    }
    return SimulationParameters.model_validate(values | changes)
