"""Memory that tasks hand on: the same for the next one, never two at once, nothing sent."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from dxdask.spotfinding.panel_pixels import PanelPixels
from dxdask.spotfinding.workspaces import Workspace, Workspaces

UINT16, INT32 = np.dtype(np.uint16), np.dtype(np.int32)


def test_panels_are_made_once_for_each_dtype() -> None:
    made: list[np.dtype[np.generic]] = []

    def make(dtype: np.dtype[np.generic]) -> tuple[PanelPixels, ...]:
        made.append(dtype)
        return ()

    workspace = Workspace()
    for dtype in (UINT16, INT32, UINT16):
        workspace.panels(dtype, make)
    assert made == [UINT16, INT32]


def test_tasks_at_a_time_have_one_each_and_later_ones_take_theirs() -> None:
    pool = Workspaces()
    with pool.lend() as a, pool.lend() as b:
        assert a is not b
    with pool.lend() as c, pool.lend() as d:
        assert {id(c), id(d)} == {id(a), id(b)}


def fail(pool: Workspaces, expected: Workspace) -> None:
    with pool.lend() as given:
        assert given is expected
        raise MemoryError


def test_what_fails_is_not_used_again_and_nothing_is_sent() -> None:
    pool = Workspaces()
    with pool.lend() as a:
        pass
    with pytest.raises(MemoryError):
        fail(pool, a)
    with pool.lend() as c:
        assert c is not a
    with pickle.loads(pickle.dumps(pool)).lend() as d:
        assert d is not c
