"""Dead time of pixels, and whether counts are corrected for it, of headers."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from support.image_examples import write_mini

from dxdask.models.count_rate import CountRate
from dxdask.storage.importers import read_runs
from dxdask.storage.importers.nxmx.count_rate import count_rate_of
from dxdask.storage.importers.nxmx.fields import Findings


@pytest.mark.parametrize(
    ("tau", "known"),
    [
        ("= 124.0e-09 s", CountRate(dead_time=124e-9, is_corrected=True)),
        ("= 0 s", CountRate(is_corrected=False)),
        (None, CountRate()),
    ],
)
def test_tau_of_a_pilatus_is_that_of_its_own_correction(tmp_path, tau, known):
    path = tmp_path / "a_0001.cbf"
    write_mini(path, Tau=tau)
    (run,) = read_runs([path])
    assert run.experiment.detector[0].count_rate == known


@pytest.mark.parametrize(
    ("fields", "known"),
    [
        ({}, CountRate()),
        ({"countrate_correction_applied": True}, CountRate(is_corrected=True)),
        ({"countrate_correction_applied": 0, "dead_time": 2e-7},
         CountRate(dead_time=2e-7, is_corrected=False)),
        ({"detector_readout_time": 1e-3}, CountRate()),
        ({"countrate_correction_lookup_table": np.arange(9)}, CountRate()),
        ({"detectorSpecific/countrate_correction_applied": 1}, CountRate(is_corrected=True)),
    ],
)  # fmt: skip
def test_nxmx_says_what_was_applied(fields, known):
    with h5py.File("a.h5", "w", driver="core", backing_store=False) as file:
        group = file.create_group("detector")
        for name, value in fields.items():
            group[name] = value
        assert count_rate_of(group, Findings()) == known


def test_a_dead_time_has_its_unit():
    with h5py.File("b.h5", "w", driver="core", backing_store=False) as file:
        group = file.create_group("detector")
        group["dead_time"] = 150.0
        group["dead_time"].attrs["units"] = "ns"
        assert count_rate_of(group, Findings()).dead_time == pytest.approx(1.5e-7)
