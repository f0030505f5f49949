"""Errors of intensities of two lattices half a degree apart, beside those of each alone.

    python benchmarks/two_lattices.py [--sigma-b DEGREES] [--angle DEGREES] [--sets N]

The spots of both crystals are painted on the same frames, and those of each on frames of its own,
with known intensities. Errors are differences from these over the standard deviations of isolated
spots. The least possible error of unbiased estimates (Cramer-Rao) of reflections that share pixels,
over that of isolated ones, is printed beside the ratio.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.columns import Reflections, concatenate
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.boxes import ellipsoids
from dxdask.integration.prediction import predict
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    GaussianProfile,
    Goniometer,
    Panel,
    Scan,
)
from dxdask.models.vectors import matrix, rotation_matrix
from dxdask.scaling.intensities import estimates

SIZE, DISTANCE, PIXEL = 1000, 200.0, 0.1
HALF, SUB = 9, 3  # px of a painted spot; points along a side of a pixel
BACKGROUND, MEAN = 1.0, 300.0
PARTS = ("all", 0.0, np.inf), ("weak", 0.0, 100.0), ("strong", 500.0, np.inf)  # photons


class Spots(NamedTuple):
    """Parts of painted spots in pixels: values, their place in the frames, and their reflection."""

    value: Floats
    place: NDArray[np.int64]
    row: NDArray[np.int64]


class Simulation(NamedTuple):
    """Two lattices: experiments, their reflections one below the other, and what is painted."""

    experiments: tuple[Experiment, Experiment]
    predicted: tuple[Reflections, Reflections]
    spots: Spots
    intensity: Floats


def experiment(sigma_b: float, n_images: int) -> Experiment:
    """Return a run on a detector at 200 mm; sigma_b: degrees, of both directions together."""
    half = 0.5 * SIZE * PIXEL
    panel = Panel(
        origin=(-half, half, -DISTANCE),
        pixel_size=(PIXEL, PIXEL),
        image_size=(SIZE, SIZE),
        trusted_range=(-1.0, 60000.0),
    )
    u = rotation_matrix((0.2, -0.7, 0.4), 0.8)
    return Experiment(
        identifier="two",
        run="two",
        beam=Beam(wavelength=1.0, direction=(0.0, 0.0, 1.0)),
        detector=Detector(panels=(panel,)),
        goniometer=Goniometer(axes=((1.0, 0.0, 0.0),)),
        scan=Scan(image_range=(1, n_images), oscillation=(0.0, 0.2)),
        crystal=Crystal.from_cell((57.8, 57.8, 150.0, 90.0, 90.0, 90.0), u_matrix=u),
        profile=GaussianProfile(
            sigma_b=float(np.deg2rad(sigma_b)), sigma_m=float(np.deg2rad(0.1)), n_sigma=3.0
        ),
    )


def simulation(sigma_b: float, angle: float, n_images: int = 12, seed: int = 3) -> Simulation:
    """Return two lattices `angle` degrees apart, the second turned about no special direction."""
    first = experiment(sigma_b, n_images)
    crystal = first.crystal
    assert crystal is not None
    turn = rotation_matrix((0.5, -0.3, 0.8), float(np.deg2rad(angle)))
    second = replace(first, crystal=replace(crystal, a_matrix=matrix(turn @ crystal.a)))
    both = predict(first), predict(second, experiment_index=1)
    intensity = np.random.default_rng(seed).exponential(MEAN, sum(len(p["d"]) for p in both)) + 5.0
    return Simulation((first, second), both, spots_of(concatenate(both), first), intensity)


def gaussian(u: Floats, v: Floats) -> Floats:
    """Return the density at places in widths."""
    return np.asarray(np.exp(-0.5 * (u * u + v * v)))


def spots_of(
    p: Reflections, e: Experiment, shape: Callable[[Floats, Floats], Floats] = gaussian
) -> Spots:
    """Return the spots on the detector; shape: density along Kabsch's e1 and e2, in widths."""
    scan, shapes = e.scan, ellipsoids(p, e)
    assert scan is not None
    centre, inverse = shapes.centre, shapes.shape[:, :3] * 9.0  # of n_sigma 3
    corner = np.floor(centre[:, :2]).astype(np.int64) - HALF
    side = np.arange(2 * HALF + 1)
    points = (np.arange(SUB) + 0.5) / SUB
    offsets = (side[:, None] + points).ravel()
    dx = corner[:, 0, None] + offsets - centre[:, 0, None]
    dy = corner[:, 1, None] + offsets - centre[:, 1, None]
    values, places, rows = [], [], []
    rotation = shapes.profile.rotation
    for i in range(len(centre)):
        root = np.sqrt(inverse[i, 0])
        whiten = np.array([[root, inverse[i, 1] / root], [0.0, 0.0]])
        whiten[1, 1] = np.sqrt(inverse[i, 2] - whiten[0, 1] ** 2)
        c, s = whiten @ shapes.profile.along[i]
        a = np.array([[c, s], [-s, c]]) @ whiten / np.hypot(c, s)
        u, v = (r[0] * dx[i] + r[1] * dy[i, :, None] for r in a)
        spot = shape(u, v).reshape(len(side), SUB, len(side), SUB).sum(axis=(1, 3))
        spot /= spot.sum()
        steps = scipy.special.erf(rotation[i] * (shapes.phi - centre[i, 2]))
        part = 0.5 * np.abs(np.diff(steps))
        value = (part[:, None, None] * spot).ravel()
        z, y, x = np.meshgrid(
            np.arange(scan.n_images), corner[i, 1] + side, corner[i, 0] + side, indexing="ij"
        )
        inside = (y >= 0) & (y < SIZE) & (x >= 0) & (x < SIZE)
        kept = (value > 1e-7) & inside.ravel()
        values.append(value[kept])
        places.append(((z * SIZE + y) * SIZE + x).ravel()[kept])
        rows.append(np.full(int(kept.sum()), i))
    return Spots(np.concatenate(values), np.concatenate(places), np.concatenate(rows))


def painted(s: Simulation, rows: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[Any]:
    """Return the frames of some of the reflections."""
    scan = s.experiments[0].scan
    assert scan is not None
    kept = rows[s.spots.row]
    weight = s.spots.value[kept] * s.intensity[s.spots.row[kept]]
    total = np.bincount(s.spots.place[kept], weight, scan.n_images * SIZE * SIZE)
    return rng.poisson(total + BACKGROUND).astype(np.uint16).reshape(-1, SIZE, SIZE)


def deviations(s: Simulation, tables: Sequence[Reflections]) -> tuple[Floats, NDArray[np.bool_]]:
    """Return found less true intensities (n,), and which are whole and estimated."""
    r = concatenate(tables)
    e = estimates(r, np.arange(len(r["d"])), "combine", expected=True)
    true = s.intensity * r["partiality"]
    found = e.combined(true)[0]
    return found - true, (e.has_sum | e.has_fit) & (r["partiality"] > 0.99)


def limits(s: Simulation) -> tuple[Floats, Floats]:
    """Return the least variances (n,) of unbiased estimates, isolated and of both lattices.

    Source: Cramer (1946), Mathematical Methods of Statistics: the inverse of the information of the
    intensities, sum p q / mean over pixels.
    """
    n, spots = len(s.intensity), s.spots
    weight = spots.value * s.intensity[spots.row]
    size = int(spots.place.max()) + 1
    mean = np.bincount(spots.place, weight, size)[spots.place] + BACKGROUND
    alone = 1.0 / np.bincount(spots.row, spots.value**2 / (weight + BACKGROUND), n)
    used, place = np.unique(spots.place, return_inverse=True)
    design = scipy.sparse.csr_matrix(
        (spots.value / np.sqrt(mean), (place, spots.row)), shape=(len(used), n)
    )
    information = (design.T @ design).tocsc()
    factor = scipy.sparse.linalg.splu(information)
    together = np.empty(n)
    for a in range(0, n, 500):
        unit = np.zeros((n, min(500, n - a)))
        unit[np.arange(a, a + unit.shape[1]), np.arange(unit.shape[1])] = 1.0
        together[a : a + unit.shape[1]] = np.diagonal(factor.solve(unit)[a : a + unit.shape[1]])
    return alone, together


def errors(s: Simulation, n_sets: int) -> dict[str, Floats]:
    """Return squared errors over the least variances, isolated and together, and these variances.

    Of reflections (n,) that are estimated in every set; means over the sets.
    """
    n_first = len(s.predicted[0]["d"])
    first = np.arange(len(s.intensity)) < n_first
    every, mask, rng = np.ones(len(first), dtype=bool), None, np.random.default_rng(5)
    given = IntegrationParameters()
    isolated, together = np.zeros(len(first)), np.zeros(len(first))
    alone, least = limits(s)
    good = np.ones(len(first), dtype=bool)
    for _ in range(n_sets):
        parts = [
            integrate(painted(s, rows, rng), mask, e, p, given).reflections
            for rows, e, p in zip((first, ~first), s.experiments, s.predicted, strict=True)
        ]
        off, ok = deviations(s, parts)
        good &= ok
        isolated += off**2 / n_sets
        both = integrate(
            painted(s, every, rng), mask, s.experiments[0], concatenate(s.predicted), given
        )
        off, ok = deviations(s, [both.reflections])
        good &= ok
        together += off**2 / n_sets
    return {
        "isolated": (isolated / alone)[good],
        "together": (together / alone)[good],
        "least": (least / alone)[good],
        "intensity": s.intensity[good],
    }


def robust(squares: Floats) -> float:
    """Return the root of the mean of squares without the largest hundredth."""
    return float(np.sqrt(np.mean(np.sort(squares)[: int(0.99 * len(squares))])))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sigma-b", type=float, nargs="+", default=[0.03, 0.05, 0.08])
    parser.add_argument("--angle", type=float, default=0.5)
    parser.add_argument("--sets", type=int, default=2)
    given = parser.parse_args()
    print(f"{'sigma_b':>8}{'':>8}{'reflections':>13}{'isolated':>10}{'together':>10}"
          f"{'ratio':>8}{'least ratio':>13}")  # fmt: skip
    for sigma_b in given.sigma_b:
        found = errors(simulation(sigma_b, given.angle), given.sets)
        for name, low, high in PARTS:
            rows = (found["intensity"] > low) & (found["intensity"] <= high)
            one, two, least = (robust(found[k][rows]) for k in ("isolated", "together", "least"))
            print(f"{sigma_b:8.3f}{name:>8}{rows.sum():13d}{one:10.3f}{two:10.3f}{two / one:8.3f}"
                  f"{least:13.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
