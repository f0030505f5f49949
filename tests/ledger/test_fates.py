"""Every row has one fate, whatever its flags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.columns import Flag
from dxdask.fate import SpotFate
from dxdask.ledger.fates import reflection_fates, spot_fates

FLAGS = st.lists(st.integers(0, 2**26 - 1), max_size=60)
CUT = {"partiality_cutoff": 0.4, "d_min": 1.5, "d_max": None}


def table(flags: list[int]) -> dict[str, np.ndarray]:
    n = len(flags)
    return {
        "flags": np.array(flags, np.uint32),
        "partiality": np.linspace(0, 1, n),
        "d": np.linspace(1, 3, n),
        "fate": (np.arange(n) % len(SpotFate)).astype(np.uint8),
    }


@given(FLAGS, st.sampled_from([None, CUT, {}]), st.booleans())
def test_every_reflection_has_one_fate(
    flags: list[int], cut: dict[str, object] | None, merged: bool
) -> None:
    found = reflection_fates(table(flags), cut, merged=merged)
    assert sum(found.counts()) == len(flags)
    assert len(set(found.names)) == len(found.names)
    assert all(0 <= c < len(found.names) for c in found.code)


@given(FLAGS, st.booleans(), st.booleans())
def test_every_spot_has_one_fate(flags: list[int], indexed: bool, refined: bool) -> None:
    found = spot_fates(table(flags), indexed=indexed, refined=refined)
    assert sum(found.counts()) == len(flags)


@given(FLAGS)
def test_the_order_of_rows_does_not_matter(flags: list[int]) -> None:
    own = table(flags)
    order = np.random.default_rng(0).permutation(len(flags))
    found = reflection_fates(own, CUT)
    moved = reflection_fates({k: v[order] for k, v in own.items()}, CUT)
    assert [found.of(int(i)) for i in order] == [moved.of(i) for i in range(len(flags))]


BOTH = Flag.INTEGRATED_SUM | Flag.INTEGRATED_PRF


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (BOTH | Flag.SCALED, ("merged", "")),
        (BOTH | Flag.OUTLIER_IN_SCALING, ("outlier in scaling", "differs from its equivalents")),
        (Flag.OVERLOADED | Flag.FAILED_DURING_SUMMATION, ("not integrated", "overloaded")),
        (
            Flag.INTEGRATED_PRF | Flag.OVERLOADED | Flag.EXCLUDED_FOR_SCALING,
            ("not scaled", "overloaded"),
        ),
        (BOTH | Flag.EXCLUDED_FOR_SCALING, ("not scaled", "small scale")),
        (
            Flag.INTEGRATED_PRF | Flag.FOREGROUND_INCLUDES_BAD_PIXELS | Flag.SCALED,
            ("merged", ""),
        ),
        (0, ("not integrated", "no reason is recorded")),
    ],
)
def test_fates_of_known_flags(flags: int, expected: tuple[str, str]) -> None:
    own = {"flags": np.array([flags], np.uint32)}
    assert reflection_fates(own, CUT, merged=True).of(0) == expected


def test_limits_of_scaling_are_reasons() -> None:
    own = {
        "flags": np.full(3, BOTH | Flag.USER_EXCLUDED_IN_SCALING, np.uint32),
        "partiality": np.array([0.2, 0.9, 0.9]),
        "d": np.array([2.0, 1.2, 2.0]),
    }
    found = reflection_fates(own, CUT)
    assert [found.of(i)[1] for i in range(3)] == ["partiality", "resolution", "I/sigma"]
