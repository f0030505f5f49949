"""A sweep of images at angles that were read back, of a jittering axis that starts slowly."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import gemmi
import numpy as np
import pytest
from support.ensemble_example import QUICK, small

import dxdask
from dxdask.simulation import simulate
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.slow

WIDTH, GROUP = 0.25, gemmi.SpaceGroup("I 21 3")
JITTER = {"angle_jitter": 0.3, "slow_images": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("uneven")


def processed(folder: Path, name: str, scan: dict[str, Any], **given: Any) -> Store:
    """Return the store of a sweep over some 30 degrees, made from a file."""
    if not (folder / name).exists():
        scan = {"n_images": 120, "oscillation": WIDTH, **scan}
        made = simulate(small(transmissions=(1.0,), seed=5, scan=scan))
        write_simulation(folder / name, made)
    files = list((folder / name).glob("*/*.nxs"))
    out = folder / f"{name}_{len(given)}.zarr"
    return dxdask.process(files, out, show=dxdask.quiet, **QUICK, **given)


def quality(store: Store, truth: Path) -> dict[str, float]:
    """Return RMSD along z, Rmeas, and one less the correlation with the true intensities."""
    unit, operations = gemmi.ReciprocalAsu(GROUP), GROUP.operations()
    merged, correlations = store.columns("merge"), []
    for setting in (gemmi.Op("x,y,z"), gemmi.Op("y,x,-z")):
        with truth.open() as file:
            known = {
                tuple(unit.to_asu(setting.apply_to_hkl([int(r[x]) for x in "hkl"]), operations)[0]):
                    float(r["I_true"])
                for r in csv.DictReader(file)
            }  # fmt: skip
        true = np.array([known.get(tuple(h), np.nan) for h in merged["hkl"].tolist()])
        there = np.isfinite(true)
        correlations.append(np.corrcoef(true[there], merged["intensity"][there])[0, 1])
    [overall] = store.table("merge", "overall").to_dict("records")
    [rmsds] = store.table("refine", "rmsds").to_dict("records")
    return {
        "z": rmsds["rmsd_z_images"], "r_meas": overall["r_meas"], "off": 1.0 - max(correlations),
    }  # fmt: skip


def test_angles_of_the_images_are_used(folder: Path) -> None:
    """Nearly as good as an even sweep, and better by far than without the angles."""
    even = quality(processed(folder, "even", {}), folder / "even/truth_intensities.csv")
    store = processed(folder, "uneven", JITTER)
    truth = folder / "uneven/truth_intensities.csv"
    used = quality(store, truth)
    ignored = quality(
        processed(folder, "uneven", JITTER, **{"geometry.scan.oscillation": (0.0, WIDTH)}), truth
    )
    print(f"{even=}\n{used=}\n{ignored=}")
    scan = store.experiments("refine")[0].scan
    assert scan is not None
    assert len(scan.angles) == scan.n_images + 1
    # images of up to two widths locate the spots less well
    assert used["z"] < 2.0 * even["z"] < 0.5 * ignored["z"] + 0.03
    assert used["z"] < 0.6 * ignored["z"]
    assert used["r_meas"] < 1.1 * even["r_meas"]
    assert ignored["r_meas"] > 1.2 * used["r_meas"]
    assert used["off"] < 1.5 * even["off"]
    assert ignored["off"] > 1.5 * used["off"]


def test_the_user_is_told(folder: Path) -> None:
    store = processed(folder, "uneven", JITTER)
    lines = store.problems()["reason"].tolist()
    assert any(re.search(r"depart from even steps .* each image has its own", x) for x in lines)
