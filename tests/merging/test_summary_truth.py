"""The summary by its formulas, one by one; Friedel mates and Wilson B by the truth."""

from __future__ import annotations

import math
from collections import defaultdict

import gemmi
import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, check
from dxdask.merging import merge
from dxdask.models.symmetry import is_centric, pack, possible_reflections, spacings
from dxdask.results import StepResult
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit
LINES = """Low resolution limit; High resolution limit;
Rmerge (within I+/I-); Rmerge (all I+ and I-);
Rmeas (within I+/I-); Rmeas (all I+ & I-); Rpim (within I+/I-); Rpim (all I+ & I-);
Rmerge in top intensity bin; Total number of observations; Total number unique; Mean((I)/sd(I));
Mn(I) half-set correlation CC(1/2); Completeness; Multiplicity; Anomalous completeness;
Anomalous multiplicity; DelAnom correlation between half-sets;
Mid-Slope of Anom Normal Probability"""
"""Lines of aimless's summary, in its order."""

Mates = dict[tuple[int, ...], tuple[list[tuple[float, float]], list[tuple[float, float]]]]
"""Intensities and variances of I(+) and I(-), by index in the asymmetric unit."""


@pytest.fixture(scope="module")
def anomalous() -> MadeUp:
    """Return scaled observations, incomplete, of Friedel mates that differ by 8 % (rms)."""
    data = made_up(share=0.2, strength=3e4, d_min=2.6, transmissions=(1.0, 0.5), b_error=0.02)
    group = data.experiments.crystals[0].gemmi_space_group
    rng = np.random.default_rng(4)
    part = {k: rng.normal(0.0, 0.08) for k in data.truth}
    factor = np.ones(len(data.true))
    for row, (key, minus) in enumerate(keyed(data.reflections["hkl"], group)):
        if not is_centric(np.array([key], dtype=np.int32), group)[0]:
            factor[row] += (-1 if minus else 1) * part[int(pack(np.array([key]))[0])]
    table = dict(data.reflections)
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name] * factor
    # else the errors would hold the difference of the mates
    parameters = ScalingParameters(anomalous=True)
    data.reflections = scale(table, data.experiments, parameters).reflections
    data.true = data.true * factor
    return data


def keyed(hkl: np.ndarray, group: gemmi.SpaceGroup) -> list[tuple[tuple[int, ...], bool]]:
    """Return the index in the asymmetric unit of each reflection, and whether it is an I(-)."""
    asu, ops = gemmi.ReciprocalAsu(group), group.operations()
    found = [asu.to_asu(h, ops) for h in hkl.tolist()]
    return [(tuple(h), isym % 2 == 0) for h, isym in found]


@pytest.fixture(scope="module")
def result(anomalous: MadeUp) -> StepResult:
    return merge(anomalous.reflections, anomalous.experiments)


@pytest.fixture(scope="module")
def mates(anomalous: MadeUp) -> Mates:
    table = anomalous.reflections
    group = anomalous.experiments.crystals[0].gemmi_space_group
    out: Mates = defaultdict(lambda: ([], []))
    for row, (key, minus) in enumerate(keyed(table["hkl"], group)):
        if table["flags"][row] & Flag.SCALED:
            seen = float(table["intensity"][row]), float(table["intensity_variance"][row])
            centric = is_centric(np.array([key], dtype=np.int32), group)[0]
            out[key][int(minus and not centric)].append(seen)
    return dict(out)


def mean(seen: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the weighted mean and its standard deviation."""
    weight = math.fsum(1 / v for _, v in seen)
    return math.fsum(i / v for i, v in seen) / weight, weight**-0.5


def r_factors(groups: list[list[tuple[float, float]]]) -> tuple[float, float, float]:
    """Return Rmerge, Rmeas and Rpim of groups of equivalents."""
    top, total = [0.0, 0.0, 0.0], 0.0
    for seen in groups:
        n = len(seen)
        if n > 1:
            about = mean(seen)[0]
            deviation = math.fsum(abs(i - about) for i, _ in seen)
            total += math.fsum(i for i, _ in seen)
            for k, factor in enumerate((1.0, math.sqrt(n / (n - 1)), math.sqrt(1 / (n - 1)))):
                top[k] += factor * deviation
    return top[0] / total, top[1] / total, top[2] / total


def expected(mates: Mates, possible: np.ndarray, centric: np.ndarray) -> dict[str, float]:
    """Return the lines of some reflections, without those of random half-sets."""
    both = [plus + minus for plus, minus in mates.values()]
    apart = [part for pair in mates.values() for part in pair]
    acentric = {tuple(h) for h in possible[~centric].tolist()}
    pairs = [mates[k] for k in mates if k in acentric]
    n_obs = sum(map(len, both))
    out = dict(
        zip(("Rmerge (within I+/I-)", "Rmeas (within I+/I-)", "Rpim (within I+/I-)"),
            r_factors(apart), strict=True)
    )  # fmt: skip
    names = ("Rmerge (all I+ and I-)", "Rmeas (all I+ & I-)", "Rpim (all I+ & I-)")
    out |= dict(zip(names, r_factors(both), strict=True))
    out |= {
        "Total number of observations": n_obs,
        "Total number unique": len(both),
        "Mean((I)/sd(I))": float(np.mean([i / s for i, s in map(mean, both)])),
        "Completeness": 100 * len(both) / len(possible),
        "Multiplicity": n_obs / len(both),
        "Anomalous completeness": 100 * sum(bool(p and m) for p, m in pairs) / len(acentric),
        "Anomalous multiplicity": sum(len(p) + len(m) for p, m in pairs)
        / sum(bool(p) + bool(m) for p, m in pairs),
    }
    return out


def by_line(result: StepResult) -> dict[str, dict[str, str]]:
    return {" ".join(r["statistic"].split()): r for r in result.table("summary").rows}


def test_the_lines_are_those_of_aimless_in_its_order(result: StepResult) -> None:
    assert list(by_line(result)) == " ".join(LINES.split()).split("; ")


@pytest.mark.parametrize("column", ["overall", "inner", "outer"])
def test_each_figure_is_that_of_its_formula(
    result: StepResult, mates: Mates, anomalous: MadeUp, column: str
) -> None:
    crystal = anomalous.experiments.crystals[0]
    cell, group = crystal.gemmi_cell, crystal.gemmi_space_group
    rows = by_line(result)
    d_max, d_min = (float(spacings(np.array(list(mates)), cell).max()), 0.0)
    shells = result.table("shells").rows
    if column == "inner":
        d_min = shells[0]["d_min"]
    if column == "outer":
        d_max = shells[-1]["d_max"]
    lowest = float(spacings(np.array(list(mates)), cell).min())
    possible = possible_reflections(cell, group, d_min=lowest * (1 - 1e-9))
    d = spacings(possible, cell)
    possible = possible[(d <= d_max * (1 + 1e-9)) & (d > d_min)]
    inside = {tuple(h) for h in possible.tolist()}
    chosen = {k: v for k, v in mates.items() if k in inside}
    for name, value in expected(chosen, possible, is_centric(possible, group)).items():
        text = rows[name][column]
        digits = len(text.partition(".")[2])
        assert text == format(value, f".{digits}f"), name
    assert 0 < float(rows["Completeness"]["overall"]) < 100


def test_the_top_bin_is_that_of_the_strongest_tenth(result: StepResult, mates: Mates) -> None:
    both = sorted((plus + minus for plus, minus in mates.values()), key=lambda s: mean(s)[0])
    top = both[len(both) - math.ceil(0.1 * len(both)) :]
    found = float(by_line(result)["Rmerge in top intensity bin"]["overall"])
    assert found == pytest.approx(r_factors(top)[0], abs=6e-4)
    assert found < float(by_line(result)["Rmerge (all I+ and I-)"]["overall"])


def test_the_anomalous_signal_is_that_of_the_truth(result: StepResult, mates: Mates) -> None:
    """Slope and CC_anom from the variances of true differences and of errors."""
    pairs = [(mean(p), mean(m)) for p, m in mates.values() if p and m]
    z = [(p[0] - m[0]) / math.hypot(p[1], m[1]) for p, m in pairs]
    row = result.table("half_sets").rows[-1]
    # of a normal distribution the slope of the middle is its width
    inner = np.quantile(z, 0.6) - np.quantile(z, 0.4)
    assert row["anomalous_slope"] == pytest.approx(inner / 0.5067, rel=0.1)
    assert row["anomalous_slope"] > 1.5
    assert row["cc_anom"] > row["cc_anom_critical"]


def test_amplitudes_of_friedel_mates_are_those_of_the_truth(
    result: StepResult, anomalous: MadeUp
) -> None:
    table = check(result.reflections)
    group = anomalous.experiments.crystals[0].gemmi_space_group
    known = zip(keyed(anomalous.reflections["hkl"], group), anomalous.true.tolist(), strict=True)
    true = dict(known)
    for name, minus in (("plus", False), ("minus", True)):
        f, sigma = table[f"amplitude_{name}"], table[f"amplitude_sigma_{name}"]
        seen = np.isfinite(f) & (table[f"n_{name}"] > 0) & ~is_centric(table["hkl"], group)
        f, sigma, d = f[seen], sigma[seen], table["d"][seen]
        square = np.array([true[tuple(h), minus] for h in table["hkl"][seen].tolist()])
        # nothing determines the overall scale and B
        design = np.column_stack([np.ones(len(d)), 0.5 / d**2])
        strong = f > 20 * sigma
        log = np.log(f / np.sqrt(square))[strong]
        overall = np.exp(design @ np.linalg.lstsq(design[strong], log, rcond=None)[0])
        z = (f / overall - np.sqrt(square)) / (sigma / overall)
        assert abs(np.median(z)) < 0.15
        assert np.percentile(np.abs(z), 68.3) == pytest.approx(1.0, abs=0.15)
    both = np.isfinite(table["dano"])
    np.testing.assert_allclose(
        table["dano"][both], (table["amplitude_plus"] - table["amplitude_minus"])[both], rtol=1e-12
    )


@pytest.mark.parametrize("b", [15.0, 40.0])
def test_the_wilson_b_is_that_of_the_truth(b: float) -> None:
    """Intensities of an average protein with a known B factor."""
    data = made_up(cell=(60.0, 70.0, 80.0, 90.0, 90.0, 90.0), d_min=2.0, share=0.05, strength=1.0,
                   transmissions=(1.0,), n_images=90, wave=0.0, background=0.0)  # fmt: skip
    d = data.reflections["d"]
    atoms = {"C": 5.0, "N": 1.35, "O": 1.5, "S": 0.03, "H": 8.0}
    s2 = 1 / d**2
    squares = np.zeros(len(d))
    for element, n in atoms.items():
        it92 = gemmi.Element(element).it92
        squares += n * np.array([it92.calculate_sf(x / 4) for x in s2.tolist()]) ** 2
    # made_up has exp(-15 / d^2)
    true = data.true * np.exp(15.0 * s2) * squares * np.exp(-b * s2 / 2) * 1e3
    error = 0.02 * np.median(true)
    table = dict(data.reflections) | {
        "intensity": true + error * np.random.default_rng(0).standard_normal(len(d)),
        "intensity_variance": np.full(len(d), error**2),
    }
    table["flags"] = table["flags"] | np.uint32(Flag.SCALED)
    [row] = merge(table, data.experiments).table("wilson").rows
    assert row["b"] == pytest.approx(b, abs=1.5)
    assert max(abs(row[f"anisotropic_{i}"]) for i in (1, 2, 3)) < 3.0
