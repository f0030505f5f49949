"""Parameters of another version's store."""

from __future__ import annotations

from typing import Any

import pytest

from dxdask.parameters import Parameters, parameter
from dxdask.parameters.stored import stored_parameters


class Inner(Parameters):
    n: int = parameter(3, "a number", ge=1)
    names: tuple[str, ...] = parameter((), "names")


class Outer(Parameters):
    inner: Inner = parameter(Inner(), "a group")
    width: float = parameter(1.0, "a width")


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ({"inner": {"n": 5, "names": ["a"]}, "width": 2.0}, (5, ("a",), 2.0)),
        ({"inner": {"n": 5, "gone": 1.0}, "gone": {"x": 1}}, (5, (), 1.0)),
        ({"inner": {"n": 0, "names": ["a"]}, "width": 2.0}, (3, ("a",), 2.0)),
        ({"inner": {"names": ["a", {}]}, "width": "wide"}, (3, (), 1.0)),
        ({"inner": 7}, (3, (), 1.0)),
    ],
    ids=["of this version", "not there any more", "out of range", "of another type", "no group"],
)
def test_unknown_values_are_at_their_defaults(stored: dict[str, Any], expected: Any) -> None:
    before = repr(stored)
    found = stored_parameters(Outer, stored)
    assert (found.inner.n, found.inner.names, found.width) == expected
    assert repr(stored) == before
