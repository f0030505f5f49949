"""Indices and crystals beside those of dials.reindex."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.processed_files import write_job

import dxdask
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_reflections

pytestmark = [pytest.mark.dials, pytest.mark.slow]


@pytest.mark.parametrize(
    ("op", "group"), [("b,c,a", None), ("-h,-k,l", None), ("a-b,a+b,c", "P1"), ("x-y,x,z", "P1")]
)
def test_operators(tmp_path: Path, op: str, group: str | None) -> None:
    program = shutil.which("dials.reindex")
    if program is None:
        pytest.skip("dials.reindex is not installed")
    expt, refl = write_job(tmp_path, "index")
    words = [f"change_of_basis_op={op}", *([f"space_group={group}"] if group else [])]
    subprocess.run([program, expt, refl, *words], cwd=tmp_path, check=True, capture_output=True)
    theirs = read_experiments(tmp_path / "reindexed.expt")
    hkl = read_reflections(tmp_path / "reindexed.refl")["hkl"]
    store = dxdask.import_([expt, refl], tmp_path / "s.zarr")
    dxdask.reindex(store, change_of_basis_op=op, space_group=group)
    ours = store.experiments("reindex").crystals[0]
    np.testing.assert_allclose(ours.a, theirs.crystals[0].a, atol=1e-9)
    own = store.columns("reindex", ["hkl"])["hkl"]
    np.testing.assert_array_equal(own, hkl)
    assert ours.gemmi_space_group.number == theirs.crystals[0].gemmi_space_group.number
