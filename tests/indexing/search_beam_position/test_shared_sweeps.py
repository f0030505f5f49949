"""The beam centre of the shared sweeps, moved by 20 pixels in the header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.wrong_geometry import beam_off, centre_px

from dxdask.columns import Flag, Reflections, n_rows, select
from dxdask.indexing.search_beam_position import (
    SearchBeamPositionParameters,
    search_beam_position,
)
from dxdask.models import ExperimentList
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.dials.reflections import read_npz

pytestmark = [pytest.mark.shared, pytest.mark.jit]
SHIFTS = [(20.0, 0.0), (-12.0, 16.0)]


def spots_of_run(folder: Path, run: int) -> tuple[Reflections, ExperimentList]:
    """Return the strong spots of one run that DIALS found, and its imported models."""
    table = read_npz(folder / "strong.npz")
    experiments = ExperimentList.of([read_experiments(folder / "imported.expt")[run]])
    # without indices, DIALS's one run has -1
    mine = np.maximum(table["experiment"], 0) == run
    spots = select(table, mine)
    spots["experiment"] = np.zeros(n_rows(spots), dtype=np.int32)
    spots.setdefault("panel", np.zeros(n_rows(spots), dtype=np.int32))
    spots.setdefault("flags", np.full(n_rows(spots), Flag.STRONG, dtype=np.uint32))
    return spots, experiments


@pytest.mark.parametrize("shift", SHIFTS)
def test_insulin(shared: Path, shift: tuple[float, float]) -> None:
    spots, experiments = spots_of_run(shared / "reference/insulin", 4)
    result = search_beam_position(
        spots, beam_off(experiments, shift), SearchBeamPositionParameters()
    )
    # the header is right, but the second module, out by 1.5 px, pulls along slow
    np.testing.assert_allclose(centre_px(result.experiments), (515.2, 490.6), atol=1.2)
    (row,) = result.table("beam_centres").rows
    assert row["percent"] > 98 > row["percent_before"]


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("method", ["default", "inversion"])
def test_electrons_of_lysozyme(shared: Path, shift: tuple[float, float], method: str) -> None:
    spots, experiments = spots_of_run(shared / "reference/lysozyme_ed", 0)
    given = SearchBeamPositionParameters.model_validate({"method": method})
    result = search_beam_position(spots, beam_off(experiments, shift), given)
    # DIALS refined it, with the distance fixed, to 243.76, 227.39 px
    np.testing.assert_allclose(centre_px(result.experiments), (243.76, 227.39), atol=0.2)
    (row,) = result.table("beam_centres").rows
    assert row["percent"] > row["percent_before"] + 20
