"""A simulated ensemble: its models, true values and frames, computed on request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from dxdask.arrays import Floats
from dxdask.errors import InputError
from dxdask.models import Detector, Experiment, ExperimentList
from dxdask.simulation import geometry, recording
from dxdask.simulation.footprint import Spots, profile_widths, spots_on_detector
from dxdask.simulation.parameters import SimulationParameters
from dxdask.simulation.raw import RawPixels, common_modes, raw_pixels, read_out
from dxdask.simulation.rays import rotation_rays, still_rays
from dxdask.simulation.render import N_SIGMA, add_spots
from dxdask.simulation.shots import Shots
from dxdask.simulation.structure_factors import (
    MEAN_INTENSITY,
    TrueIntensities,
)
from dxdask.simulation.truth import truth


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Runs of one known crystal; frames are computed on request, reproducibly.

    Attributes
    ----------
    parameters : of the simulation.
    experiments : the nominal geometry, as in the headers, without crystal.
    true_experiments : the true geometry and crystal; for stills one per hit.
    intensities : true intensities.
    hkl, unique : every lattice point (n, 3) and its row (n,) in `intensities`.
    bad : bad pixels. shots : of each run of stills, else empty.
    """

    parameters: SimulationParameters
    experiments: ExperimentList
    true_experiments: ExperimentList
    intensities: TrueIntensities
    hkl: NDArray[np.int32]
    unique: NDArray[np.int64]
    bad: recording.BadPixels
    shots: tuple[Shots, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Images of a run, slow, fast."""
        width, height = geometry.frame_size(self.parameters.detector)
        return self.parameters.scan.n_images, height, width

    @property
    def photon_scale(self) -> float:
        """Photons per unit of true intensity, at full transmission, before L, P and absorption."""
        return self.parameters.photons / MEAN_INTENSITY

    @property
    def detector(self) -> Detector:
        """The modules at their true positions."""
        return geometry.true_detector(self.parameters.detector)

    @cached_property
    def pixel_mask(self) -> NDArray[np.uint32]:
        """The mask (slow, fast) in the file, NXmx's bits: 0 is good."""
        return recording.pixel_mask(self.parameters.detector, self.bad)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The mask (slow, fast) in the file, True is good."""
        return np.asarray(self.pixel_mask == 0)

    @cached_property
    def background(self) -> Floats:
        """Expected background (slow, fast), photons at full transmission."""
        return recording.background(
            self.parameters.background,
            self.detector,
            shape=self.shape[1:],
            wavelength=self.parameters.beam.wavelength,
        )

    @cached_property
    def spots(self) -> Spots:
        """Every reflection of a sweep; runs differ in their transmission only."""
        experiment = self.true_experiments[0]
        widest = np.deg2rad(self.parameters.crystal.mosaicity) + 0.01
        rays = rotation_rays(self.hkl, experiment, margin=widest * N_SIGMA)
        strength = self.photon_scale * self.intensities.intensity[self.unique]
        return spots_on_detector(
            rays,
            hkl=self.hkl,
            unique=self.unique,
            strength=strength,
            beam=experiment.beam,
            detector=experiment.detector,
            goniometer=experiment.goniometer,
            parameters=self.parameters,
        )

    def still_spots(self, run: int, image: int) -> Spots:
        """Return the reflections of shot `image` (from 0) of run number `run`, photons as partial.

        The partiality of a point of radius rho, spread by mosaicity and bandwidth to sigma, with
        excitation error e, is rho / sigma exp(-e^2 / 2 sigma^2).

        Raises
        ------
        InputError
            The shot is no hit.
        """
        experiment = self._hit(run, image)
        if experiment is None or experiment.crystal is None:
            raise InputError(f"shot {image} of run {run} has no crystal; choose a hit")
        shot, crystal = self.shots[run], self.parameters.crystal
        s0 = experiment.beam.s0
        rays, error = still_rays(self.hkl, experiment.crystal.a, s0)
        two_sines = 1 / self.intensities.d[self.unique] * experiment.beam.wavelength
        k = float(np.linalg.norm(s0))
        # eps3 is a rotation about e1; by w, it moves the point |r| cos(theta) w off the sphere
        width = profile_widths(rays.s1, s0, self.parameters)[:, 2]
        sigma = width * two_sines * k * np.sqrt(1 - (two_sines / 2) ** 2)
        partiality = crystal.rlp_radius / sigma * np.exp(-0.5 * (error / sigma) ** 2)
        strength = (
            self.photon_scale * shot.fluences[image] * self.intensities.intensity[self.unique]
        )
        strong = np.abs(error) < N_SIGMA * sigma
        rays = type(rays)(**{n: getattr(rays, n)[strong] for n in ("row", "s1", "phi", "zeta")})
        return spots_on_detector(
            rays,
            hkl=self.hkl,
            unique=self.unique,
            strength=strength * partiality,
            beam=experiment.beam,
            detector=experiment.detector,
            goniometer=None,
            parameters=self.parameters,
        )

    def _hit(self, run: int, image: int) -> Experiment | None:
        """Return the true experiment of a shot; they are in the order of runs and images."""
        hits = [s.is_hit for s in self.shots]
        if not (0 <= run < len(hits) and 0 <= image < len(hits[run]) and hits[run][image]):
            return None
        before = sum(int(h.sum()) for h in hits[:run]) + int(hits[run][:image].sum())
        return self.true_experiments[before]

    def expected(self, run: int, image: int) -> Floats:
        """Return the photons expected (slow, fast) on image `image` of run `run`, both from 0."""
        frame = self.background.copy()
        if self.shots:
            if self.shots[run].is_hit[image]:
                self._add(frame, self.still_spots(run, image), None)
        else:
            self._add(frame, self.spots, image)
        return frame * self.parameters.transmissions[run]

    def frames(self, run: int, first: int, last: int) -> NDArray[np.uint16]:
        """Return images first to last - 1 of run `run`, from 0: (last - first, slow, fast) uint16.

        Raises
        ------
        InputError
            There is no such run or image.
        """
        n, slow, fast = self.shape
        if not (0 <= run < len(self.parameters.transmissions) and 0 <= first <= last <= n):
            raise InputError(
                f"no images {first} to {last} of run {run}: there are "
                f"{len(self.parameters.transmissions)} runs of {n} images, both from 0"
            )
        out = np.empty((last - first, slow, fast), dtype=np.uint16)
        for i in range(first, last):
            out[i - first] = self._recorded(self.expected(run, i), (4, run), i)
        return out

    @property
    def n_dark(self) -> int:
        """Frames of the dark run; 0 of a detector that counts photons."""
        raw = self.parameters.detector.raw
        return raw.n_dark if raw.enabled else 0

    def dark_frames(self, first: int, last: int) -> NDArray[np.uint16]:
        """Return frames first to last - 1 of the dark run, from 0: (last - first, slow, fast).

        Raises
        ------
        InputError
            There is no such frame.
        """
        if not 0 <= first <= last <= self.n_dark:
            raise InputError(f"no dark frames {first} to {last}: there are {self.n_dark}, from 0")
        none = np.zeros(self.shape[1:])
        frames = [self._recorded(none, (8,), i) for i in range(first, last)]
        return np.array(frames, dtype=np.uint16).reshape(-1, *self.shape[1:])

    @cached_property
    def raw_pixels(self) -> RawPixels:
        """Pedestal and gain of each pixel, and pixels without sensor contact."""
        p = self.parameters
        return raw_pixels(p.detector, self.bad, p.seed)

    def common_modes(self, run: int) -> Floats:
        """Return the offset (image, module), ADU, in run number `run`, from 0."""
        return self._offsets((4, run), self.shape[0])

    def _offsets(self, key: tuple[int, ...], n: int) -> Floats:
        return common_modes(self.parameters.detector, (self.parameters.seed, *key), n)

    def _recorded(self, expected: Floats, key: tuple[int, ...], i: int) -> NDArray[np.uint16]:
        detector, rng = self.parameters.detector, recording.generator
        counts = recording.recorded(
            expected,
            rng(self.parameters.seed, *key, i),
            parameters=detector,
            bad=self.bad,
            empty=recording.gaps(detector),
        )
        if not detector.raw.enabled:
            return counts
        return read_out(
            counts,
            self.raw_pixels,
            self._offsets(key, i + 1)[i],
            rng(self.parameters.seed, 9, *key, i),
            parameters=detector,
            bad=self.bad,
        )

    def _add(self, frame: Floats, spots: Spots, image: int | None) -> None:
        chosen, photons = np.arange(len(spots.x)), spots.photons
        if image is not None:
            scan = self.parameters.scan
            low = np.deg2rad(scan.start + image * scan.oscillation)
            high = low + np.deg2rad(scan.oscillation)
            angles = self._angles
            if angles:
                low, high = np.deg2rad(angles[image : image + 2])
            reach = N_SIGMA * spots.sigma_phi
            chosen = np.flatnonzero((spots.phi > low - reach) & (spots.phi < high + reach))
            c = 1 / (np.sqrt(2) * spots.sigma_phi[chosen])
            phi = spots.phi[chosen]
            photons = spots.photons[chosen] * (erf(c * (high - phi)) - erf(c * (low - phi))) / 2
        rectangles = np.array([(*p.offset, *p.image_size) for p in self.detector.panels])
        rectangles[:, 2:] += rectangles[:, :2]
        boxes = rectangles[spots.panel[chosen]].astype(np.int64)
        add_spots(
            frame,
            x=spots.x[chosen] + boxes[:, 0],
            y=spots.y[chosen] + boxes[:, 1],
            covariance=spots.covariance[chosen],
            photons=photons,
            rectangles=boxes,
        )

    @cached_property
    def _angles(self) -> tuple[float, ...]:
        scan = self.experiments[0].scan
        return () if scan is None else scan.angles

    @cached_property
    def truth(self) -> dict[str, Any]:
        """The true values, as JSON data."""
        crystal = None if self.shots else self.true_experiments.crystals[0]
        known = truth(self.parameters, bad=self.bad, crystal=crystal, shots=self.shots)
        if self._angles:
            known["angles"] = list(self._angles)
        if self.parameters.detector.raw.enabled:
            runs = range(len(self.parameters.transmissions))
            known["common_mode"] = [self.common_modes(run).tolist() for run in runs]
        return known
