"""Parameters by name: shortened, unknown, ambiguous, ill-typed."""

from __future__ import annotations

from typing import Literal

import pytest

from dxdask.errors import ParameterError
from dxdask.parameters import Parameters, parameter
from dxdask.parameters.assignments import flatten, parse, with_assignments
from dxdask.parameters.entries import changed, describe


class Filter(Parameters):
    min_spot_size: int | None = parameter(None, "smallest spot", unit="px", ge=1)
    d_min: float | None = parameter(None, "highest resolution", unit="Angstrom", gt=0)


class Threshold(Parameters):
    algorithm: Literal["dispersion", "dispersion_extended"] = parameter("dispersion", "which")
    kernel_size: tuple[int, int] = parameter((3, 3), "half widths", expert=1)


class Finder(Parameters):
    filter: Filter = Filter()
    threshold: Threshold = Threshold()
    d_min: float | None = parameter(None, "another d_min")


def test_full_and_shortened_names_give_the_same() -> None:
    long = with_assignments(
        Finder(), parse(["filter.min_spot_size=2", "threshold.kernel_size=4,5"])
    )
    short = with_assignments(Finder(), parse(["min_spot_size=2", "kernel_size=4,5"]))
    assert long == short
    assert long.filter.min_spot_size == 2
    assert long.threshold.kernel_size == (4, 5)


def test_files_and_keywords_give_the_same() -> None:
    nested = with_assignments(Finder(), flatten({"filter": {"min_spot_size": 2}}))
    assert nested == with_assignments(Finder(), [("min_spot_size", 2)])


def test_none_and_auto_unset() -> None:
    some = with_assignments(Finder(), parse(["min_spot_size=7"]))
    assert with_assignments(some, parse(["min_spot_size=Auto"])) == Finder()


class Response(Parameters):
    algorithm: Literal["auto", "none"] = parameter("auto", "which")
    level: Literal["none", "low"] | None = parameter(None, "or its choice of this name")


def test_choices_named_none_and_auto_are_taken() -> None:
    assert with_assignments(Response(), parse(["algorithm=none", "level=None"])) == Response(
        algorithm="none", level="none"
    )
    back = with_assignments(Response(algorithm="none"), parse(["algorithm=Auto"]))
    assert back.algorithm == "auto"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("min_spot_sise=2", "filter.min_spot_size"),
        ("filter.minimum_size=2", "unknown parameter"),
        ("algorithm=dispersal", "dispersion"),
        ("min_spot_size=two", "min_spot_size"),
        ("min_spot_size=0", "greater than or equal to 1"),
        ("nonsense", "NAME=VALUE"),
    ],
)
def test_errors_say_what_is_wrong_and_what_is_near(text: str, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        with_assignments(Finder(), parse([text]))


def test_a_top_level_name_wins_over_a_nested_one_and_doubles_are_refused() -> None:
    assert with_assignments(Finder(), parse(["d_min=2"])).d_min == 2

    class Two(Parameters):
        first: Filter = Filter()
        second: Filter = Filter()

    with pytest.raises(ParameterError, match=r"first.d_min, second.d_min"):
        with_assignments(Two(), parse(["d_min=2"]))


def test_description_honours_the_expert_level() -> None:
    text = describe(Finder())
    assert "filter.min_spot_size = None\n    smallest spot [px]" in text
    assert "kernel_size" not in text
    assert "kernel_size = 3,3" in describe(Finder(), expert_level=1)


def test_changed_lists_what_is_not_default() -> None:
    assert changed(with_assignments(Finder(), parse(["filter.d_min=2.5"]))) == [
        "filter.d_min = 2.5"
    ]


class Several(Parameters):
    fix: tuple[Literal["all", "distance"], ...] = parameter(("distance",), "what is kept")
    scan_range: tuple[tuple[int, int], ...] = parameter((), "first and last image")
    names: tuple[str, ...] | None = parameter(None, "names")
    per_degree: float | Literal["auto"] | None = parameter(100.0, "how many")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fix=all", {"fix": ("all",)}),
        ("fix=all,distance", {"fix": ("all", "distance")}),
        ("fix=None", {"fix": ()}),
        ("fix=()", {"fix": ()}),
        ("scan_range=1,10", {"scan_range": ((1, 10),)}),
        ("scan_range=1,10,20,30", {"scan_range": ((1, 10), (20, 30))}),
        ("names=a", {"names": ("a",)}),
        ("names=None", {"names": None}),
        ("per_degree=Auto", {"per_degree": "auto"}),
        ("per_degree=null", {"per_degree": None}),
    ],
)
def test_one_value_or_a_flat_list_will_do_where_several_are_held(
    text: str, expected: dict[str, object]
) -> None:
    given = with_assignments(Several(), parse([text]))
    assert given == Several(**expected)


def test_a_flat_list_that_cannot_be_cut_into_pairs_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"scan_range"):
        with_assignments(Several(), parse(["scan_range=1,10,20"]))


def test_files_may_give_pairs_nested_or_flat() -> None:
    nested = with_assignments(Several(), flatten({"scan_range": [[1, 10], [20, 30]]}))
    flat = with_assignments(Several(), flatten({"scan_range": [1, 10, 20, 30]}))
    assert nested == flat


def test_what_is_shown_of_a_list_can_be_given_back() -> None:
    for several in (Several(), Several(fix=(), scan_range=((1, 10), (20, 30)))):
        shown = [line for line in describe(several).splitlines() if not line.startswith(" ")]
        assert with_assignments(several, parse([x.replace(" = ", "=") for x in shown])) == several
