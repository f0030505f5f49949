"""Each parameter of scaling changes what it says, on data with a known answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up import MadeUp, made_up

from dxdask.columns import Flag, has_flag
from dxdask.models import ExperimentList
from dxdask.results import StepResult
from dxdask.scaling import ScalingParameters, scale

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def data() -> MadeUp:
    return made_up(d_min=4.0, decay=4.0, transmissions=(1.0, 0.5), b_error=0.03)


def scaled(data: MadeUp, **given: object) -> StepResult:
    return scale(data.reflections, data.experiments, ScalingParameters.model_validate(given))


def refined(result: StepResult) -> str:
    return next(line for line in result.messages if line.startswith("Parameters refined"))


def test_the_intervals_of_the_physical_model(data: MadeUp) -> None:
    def points(scale: float, decay: float) -> str:
        physical = {"scale_interval": scale, "decay_interval": decay, "absorption": "none"}
        return refined(scaled(data, physical=physical)).split(": ")[1].split(", in")[0]

    # in each of two runs of 90 degrees: one interval has 2 points, two have 3, n have n + 2
    assert points(45.0, 90.0) == "6 of scale, 4 of decay"
    assert points(45.0, 30.0) == "6 of scale, 10 of decay"
    assert points(15.0, 30.0) == "16 of scale, 10 of decay"


def test_restraints_draw_scales_and_b_factors(data: MadeUp) -> None:
    def rows(**physical: object) -> list[dict[str, float]]:
        return scaled(data, physical={"absorption": "none", **physical}).table("runs").rows

    def spread(row: dict[str, float]) -> float:
        return row["scale_max"] / row["scale_min"]

    assert all(spread(r) > 1.3 and r["b_max"] - r["b_min"] > 0.5 for r in rows())
    flat = rows(scale_restraint=1e9, decay_correction=False)
    assert all(spread(r) < 1.01 for r in flat)
    assert all(r["b_min"] is None for r in flat)
    assert all(r["b_max"] - r["b_min"] < 0.05 for r in rows(decay_restraint=1e9))


def limits(result: StepResult, reason: str) -> int:
    return sum(r["n"] for r in result.table("exclusions").rows if r["reason"] == reason)


def test_limits_of_partiality(data: MadeUp) -> None:
    part = np.ones(len(data.true))
    part[::4], part[1::4] = 0.5, 0.8
    table = dict(data.reflections) | {"partiality": part}
    for name in ("intensity_sum", "intensity_sum_variance"):
        table[name] = table[name] * part
    partly = MadeUp(
        reflections=table, experiments=data.experiments, true=data.true, scale=data.scale
    )
    for cutoff, expected in ((0.4, 0.0), (0.6, 0.25), (0.9, 0.5)):
        result = scaled(partly, cut_data={"partiality_cutoff": cutoff})
        n = int((part < cutoff).sum())
        assert limits(result, "partiality") == n
        assert n == pytest.approx(expected * len(part), abs=2)
    # partial reflections that are wrong: they are scaled, and change the scales if they may
    wrong = dict(table)
    z = data.reflections["z_cal"]
    wrong["intensity_sum"] = table["intensity_sum"] * np.where(part < 0.9, 1 + z / 180, 1.0)
    spoiled = replace(partly, reflections=wrong)
    none = {"scaling_options": {"outlier_rejection": "None"}}
    right = scaled(partly, **none).reflections["scale"]
    found = {
        least: scaled(spoiled, reflection_selection={"min_partiality": least}, **none)
        for least in (0.4, 0.95)
    }
    assert has_flag(found[0.95].reflections, Flag.SCALED).all()
    change = {k: np.log(r.reflections["scale"] / right).std() for k, r in found.items()}
    assert change[0.95] < 0.25 * change[0.4]


def test_the_least_i_over_sigma(data: MadeUp) -> None:
    ratio = data.reflections["intensity_sum"] / np.sqrt(data.reflections["intensity_sum_variance"])
    for least in (-1.0, 3.0):
        result = scaled(data, cut_data={"min_isigi": least})
        assert limits(result, "I/sigma") == pytest.approx((ratio <= least).sum(), abs=3)


def test_which_reflections_the_error_model_is_of() -> None:
    """Errors of strong reflections of 10 %, of weak ones of 2 %: b is that of those used."""
    data = made_up(d_min=3.5, strength=1e5, transmissions=(1.0, 1.0))
    table = dict(data.reflections)
    strong = data.true > 3e4
    relative = np.where(strong, 0.10, 0.02) * np.random.default_rng(0).standard_normal(len(strong))
    table["intensity_sum"] = table["intensity_sum"] * (1 + relative)
    data = replace(data, reflections=table)
    found = {}
    for least in (25.0, 3e4):
        basic = {"a": 1.0, "min_Ih": least, "n_bins": 4}
        result = scaled(data, weighting={"error_model": {"basic": basic}})
        found[least] = result.table("error_model").rows[0]["b"]
        rows = result.table("error_model_bins").rows
        assert len(rows) <= 4
        assert min(r["i_min"] for r in rows) >= least * 0.9 or least < 100
    assert found[3e4] == pytest.approx(0.10, rel=0.1)
    assert found[25.0] < 0.8 * found[3e4]


def test_the_number_of_bins_of_the_error_model(data: MadeUp) -> None:
    for n in (3, 10):
        result = scaled(data, weighting={"error_model": {"basic": {"n_bins": n}}})
        assert n - 2 <= len(result.table("error_model_bins").rows) <= n


def test_limits_of_outliers(data: MadeUp) -> None:
    table = dict(data.reflections)
    off = np.arange(0, len(data.true), 101)
    sigma = np.sqrt(table["intensity_sum_variance"] + (0.03 * table["intensity_sum"]) ** 2)
    table["intensity_sum"] = table["intensity_sum"].copy()
    table["intensity_sum"][off] += 10.0 * sigma[off]
    spoiled = replace(data, reflections=table)
    by_limit = {
        z: scaled(spoiled, scaling_options={"outlier_zmax": z}).reflections for z in (6.0, 20.0)
    }
    flagged = {z: has_flag(t, Flag.OUTLIER_IN_SCALING) for z, t in by_limit.items()}
    assert flagged[6.0][off].mean() > 0.7
    assert flagged[20.0][off].mean() < 0.1


def test_the_largest_amplitude(data: MadeUp) -> None:
    """A reflection seen once and far too strong is an outlier by its amplitude E alone."""
    table = dict(data.reflections)
    hkl = np.abs(table["hkl"])
    keep = (hkl != hkl[-1]).any(axis=1)
    keep[-1] = True
    table = {k: v[keep].copy() for k, v in table.items()}
    row = -1
    mean = float(np.mean(table["intensity_sum"]))
    table["intensity_sum"][row] = table["intensity_sum_variance"][row] = 150.0 * mean
    one = MadeUp(reflections=table, experiments=data.experiments, true=data.true, scale=data.scale)
    found = {}
    for emax in (0.0, 5.0, 100.0):
        result = scaled(one, scaling_options={"emax": emax})
        found[emax] = bool(has_flag(result.reflections, Flag.OUTLIER_IN_SCALING)[row])
    assert found == {0.0: False, 5.0: True, 100.0: False}


def test_the_size_of_the_free_set(data: MadeUp) -> None:
    for percentage in (5.0, 25.0):
        options = {"use_free_set": True, "free_set_percentage": percentage}
        work, free = scaled(data, scaling_options=options).table("free_set").rows
        part = free["n_unique"] / (work["n_unique"] + free["n_unique"])
        assert part == pytest.approx(percentage / 100, rel=0.05)


def test_the_minimiser_stops_when_told_to(data: MadeUp) -> None:
    """One step a round leaves more of the errors than many do, and so does a large tolerance."""

    def error(**refinery: object) -> float:
        given = {"scaling_refinery": refinery, "scaling_options": {"outlier_rejection": "None"}}
        log = np.log(scaled(data, **given).reflections["scale"] / data.scale)
        design = np.column_stack([np.ones(len(log)), 0.5 / data.reflections["d"] ** 2])
        return float((log - design @ np.linalg.lstsq(design, log, rcond=None)[0]).std())

    best = error(rmsd_tolerance=1e-8, max_iterations=50)
    assert error(rmsd_tolerance=1e-8, max_iterations=1) > best * (1 + 1e-6)
    assert error(rmsd_tolerance=0.5) > best * (1 + 1e-6)
    assert error() == pytest.approx(best, rel=1e-6)


def test_cycles_of_exclusion() -> None:
    """Two bad runs, of which the worse hides the other: one goes in each cycle."""
    data = made_up(transmissions=(1.0,) * 12, d_min=5.0, share=0.3)
    table = {k: v.copy() for k, v in data.reflections.items()}
    rng = np.random.default_rng(1)
    for run, share in ((3, 1.0), (7, 0.35)):
        rows = np.flatnonzero(table["experiment"] == run)
        rows = rows[rng.random(len(rows)) < share]
        mixed = rng.permutation(rows)
        for name in ("intensity_sum", "intensity_sum_variance"):
            table[name][rows] = table[name][mixed]
    data = replace(data, reflections=table)
    options = {"max_percent_removed": 30.0, "stdcutoff": 2.0}
    found = {}
    for cycles in (1, 3):
        given = {"method": "deltacchalf", "deltacchalf": options | {"max_cycles": cycles}}
        result = scaled(data, filtering=given, physical={"absorption": "none"})
        rows = result.table("delta_cc_half").rows
        found[cycles] = {r["run"]: r["excluded_in_cycle"] for r in rows if r["excluded_in_cycle"]}
    assert found[1] == {"run4": 1}
    assert found[3] == {"run4": 1, "run8": 2}


def crystals_of(data: MadeUp, *numbers: int) -> MadeUp:
    """Return the data with the crystal of these numbers for each run."""
    models = [replace(data.experiments[0].crystal) for _ in range(max(numbers) + 1)]
    members = [
        replace(e, crystal=models[k]) for e, k in zip(data.experiments, numbers, strict=True)
    ]
    return replace(data, experiments=ExperimentList.of(members))


def test_relative_b_factors_of_crystals_and_sweeps() -> None:
    data = crystals_of(made_up(d_min=4.0, transmissions=(1.0,) * 4), 0, 0, 1, 1)
    found = [
        refined(scaled(data, model="dose_decay", dose_decay={"relative_B_correction": kind}))
        for kind in ("crystal", "sweep", "none")
    ]
    assert "2 of dose_decay, 2 of relative_B" in found[0]
    assert "2 of dose_decay, 4 of relative_B" in found[1]
    assert "2 of dose_decay, in" in found[2]


def test_doses_that_sweeps_begin_with(data: MadeUp) -> None:
    def starts(*dose: float) -> list[float]:
        result = scaled(data, model="dose_decay", dose_decay={"starting_dose": dose})
        return [r["dose_start"] for r in result.table("dose_decay").rows]

    assert starts() == [0.0, 180.0]
    assert starts(30.0) == [30.0, 30.0]
    assert starts(5.0, 70.0) == [5.0, 70.0]
