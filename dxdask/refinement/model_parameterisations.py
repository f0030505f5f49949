"""Parameterisations of single models: names and initial values of parameters, and the model.

Each is fixed at the start of refinement; `compose` returns the state of the model and its
derivatives at any values of the parameters. They are those of Waterman et al. (2016), Acta Cryst.
D72, 558.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dxdask.arrays import Floats
from dxdask.models import Beam, Crystal, Detector, Group
from dxdask.models.metric import rotations_of, symmetric_metric
from dxdask.models.vectors import unit, vector
from dxdask.refinement import cell
from dxdask.refinement.rotations import product


@dataclass(frozen=True, kw_only=True, slots=True)
class CrystalOrientationParameterisation:
    """U = Phi3 Phi2 Phi1 U0: rotations about the laboratory axes, mrad."""

    u_start: Floats
    names = ("Phi1", "Phi2", "Phi3")

    @classmethod
    def of(cls, crystal: Crystal) -> CrystalOrientationParameterisation:
        """Return the parameterisation of a crystal's orientation."""
        return cls(u_start=crystal.u)

    @property
    def start(self) -> Floats:
        """Values (3,) at the start."""
        return np.zeros(3)

    def compose(self, values: Floats) -> tuple[Floats, Floats]:
        """Return U (3, 3) and its derivatives (3, 3, 3)."""
        rotation, slopes = product(np.eye(3), values)
        return rotation @ self.u_start, slopes @ self.u_start


@dataclass(frozen=True, kw_only=True, slots=True)
class CrystalUnitCellParameterisation:
    """The independent elements of G* under the symmetry, in units of 1e-5 / Angstrom^2."""

    basis: Floats
    start: Floats

    @classmethod
    def of(cls, crystal: Crystal) -> CrystalUnitCellParameterisation:
        """Return the parameterisation of a crystal's cell, made to obey its space group."""
        group = crystal.gemmi_space_group
        basis = cell.metric_basis(group)
        metric = symmetric_metric(crystal.b.T @ crystal.b, rotations_of(group.operations()))
        return cls(basis=basis, start=cell.coordinates(metric, basis))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(f"g_star_{k}" for k in range(len(self.start)))

    def compose(self, values: Floats) -> tuple[Floats, Floats]:
        """Return B (3, 3), 1/Angstrom, and its derivatives (k, 3, 3)."""
        return cell.b_with_derivatives(values, self.basis)


@dataclass(frozen=True, kw_only=True, slots=True)
class BeamParameterisation:
    """s0 = nu Mu2 Mu1 s0_start / |s0_start|.

    Mu1 is the rotation about the axis normal to the beam in the spindle-beam plane, Mu2 that about
    the normal of that plane (mrad); nu is the wavenumber, 1/Angstrom.
    """

    beam: Beam
    axes: Floats
    names = ("Mu1", "Mu2", "nu")

    @classmethod
    def of(cls, beam: Beam, m2: Floats) -> BeamParameterisation:
        """Return the parameterisation of a beam.

        m2: rotation axis (3,) of an experiment with this beam.
        """
        normal = np.cross(beam.s0, m2)
        if np.linalg.norm(normal) < 1e-6 * np.linalg.norm(beam.s0):
            normal = np.cross(beam.s0, np.eye(3)[np.argmin(np.abs(beam.s0))])
        second = unit(normal)
        return cls(beam=beam, axes=np.array([unit(np.cross(second, beam.s0)), second]))

    @property
    def start(self) -> Floats:
        """Values (3,) at the start."""
        return np.array([0.0, 0.0, 1.0 / self.beam.wavelength])

    def compose(self, values: Floats) -> tuple[Floats, Floats]:
        """Return s0 (3,), 1/Angstrom, and its derivatives (3, 3), one a row."""
        rotation, slopes = product(self.axes, values[:2])
        direction = unit(self.beam.s0)
        s0 = values[2] * (rotation @ direction)
        return s0, np.vstack([values[2] * (slopes @ direction), rotation @ direction])

    def model(self, values: Floats) -> Beam:
        """Return the beam at these values, its plane of polarisation rotated with it."""
        rotation, _ = product(self.axes, values[:2])
        if not values[:2].any() and values[2] == self.start[2]:
            return self.beam
        return replace(
            self.beam,
            direction=vector(rotation @ unit(self.beam.direction)),
            wavelength=float(1.0 / values[2]),
            polarization_normal=vector(rotation @ np.asarray(self.beam.polarization_normal)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorParameterisation:
    """A detector as one rigid body: shifts (mm) and rotations (mrad) along the axes of one panel.

    Dist is along the panel's normal, Shift1 and Shift2 along its fast and slow axis; Tau1 to Tau3
    are rotations about the normal, fast and slow axis through the point of its plane that is
    nearest to the sample. All are relative to the start.
    """

    detector: Detector
    axes: Floats
    pivot: Floats
    names = ("Dist", "Shift1", "Shift2", "Tau1", "Tau2", "Tau3")

    @classmethod
    def of(cls, detector: Detector) -> DetectorParameterisation:
        """Return the parameterisation of a detector, along the axes of its most central panel."""
        centres = np.array([p.centre for p in detector.panels])
        away = np.linalg.norm(centres - centres.mean(axis=0), axis=1)
        panel = detector[int(np.argmin(away))]
        normal = unit(panel.normal)
        if normal @ np.asarray(panel.origin) < 0.0:
            normal = -normal
        axes = np.array([normal, unit(panel.fast_axis), unit(panel.slow_axis)])
        return cls(detector=detector, axes=axes, pivot=normal * (normal @ np.asarray(panel.origin)))

    @property
    def start(self) -> Floats:
        """Values (6,) at the start."""
        return np.zeros(6)

    def compose(self, values: Floats) -> tuple[Floats, Floats]:
        """Return d of the panels (p, 3, 3), mm, and its derivatives (6, p, 3, 3)."""
        d_start = np.array([p.d_matrix for p in self.detector.panels])
        rotation, slopes = product(self.axes, values[3:])
        arms = d_start.copy()
        arms[:, :, 2] -= self.pivot
        d = rotation @ arms
        d[:, :, 2] += self.pivot + values[:3] @ self.axes
        derivatives = np.zeros((6, *d.shape))
        derivatives[:3, :, :, 2] = self.axes[:, None, :]
        derivatives[3:] = slopes[:, None] @ arms
        return d, derivatives

    def model(self, values: Floats) -> Detector:
        """Return the detector at these values."""
        if not values.any():
            return self.detector
        rotation, _ = product(self.axes, values[3:])
        shift = values[:3] @ self.axes
        return moved(self.detector, rotation, shift, self.pivot)


def moved(detector: Detector, rotation: Floats, shift: Floats, pivot: Floats) -> Detector:
    """Return the detector with its hierarchy, rotated about `pivot`, then shifted (mm)."""

    def move(group: Group) -> Group:
        return replace(
            group,
            origin=vector(rotation @ (np.asarray(group.origin) - pivot) + pivot + shift),
            fast_axis=vector(rotation @ group.fast_axis),
            slow_axis=vector(rotation @ group.slow_axis),
            groups=tuple(move(g) for g in group.groups),
        )

    panels = tuple(p.moved(rotation, shift, about=pivot) for p in detector.panels)
    return replace(detector, panels=panels, root=move(detector.root))
