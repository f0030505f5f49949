"""Parameters have DIALS's names, nesting and defaults."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dxdask.spotfinding import SpotfinderParameters


def test_defaults_are_those_of_dials() -> None:
    p = SpotfinderParameters()
    assert p.threshold.algorithm == "dispersion_extended"
    assert p.threshold.dispersion.model_dump() == {
        "gain": None,
        "kernel_size": (3, 3),
        "sigma_background": 6.0,
        "sigma_strong": 3.0,
        "min_local": 2,
        "global_threshold": 0.0,
    }
    assert p.filter.min_spot_size is None
    assert (p.filter.max_spot_size, p.filter.max_separation) == (1000, 2.0)
    assert (p.filter.max_strong_pixel_fraction, p.filter.border) == (0.25, 0)


@pytest.mark.parametrize(
    "given",
    [
        {"filter": {"min_spot_sise": 2}},
        {"filter": {"min_spot_size": 0}},
        {"filter": {"max_strong_pixel_fraction": 1.5}},
        {"threshold": {"algorithm": "radial"}},
        {"threshold": {"dispersion": {"gain": 0.0}}},
        {"threshold": {"dispersion": {"kernel_size": (0, 3)}}},
        {"threshold": {"dispersion": {"global_threshold": -1.0}}},
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SpotfinderParameters.model_validate(given)
