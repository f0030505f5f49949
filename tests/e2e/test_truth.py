"""Results from the simulated ensemble agree with the simulation's models."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import gemmi
import numpy as np
from support.ensemble_example import RUNS, TRANSMISSIONS

from dxdask.columns import Flag, Reflections
from dxdask.storage.store.store import Store

GROUP = gemmi.SpaceGroup("I 21 3")


def true_intensities(raw: list[Path], setting: gemmi.Op) -> dict[tuple[int, ...], float]:
    """Return I by hkl of the asymmetric unit, after a change of setting."""
    unit, operations = gemmi.ReciprocalAsu(GROUP), GROUP.operations()
    with (raw[0].parent.parent / "truth_intensities.csv").open() as file:
        return {
            tuple(unit.to_asu(setting.apply_to_hkl([int(r[x]) for x in "hkl"]), operations)[0]):
                float(r["I_true"])
            for r in csv.DictReader(file)
        }  # fmt: skip


def correlation(merged: Reflections, truth: dict[tuple[int, ...], float]) -> float:
    known = np.array([truth.get(tuple(hkl), np.nan) for hkl in merged["hkl"].tolist()])
    there = np.isfinite(known)
    assert there.mean() > 0.9
    return float(np.corrcoef(known[there], merged["intensity"][there])[0, 1])


def test_nearly_every_spot_is_indexed(processed: Store) -> None:
    table = processed.table("index", "imagesets")
    assert tuple(table["run"]) == RUNS
    assert (table["percent"] > 99).all()
    assert (table["n_indexed"] > 600).all()


def test_the_cell_is_the_crystals(processed: Store) -> None:
    for step in ("index", "refine"):
        crystals = processed.table(step, "crystals")
        assert (crystals["space_group"] == "I 21 3").all()
        np.testing.assert_allclose(crystals["a"], 36.0, atol=0.05)
        np.testing.assert_allclose(crystals[["alpha", "beta", "gamma"]], 90.0)


def test_refined_positions_are_good_to_a_third_of_a_pixel(processed: Store) -> None:
    rmsds = processed.table("refine", "rmsds")
    assert (rmsds[["rmsd_x_px", "rmsd_y_px"]] < 0.45).all(axis=None)
    assert (rmsds["rmsd_z_images"] < 0.25).all()


def test_merged_intensities_follow_the_true_ones(processed: Store, raw: list[Path]) -> None:
    # the lattice is more symmetric than the crystal: either setting may have been found
    merged = processed.columns("merge")
    settings = [gemmi.Op("x,y,z"), gemmi.Op("y,x,-z")]
    found = sorted(correlation(merged, true_intensities(raw, s)) for s in settings)
    assert found[0] < 0.7
    assert found[1] > 0.98


def test_ratios_are_the_transmissions(processed: Store) -> None:
    ratios = processed.table("linearity", "ratios")
    assert tuple(ratios["run"]) == RUNS
    np.testing.assert_allclose(ratios["transmission"], TRANSMISSIONS)
    # bright spots are recorded 2% too high by the simulated gain switch
    np.testing.assert_allclose(ratios["sum_ratio"], TRANSMISSIONS, rtol=0.03)
    np.testing.assert_allclose(ratios["median"], TRANSMISSIONS, rtol=0.03)


def test_the_gain_switch_shows_in_the_histogram(processed: Store) -> None:
    arrays = processed.arrays("histogram")
    counts, value = arrays["histogram"].sum(axis=0), np.floor(arrays["bin_centres"])
    assert (counts[(value >= 2) & (value < 30)] > 0).all()
    assert (counts[(value == 30) | (value == 31)] == 0).all()
    assert (counts[(value > 31) & (value < 50)] > 0).all()


def test_the_statistics_are_those_of_good_data(processed: Store) -> None:
    [overall] = processed.table("merge", "overall").to_dict("records")
    assert overall["cc_half"] > 0.99
    assert overall["r_merge"] < 0.08
    integrated = processed.columns("integrate")
    whole = (integrated["flags"] & Flag.INTEGRATED_SUM) != 0
    assert whole.mean() > 0.85
    assert overall["n_unique"] == len(processed.columns("merge")["hkl"])


def test_the_truth_is_written_beside_the_frames(raw: list[Path]) -> None:
    truth = json.loads((raw[0].parent.parent / "truth.json").read_text())
    assert truth["cell"] == [36.0, 36.0, 36.0, 90.0, 90.0, 90.0]
    assert tuple(truth["transmissions"]) == TRANSMISSIONS
