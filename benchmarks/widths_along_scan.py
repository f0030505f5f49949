"""Errors of weak intensities of spots that widen along the scan, by each kind of profile.

    python benchmarks/widths_along_scan.py [--ratio 2] [--background 5] [--sets 3]

Spots whose width grows by --ratio along 30 degrees are painted with known intensities, a quarter of
them strong. Profiles are estimated as `integrate` does it, from the pixels of strong spots. Of weak
reflections: rms errors of sums and fits; the gain of a fit over the sum, of the gain of an ideal
profile (Cramer-Rao); the gain over the constant Gaussian, of that of the true widths; and mean
errors in the first, second and last third of the scan, of the mean intensity.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from two_lattices import DISTANCE, PIXEL, SIZE, Spots, experiment, gaussian, spots_of

from dxdask.arrays import Floats
from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration import IntegrationParameters, integrate
from dxdask.integration.local_profile import local_profiles
from dxdask.integration.prediction import predict
from dxdask.integration.profile_model import estimate_profile
from dxdask.models import Crystal, Experiment, ExperimentList, Scan
from dxdask.models.vectors import rotation_matrix

SIGMA_B = 0.025  # degrees, mean
N_IMAGES, WIDTH = 30, 1.0
WEAK = 150.0  # photons
CASES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "gaussian, scan_varying": {"scan_varying": True},
    "learnt, 30 degrees": {"algorithm": "learnt", "learnt": {"scan_step": 30.0}},
    "learnt, 5 degrees": {"algorithm": "learnt"},
    "learnt, 2.5 degrees": {"algorithm": "learnt", "learnt": {"scan_step": 2.5}},
    "learnt, scan_varying": {"algorithm": "learnt", "scan_varying": True},
}


class Simulation(NamedTuple):
    """A run with the widths of its spots, what is painted, and true intensities (n,)."""

    experiment: Experiment
    predicted: Reflections
    spots: Spots
    intensity: Floats
    background: float

    @property
    def expected(self) -> Floats:
        """Mean photons of the pixels of all frames, (frame, slow, fast)."""
        weight = self.spots.value * self.intensity[self.spots.row]
        total = np.bincount(self.spots.place, weight, N_IMAGES * SIZE * SIZE)
        return total.reshape(-1, SIZE, SIZE) + self.background

    @property
    def least(self) -> Floats:
        """Least variances (n,) of unbiased estimates of isolated spots (Cramer 1946)."""
        s, n = self.spots, len(self.intensity)
        mean = s.value * self.intensity[s.row] + self.background
        return np.asarray(1.0 / np.bincount(s.row, s.value**2 / mean, n))


def simulation(
    ratio: float,
    background: float,
    seed: int = 1,
    shape: Callable[[Floats, Floats], Floats] = gaussian,
) -> Simulation:
    """Return spots of this shape whose width grows by `ratio` along the scan."""
    e = experiment(SIGMA_B, N_IMAGES)
    widths = np.linspace(1.0, ratio, N_IMAGES)
    by_image = np.deg2rad(SIGMA_B) * widths / widths.mean()
    u = rotation_matrix((0.2, -0.7, 0.4), 0.8)
    assert e.profile is not None
    e = replace(
        e,
        scan=Scan(image_range=(1, N_IMAGES), oscillation=(0.0, WIDTH)),
        crystal=Crystal.from_cell((68.0, 75.0, 82.0, 85.0, 95.0, 100.0), u_matrix=u),
        profile=replace(e.profile, sigma_b_by_image=tuple(by_image.tolist())),
    )
    predicted = predict(e)
    rng, n = np.random.default_rng(seed), len(predicted["d"])
    strong = rng.uniform(size=n) < 0.25
    intensity = np.where(strong, 200.0 + rng.exponential(2000.0, n), 5.0 + rng.exponential(60.0, n))
    return Simulation(e, predicted, spots_of(predicted, e, shape), intensity, background)


def strong_spots(s: Simulation) -> tuple[Reflections, dict[str, NDArray[Any]]]:
    """Return strong spots and their pixels, as spot finding and indexing give them."""
    counts = np.rint(s.spots.value * s.intensity[s.spots.row]).astype(np.int64)
    whole = (s.predicted["partiality"] > 0.999) & (s.intensity > 400.0)
    seen = whole[s.spots.row] & (counts > max(3.0, 2.0 * np.sqrt(s.background)))
    rows, lengths = np.unique(s.spots.row[seen], return_counts=True)
    place = s.spots.place[seen]
    arrays = {
        "pixel_offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "pixel_x": place % SIZE,
        "pixel_y": place // SIZE % SIZE,
        "pixel_z": place // SIZE**2,
        "pixel_value": counts[seen] + round(s.background),
    }
    names = ("experiment", "panel", "x_cal_mm", "y_cal_mm", "phi_cal_rad")
    table = {n: s.predicted[n][rows] for n in names}
    for n in ("x", "y", "z"):
        table[n] = table[f"{n}_cal"] = s.predicted[f"{n}_cal"][rows]
        table[f"{n}_variance"] = np.full(len(rows), 0.01)
    return table | {"flags": np.full(len(rows), Flag.INDEXED, dtype=np.uint32)}, arrays


class Intensities(NamedTuple):
    """Sums and fits of one set of frames (n,), NaN where a reflection has not both."""

    summed: Floats
    fitted: Floats


def integrated(s: Simulation, frames: NDArray[Any], given: IntegrationParameters) -> Intensities:
    """Return the intensities with profiles that are estimated."""
    table, arrays = strong_spots(s)
    models = ExperimentList.of([replace(s.experiment, profile=None)])
    models = estimate_profile(table, arrays, models, given)
    (local,) = local_profiles(table, arrays, models, given.profile)
    predicted = predict(models[0])
    r = integrate(frames, None, models[0], predicted, given, local=local).reflections
    return whole(s, r)


def of_true_widths(s: Simulation, frames: NDArray[Any]) -> Intensities:
    """Return the intensities with the widths that are painted, pixels among them."""
    assert s.experiment.profile is not None
    pixel = PIXEL / DISTANCE / np.sqrt(12.0)
    by_image = np.hypot(s.experiment.profile.sigma_b_by_image, pixel)
    profile = replace(
        s.experiment.profile,
        sigma_b=float(by_image.mean()),
        sigma_b_by_image=tuple(by_image.tolist()),
        n_sigma=4.0,
    )
    e = replace(s.experiment, profile=profile)
    return whole(s, integrate(frames, None, e, predict(e)).reflections)


def whole(s: Simulation, r: Reflections) -> Intensities:
    """Return the intensities of the reflections of a simulation that are whole and not shared."""
    rows = {key: i for i, key in enumerate(_keys(s.predicted))}
    at = np.array([rows.get(key, -1) for key in _keys(r)])
    good = (at >= 0) & (r["partiality"] > 0.99) & ~has_flag(r, Flag.OVERLAPPED_FG)
    good &= has_flag(r, Flag.INTEGRATED_SUM) & has_flag(r, Flag.INTEGRATED_PRF)
    out = Intensities(*np.full((2, len(s.intensity)), np.nan))
    out.summed[at[good]] = r["intensity_sum"][good]
    out.fitted[at[good]] = r["intensity_prf"][good]
    return out


def _keys(r: Reflections) -> list[tuple[int, ...]]:
    place = np.rint(r["phi_cal_rad"] * 1e3).astype(np.int64)
    return [(*h, p) for h, p in zip(r["hkl"].tolist(), place.tolist(), strict=True)]


class Row(NamedTuple):
    """Figures of one kind of profile; see the head of this file."""

    name: str
    summed: float
    fitted: float
    of_ideal: float
    of_true: float
    thirds: tuple[float, ...]


def table(s: Simulation, n_sets: int, cases: dict[str, dict[str, Any]]) -> list[Row]:
    """Return the figures of the true widths and of each of `cases`, the first of them constant."""
    rng, expected = np.random.default_rng(5), s.expected
    found: dict[str, list[Intensities]] = {"true widths": [], **{name: [] for name in cases}}
    for _ in range(n_sets):
        frames = rng.poisson(expected).astype(np.uint16)
        found["true widths"].append(of_true_widths(s, frames))
        for name, profile in cases.items():
            given = IntegrationParameters.model_validate({"profile": profile})
            found[name].append(integrated(s, frames, given))
    used = s.intensity < WEAK
    for several in found.values():
        used &= np.all([np.isfinite(i.fitted) for i in several], axis=0)
    true, z = s.intensity[used], s.predicted["z_cal"][used]
    ideal = float(np.sqrt(s.least[used].mean()))
    errors = {n: np.array([i.fitted[used] - true for i in v]) for n, v in found.items()}
    rms = {n: float(np.sqrt(np.mean(e**2))) for n, e in errors.items()}
    total = {
        n: float(np.sqrt(np.mean([(i.summed[used] - true) ** 2 for i in v])))
        for n, v in found.items()
    }
    first = next(iter(cases))
    thirds = [np.floor(3.0 * z / N_IMAGES) == k for k in range(3)]
    return [
        Row(
            name,
            total[name],
            rms[name],
            (total["true widths"] - rms[name]) / (total["true widths"] - ideal),
            (rms[first] - rms[name]) / (rms[first] - rms["true widths"]),
            tuple(float(e[:, t].mean() / true[t].mean()) for t in thirds),
        )
        for name, e in errors.items()
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratio", type=float, default=2.0)
    parser.add_argument("--background", type=float, default=5.0)
    parser.add_argument("--sets", type=int, default=3)
    given = parser.parse_args()
    print(f"{'':24}{'sums':>8}{'fits':>8}{'of ideal':>10}{'of true':>10}   mean errors, thirds")
    for r in table(simulation(given.ratio, given.background), given.sets, CASES):
        thirds = "".join(f"{v:8.3f}" for v in r.thirds)
        print(
            f"{r.name:24}{r.summed:8.2f}{r.fitted:8.2f}{r.of_ideal:10.3f}{r.of_true:10.3f}{thirds}"
        )


if __name__ == "__main__":
    main()
