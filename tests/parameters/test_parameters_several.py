"""Parameters that may be given several times: lists that add up, and groups one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.cli.arguments import read_parameters
from dxdask.errors import ParameterError
from dxdask.masking.parameters import ApplyMaskParameters, MaskParameters, UntrustedParameters
from dxdask.parameters import Parameters, parameter
from dxdask.parameters.assignments import flatten, parse, with_assignments
from dxdask.parameters.entries import changed, describe
from dxdask.spotfinding.parameters import SpotfinderParameters
from dxdask.storage.importers.parameters import ImportParameters


def masks(*texts: str) -> MaskParameters:
    return with_assignments(MaskParameters(), parse(texts))


def test_names_of_one_region_are_put_together() -> None:
    found = masks("untrusted.circle=9,8,7", "untrusted.rectangle=0,10,0,20", "untrusted.panel=1")
    region = UntrustedParameters(panel=1, circle=(9, 8, 7), rectangle=(0, 10, 0, 20))
    assert found.untrusted == (region,)


def test_a_name_given_again_begins_another_region() -> None:
    found = masks("untrusted.panel=1", "circle=9,8,7", "untrusted.circle=1,2,3", "panel=2")
    assert found.untrusted == (
        UntrustedParameters(panel=1, circle=(9, 8, 7)),
        UntrustedParameters(panel=2, circle=(1, 2, 3)),
    )
    assert [r.panel for r in masks("untrusted.panel=3", "untrusted.panel=4").untrusted] == [3, 4]


def test_files_and_keywords_give_lists_of_mappings_or_one() -> None:
    regions = [{"circle": [9, 8, 7], "panel": 1}, {"pixel": [3, 4]}]
    expected = (
        UntrustedParameters(panel=1, circle=(9, 8, 7)),
        UntrustedParameters(pixel=(3, 4)),
    )
    several = with_assignments(MaskParameters(), flatten({"untrusted": regions}))
    assert several.untrusted == expected
    one = with_assignments(MaskParameters(), flatten({"untrusted": regions[0]}))
    assert one.untrusted == expected[:1]


def test_the_line_adds_a_region_to_those_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "masks.yaml"
    file.write_text("untrusted:\n- {circle: [9, 8, 7], panel: 1}\nresolution_range: [[3, 4]]\n")
    line = ["untrusted.rectangle=0,1,0,2", "resolution_range=2,2.1"]
    found = read_parameters(MaskParameters, file, line)
    assert [r.panel for r in found.untrusted] == [1, None]
    assert found.untrusted[1].rectangle == (0, 1, 0, 2)
    assert found.resolution_range == ((3.0, 4.0), (2.0, 2.1))


def test_lists_of_pairs_and_of_masks_add_up() -> None:
    found = masks("resolution_range=3,4", "resolution_range=2,2.1,5,6")
    assert found.resolution_range == ((3.0, 4.0), (2.0, 2.1), (5.0, 6.0))
    ranges = with_assignments(
        SpotfinderParameters(), parse(["scan_range=1,10", "scan_range=21,30"])
    ).scan_range
    assert ranges == ((1, 10), (21, 30))
    given = parse(["mask=a.npy", "mask=find_bad_pixels"])
    assert with_assignments(ApplyMaskParameters(), given).input.mask == ("a.npy", "find_bad_pixels")
    assert with_assignments(ApplyMaskParameters(), parse(["mask=none"])).input.mask is None


def test_other_lists_are_replaced_and_none_takes_all_away() -> None:
    class Fixed(Parameters):
        fix: tuple[str, ...] = parameter(("a",), "what is kept")

    assert with_assignments(Fixed(), parse(["fix=b", "fix=c"])).fix == ("c",)
    assert masks("resolution_range=3,4", "resolution_range=None").resolution_range == ()
    assert masks("pixel=3,4", "untrusted=None").untrusted == ()
    assert masks("pixel=3,4", "untrusted=None", "pixel=5,6").untrusted[0].pixel == (5, 6)


def test_panels_of_the_import() -> None:
    texts = ["panel.id=1", "panel.gain=2", "geometry.detector.panel.id=3", "panel.pedestal=5"]
    panels = with_assignments(ImportParameters(), parse(texts)).geometry.detector.panel
    assert [(p.id, p.gain, p.pedestal) for p in panels] == [(1, 2.0, None), (3, None, 5.0)]


def test_what_is_in_groups_does_not_hide_or_confuse_other_names() -> None:
    class Both(Parameters):
        circle: int = parameter(0, "another")
        masks: MaskParameters = MaskParameters()

    found = with_assignments(Both(), parse(["circle=4", "untrusted.circle=1,2,3"]))
    assert found.circle == 4
    assert found.masks.untrusted[0].circle == (1, 2, 3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("untrusted.circl=1,2,3", r"unknown parameter .*did you mean .*untrusted\.circle"),
        ("untrusted.circle=1,2", "circle"),
        ("untrusted.circle=1,2,0", "radius"),
        ("untrusted.rectangle=5,4,0,9", "holds no pixel"),
        ("untrusted.rectangle=-5,4,0,9", "holds no pixel"),
        ("untrusted.polygon=1,2,3,4", "three corners"),
        ("untrusted.polygon=1,2,3,4,5,6,7", "three corners"),
        ("untrusted.pixel=-1,2", "counted from 0"),
        ("untrusted.panel=-1", "panel"),
        ("resolution_range=3,3", "the same"),
        ("resolution_range=3", "resolution_range"),
        ("resolution_range=3,-1", "resolution_range"),
        ("untrusted=3", "untrusted"),
    ],
)
def test_errors_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        masks(text)


def test_an_unknown_name_in_a_file_gets_the_nearest_one() -> None:
    with pytest.raises(ParameterError, match=r"circl'; did you mean untrusted\.circle"):
        with_assignments(MaskParameters(), [("untrusted", [{"circl": [1, 2, 3]}])])
    with pytest.raises(ParameterError, match="neither a panel nor a shape"):
        with_assignments(MaskParameters(), [("untrusted", [{"panel": None}, {}])])


def shown(parameters: Parameters) -> list[str]:
    lines = describe(parameters, expert_level=3).splitlines()
    return [x.replace(" = ", "=") for x in lines if not x.startswith(" ")]


def test_what_is_shown() -> None:
    text = describe(MaskParameters())
    assert text.count("untrusted.circle = None") == 1
    assert text.count("any number of untrusted") == 1
    assert "(tuple[tuple[float, float], ...])" in text
    two = masks("untrusted.circle=1,2,3", "untrusted.circle=4,5,6", "panel=1")
    assert describe(two).count("any number of untrusted") == 1
    assert changed(two) == [
        "untrusted.circle = 1,2,3",
        "untrusted.panel = 1",
        "untrusted.circle = 4,5,6",
    ]


SMALL = st.integers(0, 50)
REGIONS = st.builds(
    UntrustedParameters,
    panel=st.none() | SMALL,
    circle=st.none() | st.tuples(SMALL, SMALL, st.integers(1, 9)),
    pixel=st.tuples(SMALL, SMALL),
)


@given(st.lists(REGIONS, max_size=4))
def test_what_is_shown_can_be_given_back(regions: list[UntrustedParameters]) -> None:
    given = MaskParameters(untrusted=tuple(regions))
    assert with_assignments(MaskParameters(), parse(shown(given))) == given
    assert with_assignments(given, parse(shown(given))) == given


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("untrusted.circle=1,2", r"parameter untrusted.0.circle: too few values, got 1,2; see -c"),
        ("resolution_range=3", r"resolution_range.0: give several values, A,B .*got '3'; see"),
        ("ice_rings.unit_cell=1,2,3", r"parameter ice_rings.unit_cell: too few .*, got 1,2,3; see"),
        ("untrusted.circle=1,2,0", r"untrusted.circle=1,2,0: its radius is not above 0; see -c"),
        ("untrusted.circle=1,2,x", r"untrusted.0.circle.2: .*integer.*, got 'x'"),
    ],
)
def test_errors_are_short(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says) as told:
        masks(text)
    assert len(str(told.value)) < 160


def test_a_contradiction_does_not_list_the_whole_group() -> None:
    with pytest.raises(ParameterError) as told:
        masks("d_min=3", "d_max=2")
    assert str(told.value).endswith(
        "d_min=3 is not below d_max=2: nothing would be left; see -c for what may be given"
    )
    assert "Value error" not in str(told.value)
    assert "ice_rings" not in str(told.value)
