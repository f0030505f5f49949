"""Stills on a detector whose header has one panel for modules that moved, or did not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from support.made_up_stills import CELL, Shots, displaced, shots

from dxdask.models import Detector, ExperimentList, Panel
from dxdask.models.crystal import Crystal, b_matrix
from dxdask.refinement.metrology import MetrologyParameters
from dxdask.refinement.modules.parameters import ModuleParameters
from dxdask.refinement.modules.recut import recut
from dxdask.refinement.modules.recut_rows import recut_reflections
from dxdask.refinement.modules.relative import relative_moves, with_moves
from dxdask.refinement.modules.stills import predicted_stills, refine_metrology_with_modules

pytestmark = pytest.mark.jit

CUT = (((0, 0, 300, 200), (320, 0, 620, 200), (0, 220, 300, 420), (320, 220, 620, 420)),)
MOVE = np.zeros((4, 3))
MOVE[2] = (0.8, -0.5, 0.0)
HEADER = Detector(
    panels=(
        Panel(name="p", origin=(-31.0, 21.0, -110.0), pixel_size=(0.1, 0.1), image_size=(620, 420)),
    )
)


@cache
def case(moved: bool = True) -> tuple[Shots, ExperimentList]:
    """Spots of crystals on modules as the header with one panel has them."""
    cut = recut(HEADER, CUT)
    true = with_moves(cut, np.ones(4, bool), MOVE if moved else 0 * MOVE)
    made = shots(40, true_detector=true, noise_px=0.1)
    table = recut_reflections(made.reflections, cut, HEADER)
    crystal = Crystal.from_cell(CELL, u_matrix=np.eye(3), space_group="P 43 21 2")
    made = replace(made, reflections=table)
    return made, ExperimentList.of([replace(made.experiment, detector=HEADER, crystal=crystal)])


def mask() -> np.ndarray:
    good = np.zeros((420, 620), bool)
    for x0, y0, x1, y1 in CUT[0]:
        good[y0:y1, x0:x1] = True
    return good


def refined(moved: bool = True, **modules: object):
    made, experiments = case(moved)
    return refine_metrology_with_modules(
        made.reflections, made.stills, experiments, MetrologyParameters(), {"made_up": mask()},
        ModuleParameters.model_validate(modules),
    )  # fmt: skip


def test_a_moved_module_is_refined() -> None:
    found = refined()
    detector = found.experiments[0].detector
    assert len(detector) == 4
    moves = relative_moves(recut(HEADER, CUT), detector)[2]
    np.testing.assert_allclose(moves[:2], MOVE[2, :2], atol=0.05)
    assert [r["moved"] for r in found.table("modules").rows][2]
    assert "re-cut into 4 panels" in found.messages[-1]
    assert found.arrays["panels_start"].shape == (4, 3, 3)


def test_nothing_is_cut_without_need() -> None:
    still = refined(moved=False)
    assert len(still.experiments[0].detector) == 1
    assert "have not moved significantly" in still.messages[-1]
    assert not any(r["moved"] for r in still.table("modules").rows)
    none = refined(modules="none")
    assert len(none.experiments[0].detector) == 1
    assert "modules" not in [t.name for t in none.tables]
    only = refined(modules="propose")
    assert len(only.experiments[0].detector) == 1
    assert "give detector.modules=auto" in only.messages[-1]


def test_predictions_of_stills_are_where_the_spots_are() -> None:
    made = shots(5, true_detector=displaced())
    true = ExperimentList.of([replace(made.experiment, detector=displaced())])
    stills = {**made.stills, "a_matrix": made.true_u @ b_matrix(CELL)}
    stills["indexed"] = stills["indexed"].copy()
    stills["indexed"][3] = False
    found = predicted_stills(made.reflections, stills, true)
    there = np.floor(found["z"]) != 3
    for name in "xy":
        np.testing.assert_allclose(found[f"{name}_cal"][there], found[name][there], atol=1e-6)
        assert np.isnan(found[f"{name}_cal"][~there]).all()
