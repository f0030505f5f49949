"""Crystals of stills, refined against spots of known ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.made_up_stills import CELL, GROUP, Shots, shots

from dxdask.columns import select
from dxdask.refinement.models.crystals import Crystals
from dxdask.refinement.models.strain import orientations
from dxdask.refinement.stills import StillRefinementParameters, refine_stills
from dxdask.refinement.stills.measurements import measurements_of
from dxdask.refinement.stills.refine_stills import RefinedStills

pytestmark = pytest.mark.jit


def _refined(made: Shots, **parameters: object) -> RefinedStills:
    measured = measurements_of(made.reflections, made.stills)
    crystals = Crystals.alike(made.stills["a_matrix"][measured.rows], CELL, GROUP)
    given = StillRefinementParameters.model_validate(parameters)
    return refine_stills(
        measured, crystals, replace(made.experiment, detector=made.true_detector), given
    )


def _misorientations(refined: RefinedStills, made: Shots) -> np.ndarray:
    rotation = orientations(refined.crystals.a, CELL) @ made.true_u.transpose(0, 2, 1)
    return np.degrees(np.arccos(np.clip((np.trace(rotation, axis1=1, axis2=2) - 1) / 2, -1, 1)))


def test_exact_spots_give_the_crystals_within_their_angles_from_the_sphere() -> None:
    made = shots()
    refined = _refined(made)
    assert np.abs(refined.residuals[:, :2]).max() < 0.003
    assert _misorientations(refined, made).max() < 0.01


def test_outliers_count_for_nothing() -> None:
    made = shots()
    made.reflections["x"][::10] += 5.0
    refined = _refined(made)
    order = np.argsort(np.floor(made.reflections["z"]), kind="stable")
    assert refined.weights[order % 10 == 0].max() == 0
    assert _misorientations(refined, made).max() < 0.01


def test_a_cell_that_differs_is_found_unless_it_is_held() -> None:
    made = shots(4)
    wrong = (79.6, 79.6, 38.1, 90.0, 90.0, 90.0)
    measured = measurements_of(made.reflections, made.stills)
    crystals = Crystals.alike(made.stills["a_matrix"], wrong, GROUP)
    strains = []
    for restraint in (None, 1e-7):
        given = StillRefinementParameters(cell_restraint=restraint)
        refined = refine_stills(
            measured, crystals, replace(made.experiment, detector=made.true_detector), given
        )
        strains.append(np.abs(refined.crystals.strain).max())
    assert strains[0] > 3e-3
    assert strains[1] < 1e-3


def test_a_still_does_not_depend_on_the_others() -> None:
    made = shots(6, noise_px=0.1)
    whole = _refined(made)
    few = (made.reflections["z"] < 2) | (made.reflections["z"] > 4)
    part = Shots(
        select(made.reflections, few),
        {name: values[[0, 1, 4, 5]] for name, values in made.stills.items()},
        made.experiment, made.true_detector, made.true_u[[0, 1, 4, 5]],
    )  # fmt: skip
    np.testing.assert_array_equal(_refined(part).crystals.a, whole.crystals.a[[0, 1, 4, 5]])
