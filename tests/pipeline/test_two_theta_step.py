"""The cell by scattering angles as a step: its table, the export, what makes it stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import gemmi
import numpy as np
import pytest
from support.processed_files import write_job

import dxdask
from dxdask.errors import InputError, StoreNotFoundError
from dxdask.pipeline.staleness import stale_steps
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.jit


@pytest.fixture
def store(processed: Store, tmp_path: Path) -> Store:
    shutil.copytree(processed.path, tmp_path / "copy.zarr")
    return dxdask.open(tmp_path / "copy.zarr")


def test_cell_and_uncertainty_are_exported(store: Store, tmp_path: Path) -> None:
    dxdask.two_theta_refine(store)
    table = store.table("two_theta_refine", "cells")
    assert table["run"].tolist() == ["all", *store.runs]
    assert table["a"][0] == pytest.approx(36.0, abs=0.02)
    assert 0 < table["a_su"][0] < 0.01
    assert table["a"][0] == table["c"][0]
    crystal = store.experiments("two_theta_refine").crystals[0]
    assert crystal.cell_su is not None
    assert crystal.cell_su[0] == table["a_su"][0]
    cif, mtz = tmp_path / "m.cif", tmp_path / "m.mtz"
    dxdask.export(store, format="mmcif", output=str(cif))
    dxdask.export(store, output=str(mtz))
    block = gemmi.cif.read(str(cif)).sole_block()
    assert float(block.find_value("_cell.length_a_esd")) == pytest.approx(
        table["a_su"][0], abs=1e-5
    )
    assert float(block.find_value("_cell.length_a")) == pytest.approx(table["a"][0], abs=1e-3)
    assert gemmi.read_mtz_file(str(mtz)).cell.a == pytest.approx(table["a"][0], abs=1e-4)
    dxdask.integrate(store, d_min=4.0)
    assert "integrate of run" in stale_steps(store)["two_theta_refine"]
    dxdask.scale(store)
    dxdask.merge(store)
    with pytest.raises(InputError, match=r"two_theta_refine in .* other input"):
        dxdask.export(store, format="mmcif", output=str(cif))


def test_without_it_uncertainties_are_those_of_refine(processed: Store, tmp_path: Path) -> None:
    path = tmp_path / "m.cif"
    dxdask.export(processed, format="mmcif", output=str(path))
    crystal = processed.experiments("refine").crystals[0]
    assert crystal.cell_su is not None
    found = gemmi.cif.read(str(path)).sole_block().find_value("_cell.length_a_esd")
    assert float(found) == pytest.approx(crystal.cell_su[0], abs=1e-5)


def test_integrated_reflections_in_other_axes_are_taken(store: Store) -> None:
    dxdask.reindex_integrated(store, space_group="P1")
    dxdask.two_theta_refine(store)
    row = store.table("two_theta_refine", "cells").iloc[0]
    assert row["space_group"] == "P 1"
    np.testing.assert_allclose(row[["a", "b", "c"]].astype(float), 36.0 * 0.75**0.5, atol=0.05)
    assert row["alpha_su"] > 0


def test_steps_that_need_frames_say_so_where_there_are_none(tmp_path: Path) -> None:
    store = dxdask.import_(write_job(tmp_path, "integrate"), tmp_path / "s.zarr")
    for name in ("index", "refine", "integrate", "refine_bravais_settings"):
        with pytest.raises(StoreNotFoundError, match="made from frames, which lyso was imported"):
            getattr(dxdask, name)(store)
    with pytest.raises(StoreNotFoundError, match="dxdask reindex_integrated"):
        dxdask.reindex(store, space_group="P1")
    dxdask.reindex_integrated(store, space_group="P1")
