"""A step that the data do not allow is left out of a job of several, and an error alone."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from support.ensemble_example import QUICK, STEPS

import dxdask
from dxdask.errors import InputError


def test_linearity_without_strong_reflections(
    raw: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = {**QUICK, "linearity": {"i_over_sigma": 1e6}}
    with caplog.at_level(logging.WARNING, logger="dxdask"):
        store = dxdask.process(raw[1:], tmp_path / "s.zarr", show=dxdask.quiet, **given)
    assert [s for s in STEPS if not store.has_step(s)] == ["linearity"]
    [warning] = [r.getMessage() for r in caplog.records if "linearity" in r.getMessage()]
    assert warning.startswith("linearity is left out: run 'tiny_3' has no integrated reflection")
    with pytest.raises(InputError, match="no integrated reflection with I/sigma > 1e\\+06"):
        dxdask.linearity(store, i_over_sigma=1e6)
    dxdask.linearity(store)
    assert store.has_step("linearity")
