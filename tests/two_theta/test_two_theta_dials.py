"""Cells by scattering angles beside those of dials.two_theta_refine (3.12) on the same lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dxdask

pytestmark = [pytest.mark.shared, pytest.mark.jit]

# combine_crystal_models=False; a, b, c and their standard uncertainties
THEIRS = {
    "l-cyst_04": ((5.42205, 8.13777, 12.01552), (8.0e-5, 14.0e-5, 20.0e-5)),
    "l-cyst_01": ((5.43078, 8.14866, 12.04711), (6.2e-5, 7.8e-5, 13.1e-5)),
}


def test_l_cysteine(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "real" / "l_cysteine"
    files = [folder / f"{n}_integrated.{suffix}" for n in (20, 25) for suffix in ("expt", "refl")]
    store = dxdask.import_(files, tmp_path / "s.zarr")
    dxdask.two_theta_refine(store, combine_crystal_models=False)
    for row in store.table("two_theta_refine", "cells").to_dict("records"):
        cell, su = THEIRS[row["run"]]
        found = np.array([row[name] for name in "abc"])
        errors = np.array([row[f"{name}_su"] for name in "abc"])
        np.testing.assert_array_less(np.abs(found - cell), 3.0 * np.array(su))
        # of the same size: weights by strength make them somewhat smaller
        assert np.all((errors > 0.4 * np.array(su)) & (errors < 1.6 * np.array(su)))
    dxdask.two_theta_refine(store)
    messages = store.messages("two_theta_refine")
    assert any("cells of runs differ by up to" in line for line in messages)
