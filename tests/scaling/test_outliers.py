"""Outliers in groups of equivalents."""

from __future__ import annotations

import numpy as np
import pytest

from dxdask.scaling.error_model import ErrorModel
from dxdask.scaling.observations import Observations
from dxdask.scaling.outliers import outliers_of_groups


def rejected(groups: list[list[float]], sigma: float = 1.0) -> list[list[bool]]:
    """Return the outliers among intensities of one standard deviation, group by group."""
    sizes = [len(g) for g in groups]
    n = sum(sizes)
    zeros = np.zeros(n)
    obs = Observations(
        rows=np.arange(n),
        experiment=np.zeros(n, np.int32),
        z=zeros,
        intensity=np.array([x for g in groups for x in g]),
        counts=zeros,
        variance=np.full(n, sigma**2),
        partiality=np.ones(n),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        group=np.repeat(np.arange(len(groups)), sizes),
        hkl=np.zeros((len(groups), 3), np.int32),
        d=np.ones(len(groups)),
        factor=np.ones(n),
        estimates=None,
    )
    model = ErrorModel(a=1.0, b=0.0)
    out = outliers_of_groups(obs, np.ones(n), np.ones(n, np.bool_), model, z_max=6.0)
    return [part.tolist() for part in np.split(out, obs.offsets[1:-1])]


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ([100.0, 101.0, 99.0, 300.0], [False, False, False, True]),
        ([100.0, 101.0, 99.0, 102.0], [False] * 4),
        ([100.0, 200.0], [False, False]),  # either of a pair may be wrong
        ([100.0], [False]),
        # a hot pixel below weak, stronger and strong runs: all that is left disagrees
        ([1600.0, 800.0, 400.0, 200.0, 100.0], [True] * 5),
        ([100.0, 101.0, 900.0, 500.0], [False, False, True, True]),
    ],
)
def test_one_group(group: list[float], expected: list[bool]) -> None:
    assert rejected([group]) == [expected]


def test_groups_do_not_disturb_each_other() -> None:
    groups = [[100.0, 101.0, 300.0], [5.0], [100.0, 200.0], [7.0, 8.0, 7.5]]
    assert rejected(groups) == [rejected([g])[0] for g in groups]
