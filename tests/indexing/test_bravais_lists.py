"""Settings of real lists of spots: the lattices that DIALS lists, and the one to take."""

from __future__ import annotations

from pathlib import Path

import pytest

import dxdask

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.jit]

# settings that DIALS 3.12 lists, and the lattice with the symmetry of the intensities
LISTS = {"phi_scan": (5, "mP"), "lpe4": (9, "tP"), "mxsw": (22, "hR")}


@pytest.mark.parametrize("name", LISTS)
def test_one_setting_of_a_real_list_is_recommended(shared: Path, tmp_path: Path, name: str) -> None:
    folder = shared / "data" / "real" / "strong_spots"
    n_settings, lattice = LISTS[name]
    store = dxdask.import_([folder / f"{name}.expt", folder / f"{name}.npz"], tmp_path / "s.zarr")
    dxdask.index(store)
    dxdask.refine_bravais_settings(store)
    table = store.table("refine_bravais_settings", "bravais")
    assert len(table) == n_settings
    best = table[table["recommended"]]
    assert best["lattice"].tolist() == [lattice]
    # and goes on: in that setting, refined
    dxdask.reindex(store, solution=int(best["solution"].iloc[0]))
    dxdask.refine(store)
    assert store.table("refine", "crystals")["space_group"][0] == best["space_group"].iloc[0]
    rmsds = store.table("refine", "rmsds")
    assert rmsds["rmsd_x_px"][0] < 0.8
    assert rmsds["rmsd_y_px"][0] < 0.8
