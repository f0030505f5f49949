"""The guide to stills on its simulated events, compared with the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.still_examples import TETRAGONAL, misorientation

import dxdask
from dxdask.errors import ParameterError
from dxdask.models.crystal import b_matrix
from dxdask.report import plot_hits
from dxdask.simulation import SimulationParameters, jet, simulate
from dxdask.storage.exporters.simulated import write_simulation
from dxdask.storage.store.store import Store

CELL = (79.2, 79.2, 38.0, 90.0, 90.0, 90.0)
SPOTS = {"algorithm": "dispersion", "dispersion": {"gain": 1.5, "global_threshold": 4,
         "sigma_background": 6, "sigma_strong": 4}}  # fmt: skip
GIVEN = {
    "spotfinder": {"threshold": SPOTS},
    "indexing": {"known_symmetry": {"unit_cell": CELL, "space_group": "P43212"}},
    "show": dxdask.quiet,
}


@pytest.fixture(scope="module")
def beamtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jet")
    parameters = SimulationParameters.model_validate(
        jet().model_dump() | {"scan": {"n_images": 60, "exposure": 1 / 120}}
    )
    write_simulation(folder, simulate(parameters))
    return folder


@pytest.fixture(scope="module")
def store(beamtime: Path) -> Store:
    dark = dxdask.pedestal(beamtime / "dark.nxs", beamtime / "dark.zarr", show=dxdask.quiet)
    assert dark.table("pedestal", "panels")["n_bad"].sum() == 60  # 40 dead and 20 hot
    return dxdask.stills_process(
        sorted(beamtime.glob("run*/*.nxs")),
        beamtime / "jet.zarr",
        calibration={
            "dark_path": dark.path,
            "gain_map": str(beamtime / "gain.npy"),
        },
        dispatch={"integrate": False},
        **GIVEN,
    )


def truth(beamtime: Path) -> pd.DataFrame:
    return pd.DataFrame(json.loads((beamtime / "truth.json").read_text())["shots"][0])


def test_raw_events_to_crystals(store: Store, beamtime: Path) -> None:
    stills, true = store.table("index", "stills"), truth(beamtime)
    assert stills["hit"].tolist() == stills["indexed"].tolist() == true["hit"].tolist()
    assert stills["event_id"].tolist() == [1_000_000 + i for i in range(60)]
    found = store.arrays("index", ["a_matrix"])["a_matrix"]
    off = [
        misorientation(found[i], np.array(true["U"][i]) @ b_matrix(CELL), TETRAGONAL)
        for i in np.flatnonzero(true["hit"])
    ]
    assert np.median(off) < 0.15  # panels are a quarter of a millimetre out of place
    assert max(off) < 0.5


def test_hits_are_drawn_over_time(store: Store, beamtime: Path) -> None:
    spots, rates = plot_hits(store, n_bins=4).figure.axes
    drawn = {line.get_label(): len(line.get_xdata()) for line in spots.lines}
    n_hits = int(truth(beamtime)["hit"].sum())
    assert drawn == {"no hit": 60 - n_hits, "hit, not indexed": 0, "indexed": n_hits}
    share = rates.patches[0].get_data().values  # type: ignore[attr-defined]
    np.testing.assert_allclose(
        share, 100 * truth(beamtime)["hit"].to_numpy().reshape(4, 15).mean(axis=1)
    )


def test_the_panels_are_found_where_they_truly_are(store: Store, beamtime: Path) -> None:
    dxdask.refine_metrology(store, show=dxdask.quiet)
    moved = dxdask.detector_shifts(store)
    assert moved["part"].tolist()[1:5] == [f"module_{i}" for i in range(4)]
    left = dxdask.detector_shifts(store, beamtime / "true.geom")
    panels = left[(left["level"] == 1) & left["part"].str.startswith("module")]
    # um: 0.02 px; a rotation about the beam is indistinguishable from one of all crystals
    assert panels["radial_um"].abs().max() < 4
    rotations = panels["rotation_z_degree"]
    assert (rotations - rotations.mean()).abs().max() < 0.004
    whole = dxdask.detector_statistics(store, max_hierarchy_level=0)
    assert len(whole) < len(dxdask.detector_statistics(store))
    assert whole["delta_xy_um"].max() < 5


def test_report_draws_a_picture(store: Store) -> None:
    with pytest.raises(ParameterError, match=r"plot_metrology\(store\)"):
        dxdask.refine_metrology(store, output={"picture": "moves.png"})


def test_a_store_is_processed_where_it_is(store: Store, beamtime: Path) -> None:
    before = store.table("index", "stills")
    again = dxdask.stills_process(
        store,
        input={"reference_geometry": str(store.path)},
        merging={"d_min": 3.2},
        **GIVEN,
    )
    assert again.path == store.path
    after = again.table("index", "stills")
    assert after["rmsd_x_px"].median() < 0.1 < before["rmsd_x_px"].median()
    true = pd.read_csv(beamtime / "truth_intensities.csv")
    merged = again.reflections("merged")
    found = pd.DataFrame(merged["hkl"].values, columns=["h", "k", "l"])
    both = found.assign(intensity=merged["intensity"].values).merge(true, on=["h", "k", "l"])
    assert len(both) > 700
    assert np.corrcoef(both["intensity"], both["I_true"])[0, 1] > 0.95


def test_dumped_blanks_scatter_by_photons_and_readout(store: Store, tmp_path: Path) -> None:
    (file,) = dxdask.dump(store, tmp_path, which="blank", max_events=10).files
    blanks = dxdask.import_(file, tmp_path / "blanks.zarr")
    dxdask.estimate_gain(blanks, show=dxdask.quiet)
    # of about 0.5 photons a pixel, 3 ADU of noise at 7 ADU a photon, and whole numbers
    photons = blanks.frames("jet_1").compute()[:, blanks.mask("jet_1")].mean()
    expected = 1 + ((3 / 7) ** 2 + 1 / 12) / photons
    gain = blanks.table("estimate_gain", "runs")["gain"]
    np.testing.assert_allclose(gain, expected, rtol=0.15)
