"""Real results of DIALS taken further: spots indexed, integrated sweeps scaled and merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.paths import shared_folder

import dxdask
from dxdask.models import Crystal

pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.jit]

# number that dials.index of DIALS 3.12 indexes with defaults, and its cell
INDEXED = {
    "phi_scan": (2006, (11.6175, 13.543, 30.085, 89.956, 93.718, 90.130)),
    "lpe4": (1174, (37.95, 78.01, 78.32, 89.93, 89.91, 89.99)),
    "mxsw": (1353, (11.7195, 11.7206, 11.7360, 109.235, 109.079, 108.987)),
}


@pytest.mark.parametrize("name", INDEXED)
def test_spots_are_indexed(tmp_path: Path, name: str) -> None:
    files = [shared_folder() / f"data/real/strong_spots/{name}{end}" for end in (".expt", ".npz")]
    store = dxdask.index(dxdask.import_(files, tmp_path / "s.zarr"))
    n, cell = INDEXED[name]
    assert store.table("index", "imagesets")["n_indexed"].sum() >= n
    crystal = store.experiments("index")[0].crystal
    assert crystal is not None
    ours = crystal.unit_cell
    np.testing.assert_allclose(sorted(ours[:3]), sorted(cell[:3]), rtol=5e-3)
    volume = crystal.gemmi_cell.volume
    assert volume == pytest.approx(Crystal.from_cell(cell).gemmi_cell.volume, rel=1e-2)


def test_integrated_sweeps_are_merged(tmp_path: Path) -> None:
    """Two sweeps of L-cysteine; DIALS has Rmerge 0.025 with an absorption correction."""
    folder = shared_folder() / "data/real/l_cysteine"
    files = [folder / f"{n}_integrated{end}" for n in (20, 25) for end in (".expt", ".refl")]
    store = dxdask.import_(files, tmp_path / "s.zarr")
    dxdask.merge(dxdask.scale(store))
    row = store.table("merge", "overall").iloc[0]
    assert row["n_unique"] == 1495
    assert row["n_obs"] > 5500
    assert row["r_merge"] < 0.03
    assert row["cc_half"] > 0.999


def test_integration_goes_on_from_refined_models(tmp_path: Path) -> None:
    """Frames beside the models, strong pixels from the shoeboxes."""
    for file in (shared_folder() / "data/real/lysozyme_ed").glob("*.img.bz2"):
        (tmp_path / file.name).symlink_to(file)
    reference = shared_folder() / "reference/lysozyme_ed"
    for name in ("refined.expt", "indexed.refl"):
        (tmp_path / name).write_bytes((reference / name).read_bytes())
    files = [tmp_path / "refined.expt", tmp_path / "indexed.refl"]
    store = dxdask.integrate(dxdask.import_(files, tmp_path / "s.zarr"), d_min=2.5)
    assert store.table("integrate", "summary")["n_predicted"].sum() > 10000
