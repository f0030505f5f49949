"""Cell and orientation along a scan, of crystals of known drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.residual_examples import run, varying

from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.report.values import scan_varying_crystals


def test_cell_and_orientation_are_those_of_the_scan_points() -> None:
    one = varying(run("one"), degrees=0.8, growth=0.002)
    su = (0.01, 0.02, 0.03, 0.1, 0.1, 0.1)
    two = varying(run("two", n_images=20), degrees=-0.4, growth=0.0)
    two = replace(two, crystal=replace(two.crystal, cell_su=su))
    found = scan_varying_crystals(ExperimentList.of([one, run("static"), two]))
    assert found.groupby("experiment").size().to_dict() == {0: 41, 2: 21}
    first, last = found[found["experiment"] == 0], found[found["run"] == "two"]
    t = np.linspace(0, 1, 41)
    np.testing.assert_allclose(first["a"], 35 * (1 + 0.002 * t), rtol=1e-9)
    np.testing.assert_allclose(first["b"], 40, rtol=1e-9)
    np.testing.assert_allclose(first["gamma"], 100, rtol=1e-9)
    np.testing.assert_allclose(first["phi1"], 0.8 * t, atol=1e-6)
    np.testing.assert_allclose(first[["phi2", "phi3"]], 0.0, atol=1e-6)
    np.testing.assert_allclose(last["phi1"], -0.4 * np.linspace(0, 1, 21), atol=1e-6)
    np.testing.assert_array_equal(first["image"], np.arange(4, 45))
    np.testing.assert_allclose(first["angle"], 3.0 + 0.5 * np.arange(41))
    np.testing.assert_allclose(first["a_static"], 35)
    np.testing.assert_allclose(first["volume"] / first["volume_static"], 1 + 0.002 * t, rtol=1e-9)
    assert first["a_su"].isna().all()
    np.testing.assert_array_equal(last["b_su"], 0.02)


def test_without_a_varying_crystal_it_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"no crystal varies .* scan_varying=true"):
        scan_varying_crystals(ExperimentList.of([run()]))
