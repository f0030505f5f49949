"""Integrated intensities of a space group, as of crystals indexed in their reduced cells in P 1."""

from __future__ import annotations

from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.columns import Flag, Reflections
from dxdask.indexing.common_setting import reduced_change
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList, Goniometer, Scan
from dxdask.models.symmetry import (
    asu_indices,
    epsilon,
    is_absent,
    is_centric,
    pack,
    possible_reflections,
    spacings,
)

CELLS = {
    "a": (31.0, 37.0, 43.0, 82.0, 77.0, 71.0),
    "m": (31.0, 37.0, 43.0, 90.0, 103.0, 90.0),
    "o": (31.0, 37.0, 43.0, 90.0, 90.0, 90.0),
    "t": (34.0, 34.0, 45.0, 90.0, 90.0, 90.0),
    "h": (34.0, 34.0, 45.0, 90.0, 90.0, 120.0),
    "c": (38.0, 38.0, 38.0, 90.0, 90.0, 90.0),
}


def cell_for(group: gemmi.SpaceGroup) -> tuple[float, ...]:
    """Return a cell of the crystal system of a group."""
    system = group.crystal_system_str()
    return CELLS["h" if system == "trigonal" else system[0] if system != "triclinic" else "a"]


@dataclass
class Truth:
    """A space group with a random intensity for each of its unique reflections."""

    group: gemmi.SpaceGroup
    cell: tuple[float, ...]
    hkl: np.ndarray
    keys: np.ndarray
    intensity: np.ndarray
    half_difference: np.ndarray

    @classmethod
    def of(
        cls,
        symbol: str,
        *,
        cell: tuple[float, ...] | None = None,
        d_min: float = 3.0,
        seed: int = 1,
        anomalous: float = 0.0,
        pseudo: tuple[str, float] | None = None,
    ) -> Truth:
        """Return random intensities; pseudo : a higher group and its share of the variance."""
        group = gemmi.SpaceGroup(symbol)
        cell = cell or cell_for(group)
        rng = np.random.default_rng(seed)
        unit_cell = gemmi.UnitCell(*cell)
        unique, _ = asu_indices(possible_reflections(unit_cell, group, d_min=d_min), group)
        wilson = rng.exponential(size=len(unique))
        normal = rng.standard_normal(len(unique)) ** 2
        e2 = np.where(is_centric(unique, group), normal, wilson)
        if pseudo is not None:
            higher, _ = asu_indices(unique, gemmi.SpaceGroup(pseudo[0]))
            _, row = np.unique(pack(higher), return_inverse=True)
            shared = rng.exponential(size=row.max() + 1)[row]
            e2 = pseudo[1] * shared + (1.0 - pseudo[1]) * e2
        d = spacings(unique, unit_cell)
        value = 1000.0 * e2 * epsilon(unique, group) * np.exp(-20.0 / (2.0 * d**2))
        value[is_absent(unique, group)] = 0.0
        delta = anomalous * value * rng.standard_normal(len(unique))
        delta[is_centric(unique, group)] = 0.0
        order = np.argsort(pack(unique))
        return cls(group, cell, unique[order], pack(unique)[order], value[order], delta[order])

    def intensities(self, hkl: np.ndarray) -> np.ndarray:
        """Return the true intensities of any indices in the axes of the group; 0 if unknown."""
        asu, isym = asu_indices(hkl.astype(np.int32), self.group)
        keys = pack(asu)
        at = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        sign = np.where(isym % 2 == 1, 1.0, -1.0)
        value = self.intensity[at] + sign * self.half_difference[at]
        return np.where(self.keys[at] == keys, value, 0.0)

    def all_hkl(self) -> np.ndarray:
        """Return all indices that the lattice allows, to the resolution of the truth."""
        cell = gemmi.UnitCell(*self.cell)
        d_min = float(spacings(self.hkl, cell).min())
        half = possible_reflections(cell, gemmi.SpaceGroup("P 1"), d_min=d_min)
        h, k, l = half.T
        half = half[{"A": k + l, "B": h + l, "C": h + k, "I": h + k + l}.get(
            self.group.centring_type(), 0 * h) % 2 == 0]  # fmt: skip
        h, k, l = half.T
        if self.group.centring_type() == "F":
            half = half[((h + k) % 2 == 0) & ((h + l) % 2 == 0)]
        elif self.group.centring_type() == "R":
            half = half[(-h + k + l) % 3 == 0]
        return np.concatenate([half, -half])


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Return a random orientation (3, 3)."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def crystals_of(
    truth: Truth,
    *,
    n: int = 1,
    width: float = 360.0,
    noise: float = 0.05,
    absorption: float = 0.0,
    settings: list[np.ndarray] | None = None,
    keep_axes: bool = False,
    most: int | None = None,
    seed: int = 2,
    wavelength: float = 1.0,
) -> tuple[Reflections, ExperimentList]:
    """Return reflections of n crystals turned by `width` degrees, each in its reduced cell in P 1.

    settings : changes of basis (3, 3) of each crystal before its reduction, of the lattice.
    """
    rng = np.random.default_rng(seed)
    every = truth.all_hkl()
    parts, experiments = [], []
    for i in range(n):
        u = random_rotation(rng)
        crystal = Crystal.from_cell(truth.cell, u_matrix=u, space_group=truth.group.xhm())
        r = every @ crystal.a.T
        phi, seen = _diffraction_angle(r, wavelength, width)
        rows = np.flatnonzero(seen)
        if most is not None and len(rows) > most:
            rows = np.sort(rng.choice(rows, most, replace=False))
        true = truth.intensities(every[rows])
        direction = r[rows] / np.linalg.norm(r[rows], axis=1, keepdims=True)
        path = 1.0 + absorption * direction[:, 0] * np.cos(phi[rows])
        sigma = np.hypot(noise * true, 5.0)
        observed = true * path + sigma * rng.standard_normal(len(rows))
        # without orientation, whose rounding may choose among axes of equal length
        plain = Crystal.from_cell(truth.cell, space_group=truth.group.xhm())
        change = np.eye(3) if keep_axes else reduced_change(plain)
        if settings is not None:
            change = settings[i] @ change
        a = crystal.a @ np.linalg.inv(change).T
        own = np.rint(every[rows] @ change).astype(np.int32)
        symbol = f"{truth.group.centring_type()} 1" if keep_axes else "P 1"
        experiments.append(
            Experiment(
                identifier=str(i), run=f"run{i + 1}", beam=Beam(wavelength=wavelength),
                detector=Detector(panels=()), goniometer=Goniometer(),
                scan=Scan(image_range=(1, 100), oscillation=(0.0, width / 100)),
                crystal=Crystal(a_matrix=tuple(map(tuple, a.tolist())), space_group=symbol),
            )
        )  # fmt: skip
        parts.append(
            {
                "experiment": np.full(len(rows), i, np.int32), "hkl": own,
                "flags": np.full(len(rows), Flag.INDEXED | Flag.INTEGRATED_SUM, np.uint32),
                "z_cal": phi[rows] / width * 100, "partiality": np.ones(len(rows)),
                "lp": np.ones(len(rows)), "qe": np.ones(len(rows)),
                "intensity_sum": observed, "intensity_sum_variance": sigma**2,
            }
        )  # fmt: skip
    table = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return table, ExperimentList.of(experiments)


def _diffraction_angle(
    r: np.ndarray, wavelength: float, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first angle (degree) at which r crosses the Ewald sphere, and if it is seen.

    The axis is x and the beam along -z: s0 = (0, 0, -1/wavelength).
    """
    radius = np.hypot(r[:, 1], r[:, 2])
    # r . s0 = -|r|^2 / 2, with r_z(phi) = radius cos(phi - phase)
    cosine = (r**2).sum(axis=1) * wavelength / 2.0 / np.maximum(radius, 1e-9)
    crosses = np.abs(cosine) <= 1.0
    phase = np.degrees(np.arctan2(-r[:, 1], r[:, 2]))
    turn = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    angles = np.stack([(-phase + s * turn) % 360.0 for s in (1, -1)])
    phi = angles.min(axis=0)
    return phi, crosses & (phi < width)
