"""The step search_beam_position in a store, and index after it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.ensemble_example import QUICK, small

import dxdask
from dxdask.cli.main import run
from dxdask.simulation import simulate
from dxdask.simulation.parameters import BackgroundParameters
from dxdask.storage.exporters.simulated import write_simulation

pytestmark = pytest.mark.jit
# on the plane of the upper of two modules of 128 rows; the true one is in the gap
TRUE, WRONG = (127.2, 131.6), (119.2, 136.6)


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[float, float]]:
    """A store whose beam centre is off by some pixels, with spots; and the true centre."""
    made = simulate(small(transmissions=(1.0,)))
    folder = tmp_path_factory.mktemp("beam")
    write_simulation(folder, made)
    (path,) = [p for p in folder.rglob("*") if p.suffix in (".nxs", ".h5")][:1]
    store = dxdask.import_(path, folder / "wrong.zarr", fast_slow_beam_centre=(*WRONG, 0))
    dxdask.find_spots(store)
    return folder / "wrong.zarr", TRUE


def test_the_centre_is_found_and_taken_by_index(wrong, capsys):
    path, true = wrong
    store = dxdask.search_beam_position(path, mm_search_scope=4.0)
    (row,) = store.table("search_beam_position", "beam_centres").to_dict("records")
    assert row["panel"] == 0
    assert (row["fast_px_before"], row["slow_px_before"]) == pytest.approx(WRONG)
    assert (row["fast_px"], row["slow_px"]) == pytest.approx(true, abs=1.0)
    assert row["percent"] > 80
    centres = store.experiments("search_beam_position")[0]
    assert centres.crystal is None
    dxdask.index(store, **QUICK)
    assert store.messages("index")[0].startswith("Beam centre of tiny_1 from search_beam_position")
    assert store.table("index", "imagesets")["percent"].iloc[0] > 90
    assert not any("is corrected" in m for m in store.messages("index"))
    # another search gives another fingerprint: index is made again
    dxdask.search_beam_position(store, mm_search_scope=0.2)
    dxdask.index(store, **QUICK)
    shift = store.table("search_beam_position", "beam_centres")["shift_fast_mm"].iloc[0]
    assert f"moved by {shift:+.3f}" in store.messages("index")[0]
    # the rest is found where the lattice does not fit
    assert any("is corrected" in m for m in store.messages("index"))
    assert store.table("index", "imagesets")["percent"].iloc[0] > 90


def test_the_command(wrong, capsys):
    path, true = wrong
    assert run(["search_beam_position", str(path), "branch=cli", "mm_search_scope=3"]) == 0
    assert "Beam centres" in capsys.readouterr().out
    assert run(["show", str(path), "search_beam_position", "branch=cli", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    rows = shown["steps"]["search_beam_position"]["tables"]["beam_centres"]
    assert rows[0]["fast_px"] == pytest.approx(true[0], abs=1.0)


def test_index_of_few_spots_is_one_line_and_status_1(wrong, capsys):
    path, _ = wrong
    assert run(["find_spots", str(path), "branch=few", "dispersion.global_threshold=9000"]) in (
        0,
        1,
    )
    capsys.readouterr()
    assert run(["index", str(path), "branch=few"]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert any("lower the threshold of find_spots" in line for line in lines)


@pytest.fixture(scope="module")
def scattering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of strong scattering around the beam, whose beam centre is off."""
    air = BackgroundParameters(radial=30.0, radial_sigma=3.0, ring=0.0)
    made = simulate(small(transmissions=(1.0,)).model_copy(update={"background": air}))
    folder = tmp_path_factory.mktemp("scattering")
    write_simulation(folder, made)
    (path,) = [p for p in folder.rglob("*") if p.suffix in (".nxs", ".h5")][:1]
    store = dxdask.import_(path, folder / "wrong.zarr", fast_slow_beam_centre=(*WRONG, 0))
    dxdask.find_spots(store)
    return folder / "wrong.zarr"


@pytest.mark.parametrize("method", ["midpoint", "maximum"])
def test_methods_on_frames(scattering, method):
    given = {"bin_width": 8, "exclude_intensity_percent": 10.0}
    store = dxdask.search_beam_position(scattering, method=method, projection=given)
    (row,) = store.table("search_beam_position", "beam_centres").to_dict("records")
    # on the plane of the module that the wrong centre is on
    moved = [row[f"{name}_px"] - row[f"{name}_px_before"] for name in ("fast", "slow")]
    assert moved == pytest.approx([t - w for t, w in zip(TRUE, WRONG, strict=True)], abs=2.0)
