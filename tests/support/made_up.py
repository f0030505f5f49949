"""Observations made up from known intensities, scales and errors; unmerged MTZ files as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import gemmi
import numpy as np

from dxdask.columns import Flag, Reflections
from dxdask.models import Beam, Crystal, Detector, Experiment, ExperimentList, Goniometer, Scan
from dxdask.models.symmetry import asu_indices, pack, possible_reflections, spacings


@dataclass(kw_only=True)
class MadeUp:
    """Made-up observations, and the truth behind each of them."""

    reflections: Reflections
    experiments: ExperimentList
    true: np.ndarray
    scale: np.ndarray
    truth: dict[int, float] = field(default_factory=dict)


def made_up(
    *,
    symbol: str = "P 21 21 21",
    cell: tuple[float, ...] = (40.0, 50.0, 60.0, 90.0, 90.0, 90.0),
    d_min: float = 3.0,
    transmissions: tuple[float, ...] = (0.1, 0.4, 1.0),
    n_images: int = 180,
    width: float = 0.5,
    strength: float = 1000.0,
    background: float = 20.0,
    b_error: float = 0.0,
    decay: float = 0.0,
    wave: float = 0.2,
    share: float = 0.6,
    seed: int = 1,
) -> MadeUp:
    """Return Poisson counts of a random crystal, run by run, with smooth scales and a growing B
    factor.
    """
    rng = np.random.default_rng(seed)
    group = gemmi.find_spacegroup_by_name(symbol)
    unit_cell = gemmi.UnitCell(*cell)
    unique = possible_reflections(unit_cell, group, d_min=d_min)
    d_unique = spacings(unique, unit_cell)
    true_unique = strength * rng.exponential(size=len(unique)) * np.exp(-15.0 / d_unique**2)
    all_hkl = np.concatenate(
        [
            np.array([op.apply_to_hkl(h) for h in unique.tolist()]) * sign
            for op in group.operations().sym_ops
            for sign in (1, -1)
        ]
    ).astype(np.int32)
    of_unique = np.tile(np.arange(len(unique)), len(group.operations().sym_ops) * 2)
    columns: dict[str, list[np.ndarray]] = {}
    trues, scales, experiments = [], [], []
    crystal = Crystal.from_cell(cell, space_group=group.xhm())
    detector, goniometer = Detector(panels=()), Goniometer()
    for run, transmission in enumerate(transmissions):
        chosen = np.flatnonzero(rng.random(len(all_hkl)) < share)
        n = len(chosen)
        z = rng.uniform(0, n_images, n)
        d = spacings(all_hkl[chosen], unit_cell)
        true = true_unique[of_unique[chosen]]
        g = transmission * (1 + wave * np.sin(2 * np.pi * z / n_images + run))
        g *= np.exp(-decay * (z / n_images + run) / (2 * d**2))
        lp, qe = rng.uniform(0.1, 0.8, n), rng.uniform(0.7, 1.0, n)
        mean_counts = true * g * qe / lp * (1 + b_error * rng.standard_normal(n))
        bg = background * transmission
        counts = rng.poisson(np.maximum(mean_counts, 0)) + rng.poisson(bg, n) - bg
        part = {
            "experiment": np.full(n, run, np.int32),
            "hkl": all_hkl[chosen],
            "z_cal": z,
            "d": d,
            "x_cal": rng.uniform(0, 1000, n),
            "y_cal": rng.uniform(0, 1000, n),
            "flags": np.full(n, Flag.INDEXED | Flag.PREDICTED | Flag.INTEGRATED_SUM, np.uint32),
            "partiality": np.ones(n),
            "lp": lp,
            "qe": qe,
            "intensity_sum": counts.astype(float),
            "intensity_sum_variance": np.abs(counts) + bg,
        }
        for k, v in part.items():
            columns.setdefault(k, []).append(v)
        trues.append(true)
        scales.append(g)
        experiments.append(
            Experiment(
                identifier=str(run),
                run=f"run{run + 1}",
                beam=Beam(transmission=transmission),
                detector=detector,
                goniometer=goniometer,
                scan=Scan(image_range=(1, n_images), oscillation=(0.0, width)),
                crystal=crystal,
            )
        )
    asu, _ = asu_indices(unique, group)
    return MadeUp(
        reflections={k: np.concatenate(v) for k, v in columns.items()},
        experiments=ExperimentList.of(experiments),
        true=np.concatenate(trues),
        scale=np.concatenate(scales),
        truth=dict(zip(pack(asu).tolist(), true_unique.tolist(), strict=True)),
    )


def whole_observations(mtz: gemmi.Mtz) -> dict[str, np.ndarray]:
    """Return columns of an unmerged MTZ with the parts of partially recorded reflections summed."""
    mtz.switch_to_original_hkl()
    table = {c.label: np.array(c, dtype=np.float64) for c in mtz.columns}
    hkl = np.column_stack([table[c] for c in "HKL"]).astype(np.int32)
    batch, part = table["BATCH"], table["M/ISYM"] >= 256
    order = np.lexsort((batch, hkl[:, 2], hkl[:, 1], hkl[:, 0]))
    hkl, batch, part = hkl[order], batch[order], part[order]
    goes_on = (hkl[1:] == hkl[:-1]).all(axis=1) & (np.diff(batch) <= 1) & part[1:] & part[:-1]
    first = np.flatnonzero(np.append(True, ~goes_on))
    fraction = table["FRACTIONCALC"][order] if part.any() else np.ones(len(batch))
    return {
        "hkl": hkl[first],
        "z": np.add.reduceat(batch, first) / np.diff(np.append(first, len(batch))) - 0.5,
        "i": np.add.reduceat(table["I"][order], first),
        "variance": np.add.reduceat(table["SIGI"][order] ** 2, first),
        "partiality": np.clip(np.add.reduceat(fraction, first), 0.0, 1.0),
    }


def unmerged_mtz(path: Path) -> tuple[Reflections, ExperimentList]:
    """Return the observations of an unmerged MTZ as one run, with lp and qe of 1."""
    mtz = gemmi.read_mtz_file(str(path))
    table = whole_observations(mtz)
    n, hkl = len(table["i"]), table["hkl"]
    numbers = [b.number for b in mtz.batches]
    angles = [(b.floats[36], b.floats[37]) for b in mtz.batches]
    scan = Scan(
        image_range=(min(numbers), max(numbers)),
        oscillation=(angles[0][0], (angles[-1][1] - angles[0][0]) / len(numbers) or 1.0),
    )
    experiment = Experiment(
        identifier="0",
        run="run1",
        beam=Beam(wavelength=mtz.batches[0].wavelength or 1.0),
        detector=Detector(panels=()),
        goniometer=Goniometer(),
        scan=scan,
        crystal=Crystal.from_cell(mtz.cell.parameters, space_group=mtz.spacegroup.xhm()),
    )
    reflections: Reflections = {
        "experiment": np.zeros(n, np.int32),
        "hkl": hkl,
        "z_cal": table["z"],
        "d": spacings(hkl, mtz.cell),
        "partiality": table["partiality"],
        "lp": np.ones(n),
        "qe": np.ones(n),
        "flags": np.full(n, Flag.INTEGRATED_SUM | Flag.SCALED, np.uint32),
        "intensity_sum": table["i"] * table["partiality"],
        "intensity_sum_variance": table["variance"] * table["partiality"] ** 2,
        "intensity": table["i"],
        "intensity_variance": table["variance"],
    }
    return reflections, ExperimentList.of([experiment])
