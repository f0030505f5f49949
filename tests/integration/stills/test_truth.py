"""Intensities of simulated shots against what was simulated."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import gemmi
import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag
from dxdask.integration.stills.block import IntegratedStills, integrate_block
from dxdask.integration.stills.context import stills_context
from dxdask.models import Detector
from dxdask.still_columns import Stills
from dxdask.storage.importers import read_runs

GROUP = gemmi.SpaceGroup("P 43 21 2")


def _stills(folder: Path, run_events: list[int], wavelengths: tuple[float, ...]) -> Stills:
    events = json.loads((folder / "events.json").read_text())["events"]
    by_number = {e["event"]: e for e in events}
    own = [by_number[i] for i in run_events]
    n = len(own)
    return {
        "experiment": np.zeros(n, np.int32),
        "image": np.arange(n, dtype=np.int32),
        "indexed": np.array([e["kind"] == "hit" for e in own]),
        "wavelength": np.array(wavelengths),
        "a_matrix": np.array([e.get("A_rows_xyz_cols_abc_star", np.zeros((3, 3))) for e in own]),
    }


def _true_detector(folder: Path, nominal: Detector) -> Detector:
    true = json.loads((folder / "geometry_true.json").read_text())["panels"]
    return replace(
        nominal,
        panels=tuple(
            replace(p, origin=tuple(t["origin"]), fast_axis=tuple(t["fast"]),
                    slow_axis=tuple(t["slow"]))
            for p, t in zip(nominal.panels, true, strict=True)
        ),
    )  # fmt: skip


def _true_intensities(folder: Path, hkl: NDArray[np.int32]) -> NDArray[np.float64]:
    asu, operations = gemmi.ReciprocalAsu(GROUP), GROUP.operations()
    lines = (folder / "true_intensities.csv").read_text().splitlines()
    truth = {}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        index = [int(row[c]) for c in "hkl"]
        truth[tuple(asu.to_asu(index, operations)[0])] = float(row["I"])
    return np.array([truth.get(tuple(asu.to_asu(h, operations)[0]), np.nan) for h in hkl.tolist()])


@pytest.fixture(scope="module")
def integrated(shared: Path) -> tuple[IntegratedStills, NDArray[np.float64]]:
    """Return the shots integrated with true crystals and detector, and true intensities."""
    import h5py

    folder = shared / "data" / "stills"
    run = read_runs([str(folder / "corrected.h5")])[0]
    with h5py.File(folder / "corrected.h5") as file:
        events = file["entry/event_id"][:].tolist()
    stills = _stills(folder, events, run.experiment.beam.wavelengths)
    common = stills_context(
        _true_detector(folder, run.experiment.detector), run.experiment.beam, "P 43 21 2", d_min=2.4
    )
    none = {"z": np.zeros(0), "flags": np.zeros(0, np.uint32), "panel": np.zeros(0, np.int32),
            "hkl": np.zeros((0, 3), np.int32), "x": np.zeros(0), "y": np.zeros(0)}  # fmt: skip
    out = integrate_block(run.reader.read(0, len(events)), 0, stills, none, run.mask, common)
    return out, _true_intensities(folder, out.reflections["hkl"])


def _good(table: Reflections) -> NDArray[np.bool_]:
    return has_flag(table, Flag.INTEGRATED_SUM) & ~has_flag(table, Flag.OVERLAPPED_FG)


@pytest.mark.shared
def test_reflections_near_the_sphere_have_the_true_intensities_but_for_a_scale(
    integrated: tuple[IntegratedStills, NDArray[np.float64]],
) -> None:
    table, true = integrated[0].reflections, integrated[1]
    near = _good(table) & np.isfinite(true) & (np.abs(table["excitation_error"]) < 2e-4)
    found = []
    for z in np.unique(table["z"]):
        own = near & (table["z"] == z)
        observed = table["intensity_sum"][own] * table["lp"][own]
        found.append(np.corrcoef(observed, true[own])[0, 1])
    assert len(found) == 40
    assert np.median(found) > 0.998
    # a few strong ones fall into the shadow of the beam stop, which is in no mask
    assert np.quantile(found, 0.12) > 0.98


@pytest.mark.shared
def test_crystals_of_larger_blocks_are_found_to_be_such(
    integrated: tuple[IntegratedStills, NDArray[np.float64]], shared: Path
) -> None:
    stills, (table, true) = integrated[0].stills, (integrated[0].reflections, integrated[1])
    sigma = []
    for z in np.unique(table["z"]):
        own = _good(table) & (table["z"] == z) & np.isfinite(true)
        seen, eps = table["intensity_sum"][own], np.abs(table["excitation_error"][own])
        # with true intensities known, the least squares fit of one width
        widths = np.exp(np.linspace(np.log(2e-4), np.log(1e-3), 60))
        misfits = []
        for width in widths:
            model = np.exp(-0.5 * (eps / width) ** 2) * true[own]
            misfits.append(np.sum((seen - model * (model @ seen) / (model @ model)) ** 2))
        sigma.append(widths[np.argmin(misfits)])
    size = stills["domain_size"][stills["indexed"]]
    assert np.median(0.25 / size) == pytest.approx(np.median(sigma), rel=0.1)
    assert np.corrcoef(1 / size, sigma)[0, 1] > 0.75
