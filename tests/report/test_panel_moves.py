"""The picture of how panels moved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.made_up_stills import moved_panels, panels

from dxdask.errors import StoreWriteError
from dxdask.report import plot_panel_moves
from dxdask.report.panel_moves import magnification, write_picture


def test_outlines_are_moved_by_as_much_as_is_said() -> None:
    shifts, turns = np.zeros((4, 3)), np.zeros((4, 3))
    shifts[0] = (0.05, 0.02, 0.0)
    shifts[:, 2] = -0.25
    ax = plot_panel_moves(panels(), moved_panels(panels(), shifts, turns))
    was, now = ([path.vertices for path in c.get_paths()] for c in ax.collections[:2])
    moved = (np.asarray(now[0]) - np.asarray(was[0])).mean(axis=0)
    # x is to the right and y up, as the beam sees it
    np.testing.assert_allclose(moved, 100 * shifts[0, :2], atol=1e-6)
    np.testing.assert_allclose(was[1], now[1], atol=1e-9)
    assert "moves 100 times as large" in ax.artists[0].text.get_text()  # type: ignore[attr-defined]
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert "less the mean of +250 um" in figure.axes[1].get_ylabel()


def test_what_did_not_move_is_drawn_too(tmp_path: Path) -> None:
    ax = plot_panel_moves(panels(), panels())
    for name in ("a.svg", "b.svg", "a.png", "a.pdf"):
        write_picture(tmp_path / name, ax)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(StoreWriteError, match=r"check the rights and the name of the folder"):
        write_picture(tmp_path / "a.svg" / "a.png", ax)


def test_many_panels_have_no_names() -> None:
    several = replace(panels(), panels=panels().panels * 25)
    assert not plot_panel_moves(several, several).texts


@pytest.mark.parametrize(
    ("largest", "wanted", "times"), [(0.1, 10, 100), (0.1, 9.9, 50), (0.3, 8, 20), (0, 8, 1)]
)
def test_magnifications_are_round(largest: float, wanted: float, times: float) -> None:
    assert magnification(largest, wanted) == pytest.approx(times)
