"""Real and simulated data that another program integrated, with its own group beside ours."""

from __future__ import annotations

from pathlib import Path

import pytest

import dxdask
from dxdask.storage.store.store import Store

pytestmark = pytest.mark.shared


def imported(tmp_path: Path, *files: Path) -> Store:
    return dxdask.import_([str(f) for f in files], tmp_path / "data.zarr")


def test_l_cysteine(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "real" / "l_cysteine"
    store = imported(tmp_path, *sorted(folder.glob("*_integrated.*")))
    dxdask.symmetry(store)
    assert {c.space_group for c in store.experiments("symmetry").crystals} == {"P 21 21 21"}
    screws = store.table("symmetry", "systematic_absences")
    assert (screws["probability"] > 0.99).all()
    # as dials.symmetry 3.12: correlations 0.97 to 0.98, and this group
    operators = store.table("symmetry", "operators")
    assert operators["cc"].between(0.95, 1.0).all()
