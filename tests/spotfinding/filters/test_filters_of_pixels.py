"""Each parameter that excludes pixels, by the spots: those that a mask made of it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.spot_examples import experiment_for, spotty_frames

from dxdask.errors import InputError
from dxdask.masking import MaskParameters, generate_mask
from dxdask.models import ExperimentList, Panel
from dxdask.results import StepResult
from dxdask.spotfinding import SpotfinderParameters, find_spots

pytestmark = pytest.mark.jit

FRAMES = spotty_frames((12, 60, 112), 90)
# two panels beside each other, 0.5 mm pixels at 50 mm: d from 1.5 to 40 A
PANELS = tuple(
    Panel(
        origin=(-28.0 + 28.5 * i, 15.0, -50.0),
        slow_axis=(0.0, -1.0, 0.0),
        pixel_size=(0.5, 0.5),
        image_size=(56, 60),
        offset=(56 * i, 0),
        trusted_range=(-1, 65535),
        thickness=0.45,
        mu=3.9,
        use_parallax=True,
    )
    for i in range(2)
)
EXPERIMENT = experiment_for(FRAMES, panels=PANELS)
CASES: dict[str, dict[str, Any]] = {
    "border": {"border": 7},
    "d_min": {"d_min": 2.2},
    "d_max": {"d_max": 3.0},
    "resolution_range": {"resolution_range": ((2.4, 2.0), (3.0, 3.5))},
    "parallax": {"d_min": 2.2, "disable_parallax_correction": True},
    "circle": {"untrusted": ({"circle": (20, 30, 12)},)},
    "rectangle": {"untrusted": ({"panel": 1, "rectangle": (0, 30, 10, 40)},)},
    "polygon": {"untrusted": ({"polygon": (0, 0, 50, 0, 0, 50)},)},
    "pixels": {"untrusted": tuple({"pixel": (y, x)} for y in range(60) for x in (9, 10, 11))},
    "panel": {"untrusted": ({"panel": 1},)},
    "several": {"untrusted": ({"panel": 1}, {"circle": (20, 30, 12)})},
    "ice": {"ice_rings": {"filter": True, "width": 0.02}},
    "ice to d_min": {"ice_rings": {"filter": True, "width": 0.02, "d_min": 3.0}},
    "other ice": {
        "ice_rings": {
            "filter": True,
            "width": 0.02,
            "unit_cell": (6.36, 6.36, 6.36, 90, 90, 90),
            "space_group": "227",
        }
    },
}


def spots_of(mask: Any = None, **filters: Any) -> StepResult:
    parameters = SpotfinderParameters.model_validate({"filter": filters})
    return find_spots(FRAMES, EXPERIMENT, mask, parameters)


PLAIN = spots_of()


@pytest.mark.parametrize("case", CASES)
def test_spots_are_those_of_the_mask(case: str) -> None:
    given = CASES[case]
    made = generate_mask(ExperimentList.of([EXPERIMENT]), MaskParameters.model_validate(given))
    mask = made.arrays["mask"][0]
    found, expected = spots_of(**given), spots_of(mask)
    assert len(found.reflections["x"]) > 5
    assert not np.array_equal(found.reflections["bbox"], PLAIN.reflections["bbox"])
    for name, values in expected.reflections.items():
        np.testing.assert_array_equal(found.reflections[name], values, err_msg=name)
    of_spot = np.diff(found.arrays["pixel_offsets"])
    x = found.arrays["pixel_x"] + 56 * np.repeat(found.reflections["panel"], of_spot)
    assert mask[found.arrays["pixel_y"], x].all()


def test_the_details_of_a_filter_change_the_spots() -> None:
    def places(case: str) -> list[list[int]]:
        return [list(box) for box in spots_of(**CASES[case]).reflections["bbox"].tolist()]

    assert places("d_min") != places("parallax")
    assert places("ice") != places("ice to d_min")
    assert places("ice") != places("other ice")
    narrow = {"ice_rings": {"filter": True, "width": 0.004}}
    assert len(spots_of(**narrow).reflections["x"]) > len(places("ice"))


def test_files_are_not_read_here() -> None:
    for name in ("mask", "gain_map"):
        parameters = SpotfinderParameters.model_validate({"lookup": {name: Path("a.npy")}})
        with pytest.raises(InputError, match=rf"lookup\.{name}=a\.npy .*give its values"):
            find_spots(FRAMES, EXPERIMENT, None, parameters)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"filter": {"d_min": 3.0, "d_max": 2.0}}, "d_min=3 is not below d_max=2"),
        ({"filter": {"resolution_range": ((3.0, 3.0),)}}, "limits are the same"),
        ({"filter": {"untrusted": ({},)}}, "neither a panel nor a shape"),
        ({"filter": {"untrusted": ({"rectangle": (5, 5, 0, 3)},)}}, "holds no pixel"),
        ({"threshold": {"dispersion": {"min_local": 50}}}, "more than the 49 pixels"),
        ({"threshold": {"dispersion": {"kernel_size": (61, 3)}}}, "less than or equal to 60"),
    ],
)
def test_contradictions_are_reported_at_once(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        SpotfinderParameters.model_validate(given)
