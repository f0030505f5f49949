"""Random crystals of all Bravais types, and the lists of spots of their sweeps.

Cells have edges of 10 to 400 A, within a factor of four of each other. The detector (2000 x 2000
pixels of 0.1 mm) stands where an experimenter would put it: at least 8 pixels between the spots of
the longest edge, the highest resolution at its border. Spots have noise, weak reflections are
missing, a
share of the spots belongs to no lattice, and the beam centre is off by up to 2 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import gemmi
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, concatenate, n_rows, select
from dxdask.indexing.misorientation import misorientation
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
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.simulation.rays import rotation_rays

# A space group of rotations for each Bravais type, and which edges are equal.
GROUPS = {
    "aP": ("P 1", "abc"), "mP": ("P 1 2 1", "abc"), "mC": ("C 1 2 1", "abc"),
    "oP": ("P 2 2 2", "abc"), "oC": ("C 2 2 2", "abc"), "oF": ("F 2 2 2", "abc"),
    "oI": ("I 2 2 2", "abc"), "tP": ("P 4 2 2", "aac"), "tI": ("I 4 2 2", "aac"),
    "hR": ("R 3 2:H", "aac"), "hP": ("P 6 2 2", "aac"), "cP": ("P 4 3 2", "aaa"),
    "cI": ("I 4 3 2", "aaa"), "cF": ("F 4 3 2", "aaa"),
}  # fmt: skip
SHORTEST, LONGEST, LONGEST_RATIO = 10.0, 400.0, 4.0
N_PIXELS, PIXEL = 2000, 0.1
FEWEST_PIXELS_APART = 8.0
REFLECTIONS = (1000.0, 60_000.0)  # of the primitive lattice within d_min; log-uniform
HIGHEST_RESOLUTION = 0.8
IMAGE_WIDTH = 0.5
SPURIOUS = 0.3
LARGEST_OFFSET_PX = 2.0
LEAST_APART_DEG = 6.0


@dataclass(frozen=True)
class Case:
    """A crystal with the spots of a sweep.

    Attributes
    ----------
    lattice : its Bravais type.
    experiments : the models that an indexer gets: the beam centre is off, there is no crystal.
    crystal : the truth. spots : with `hkl`, 0 0 0 for the spurious.
    """

    lattice: str
    experiments: ExperimentList
    crystal: Crystal
    spots: Reflections


@dataclass(frozen=True)
class Mixed:
    """Crystals of one form in one sweep.

    Attributes
    ----------
    experiments : as those of a `Case`. true : with the true detector. crystals : the truth.
    spots : of all. of : (n,), the crystal of each spot, -1 for the spurious.
    """

    experiments: ExperimentList
    true: Experiment
    crystals: tuple[Crystal, ...]
    spots: Reflections
    of: NDArray[np.int64]


def random_cell(lattice: str, rng: np.random.Generator) -> tuple[float, ...]:
    """Return a cell (A, degree) of this Bravais type."""
    longest = np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST)))
    edges = np.maximum(longest * LONGEST_RATIO ** -rng.uniform(0.0, 1.0, 3), SHORTEST)
    edges[rng.integers(3)] = longest
    equal = GROUPS[lattice][1]
    a, b, c = (float(edges["abc".index(name)]) for name in equal)
    if lattice == "aP":
        return (a, b, c, *_angles(rng))
    if lattice[0] == "m":
        return (a, b, c, 90.0, float(rng.uniform(91.0, 118.0)), 90.0)
    return (a, b, c, 90.0, 90.0, 120.0 if lattice[0] == "h" else 90.0)


def _angles(rng: np.random.Generator) -> tuple[float, ...]:
    while True:
        angles = rng.uniform(65.0, 115.0, 3)
        cosines = np.cos(np.deg2rad(angles))
        if 1.0 - (cosines**2).sum() + 2.0 * cosines.prod() > 0.4:
            return tuple(float(x) for x in angles)


def make_case(number: int, *, rotation: float, seed: int = 0) -> Case:
    """Return the random crystal of this number with the spots of a sweep of `rotation` degrees."""
    rng = np.random.default_rng([seed, number])
    lattice, true, d_min = _random_sweep(number, rotation, rng)
    assert true.crystal is not None
    rows = _spots(true, true.crystal, d_min, rng)
    return Case(lattice, _off_centre(true, rng), true.crystal, rows)


def make_mixed(number: int, n_crystals: int, *, rotation: float, seed: int = 0) -> Mixed:
    """Return crystals of this number's form in any orientations, with the spots of one sweep.

    They are 6 degrees apart, at least. Each has 0.5 to 1 times the spots of the one before.
    """
    rng = np.random.default_rng([seed, number, n_crystals])
    _, true, d_min = _random_sweep(number, rotation, rng)
    assert true.crystal is not None
    crystals, parts, labels, share = [true.crystal], [], [], 1.0
    while len(crystals) < n_crystals:
        turned = rotation_matrix(rng.normal(size=3), rng.uniform(0.0, np.pi)) @ true.crystal.a
        other = replace(true.crystal, a_matrix=matrix(turned))
        if min(misorientation(c, other) for c in crystals) > LEAST_APART_DEG:
            crystals.append(other)
    for k, crystal in enumerate(crystals):
        spots = _spots(replace(true, crystal=crystal), crystal, d_min, rng)
        spots = select(spots, np.arange(round(share * n_rows(spots))))
        parts.append(spots)
        labels.append(np.where(spots["hkl"].any(axis=1), k, -1))
        share *= rng.uniform(0.5, 1.0)
    return Mixed(
        _off_centre(true, rng), true, tuple(crystals), concatenate(parts), np.concatenate(labels)
    )


def _random_sweep(
    number: int, rotation: float, rng: np.random.Generator
) -> tuple[str, Experiment, float]:
    """Return the Bravais type of this number, a crystal of it in an experiment, and d_min (A)."""
    lattice = list(GROUPS)[number % len(GROUPS)]
    cell, group = random_cell(lattice, rng), gemmi.SpaceGroup(GROUPS[lattice][0])
    u = rotation_matrix(rng.normal(size=3), rng.uniform(0.0, np.pi))
    crystal = Crystal.from_cell(cell, u_matrix=u, space_group=group.xhm())
    volume = crystal.gemmi_cell.volume / len(list(group.operations().cen_ops))
    n_reflections = np.exp(rng.uniform(*np.log(REFLECTIONS)))
    d_min = max(HIGHEST_RESOLUTION, (4.0 * np.pi / 3.0 * volume / n_reflections) ** (1.0 / 3.0))
    wavelength = 0.7 if d_min < 1.2 else 1.0
    return lattice, _experiment(max(cell[:3]), d_min, wavelength, rotation, crystal), d_min


def _off_centre(true: Experiment, rng: np.random.Generator) -> ExperimentList:
    """Return the experiment with the beam centre off, and without crystal."""
    angle, size = rng.uniform(0.0, 2.0 * np.pi), LARGEST_OFFSET_PX * np.sqrt(rng.uniform())
    by = np.array([np.cos(angle), np.sin(angle), 0.0]) * size * PIXEL
    panel = true.detector[0].moved(np.eye(3), by)
    return ExperimentList.of([replace(true, detector=Detector(panels=(panel,)), crystal=None)])


def _experiment(
    longest: float, d_min: float, wavelength: float, rotation: float, crystal: Crystal
) -> Experiment:
    """Return the experiment with the detector where d_min and the longest edge want it."""
    two_theta = 2.0 * np.arcsin(min(wavelength / (2.0 * d_min), 0.7))
    half = N_PIXELS * PIXEL / 2.0
    distance = max(
        half / np.tan(min(two_theta, 0.8)), FEWEST_PIXELS_APART * PIXEL * longest / wavelength
    )
    panel = Panel(
        name="p0", origin=(-half, half, -distance), pixel_size=(PIXEL, PIXEL),
        image_size=(N_PIXELS, N_PIXELS),
    )  # fmt: skip
    n_images = max(round(rotation / IMAGE_WIDTH), 1)
    return Experiment(
        identifier="0", run="0", beam=Beam(direction=(0.0, 0.0, 1.0), wavelength=wavelength),
        detector=Detector(panels=(panel,)), goniometer=Goniometer(axes=((1.0, 0.0, 0.0),)),
        scan=Scan(image_range=(1, n_images), oscillation=(0.0, IMAGE_WIDTH)), crystal=crystal,
    )  # fmt: skip


def _spots(
    experiment: Experiment, crystal: Crystal, d_min: float, rng: np.random.Generator
) -> Reflections:
    """Return the spots found: strong reflections with noise, and others anywhere."""
    panel, scan = experiment.detector[0], experiment.scan
    assert scan is not None
    reach = [np.arange(-n, n + 1) for n in np.ceil(np.array(crystal.unit_cell[:3]) / d_min)]
    hkl = np.stack(np.meshgrid(*reach, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.int32)
    r2 = ((hkl @ crystal.a.T) ** 2).sum(axis=1)
    hkl, r2 = hkl[(r2 > 0) & (r2 < 1.0 / d_min**2)], r2[(r2 > 0) & (r2 < 1.0 / d_min**2)]
    # Wilson's distribution, falling to 0.3 at d_min: above the threshold are half of all, about.
    intensity = rng.exponential(size=len(hkl)) * np.exp(np.log(0.3) * r2 * d_min**2)
    absent = crystal.gemmi_space_group.operations().systematic_absences(hkl)
    hkl = hkl[(intensity > 0.4) & ~np.asarray(absent)]
    rays = rotation_rays(hkl, experiment, margin=0.0)
    xy = panel.ray_intersection(rays.s1) / PIXEL
    on = np.all((xy > 0) & (xy < N_PIXELS), axis=1)
    n = int(on.sum())
    sigma, sigma_z = rng.uniform(0.1, 0.5), rng.uniform(0.1, 0.4)
    xyz = np.column_stack([xy[on], np.rad2deg(rays.phi[on]) / IMAGE_WIDTH])
    xyz += rng.normal(size=(n, 3)) * [sigma, sigma, sigma_z]
    xyz[:, 2] = np.clip(xyz[:, 2], 0.0, scan.n_images)
    k = round(n * SPURIOUS / (1.0 - SPURIOUS))
    # Spurious spots are anywhere within the circle of the others.
    angle, radius = rng.uniform(0, 2 * np.pi, k), np.sqrt(rng.uniform(0, 1, k)) * N_PIXELS / 2
    centre = N_PIXELS / 2
    z = rng.uniform(0.0, scan.n_images, k)
    spurious = np.column_stack(
        [centre + radius * np.cos(angle), centre + radius * np.sin(angle), z]
    )
    order = rng.permutation(n + k)
    return _table(
        np.concatenate([xyz, spurious])[order],
        np.concatenate([hkl[rays.row[on]], np.zeros((k, 3), np.int32)])[order],
        scan.n_images,
        (sigma, sigma, sigma_z),
    )


def _table(
    xyz: Floats, hkl: np.ndarray, n_images: int, sigma: tuple[float, float, float]
) -> Reflections:
    n = len(xyz)
    box = np.rint(xyz[:, [0, 0, 1, 1, 2, 2]]) + np.array([-2, 2, -2, 2, 0, 1])
    box[:, 4:] = np.clip(np.floor(xyz[:, [2, 2]]), 0, n_images - 1) + [0, 1]
    return {
        "experiment": np.zeros(n, np.int32),
        "panel": np.zeros(n, np.int32),
        "flags": np.full(n, Flag.STRONG, np.uint32),
        "bbox": box.astype(np.int32),
        "hkl": hkl.astype(np.int32),
        **{name: xyz[:, i].copy() for i, name in enumerate("xyz")},
        **{f"{name}_variance": np.full(n, sigma[i] ** 2) for i, name in enumerate("xyz")},
    }


def primitive_a(crystal: Crystal) -> Floats:
    """Return A (3, 3), 1/Angstrom, of a primitive cell of a crystal."""
    op = crystal.gemmi_space_group.centred_to_primitive()
    change = np.array(op.rot, dtype=np.float64) / gemmi.Op.DEN
    return np.asarray(crystal.a @ np.linalg.inv(change).T)


def is_right(case: Case, found: Floats, *, within: float = 0.15) -> bool:
    """Return true if A (3, 3) of a primitive cell spans the lattice of the crystal.

    The axes are integer combinations of the true ones to `within`, with determinant 1 or -1.
    """
    relation = np.linalg.solve(primitive_a(case.crystal), found)
    nearest = np.rint(relation)
    near = np.abs(relation - nearest).max() < within
    return bool(near and round(abs(np.linalg.det(nearest))) == 1)
