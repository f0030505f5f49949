"""Models that must be there are named with their run where they are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dxdask.errors import InputError
from dxdask.geometry.required import require_crystal, require_rotation
from dxdask.models import Beam, Crystal, Detector, Experiment, Goniometer, Panel, Scan

SCAN = Scan(image_range=(1, 10), oscillation=(0.0, 0.1))
RUN = Experiment(
    identifier="a", run="a", beam=Beam(), detector=Detector(panels=(Panel(),)),
    goniometer=Goniometer(), scan=SCAN, crystal=Crystal.from_cell((50, 60, 70, 90, 90, 90)),
)  # fmt: skip


def test_what_is_there_is_returned() -> None:
    assert require_rotation(RUN) == (RUN.goniometer, SCAN)
    assert require_crystal(RUN) is RUN.crystal


@pytest.mark.parametrize(
    "still",
    [
        replace(RUN, scan=None),
        replace(RUN, goniometer=None),
        replace(RUN, scan=Scan(image_range=(1, 1))),
    ],
)
def test_a_still_is_refused(still: Experiment) -> None:
    with pytest.raises(InputError, match="run a is a still"):
        require_rotation(still)


def test_no_crystal_is_refused() -> None:
    with pytest.raises(InputError, match="run a has no crystal; index it first"):
        require_crystal(replace(RUN, crystal=None))
