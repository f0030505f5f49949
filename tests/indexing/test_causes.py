"""What is wrong with the geometry is named, ranked by figures, and a beam centre corrected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, primitive_a, same_lattice, spots_of
from support.mixed_lattices import mixed
from support.wrong_geometry import beam_off, centre_px, inverted_axis, scaled_distance

from dxdask.columns import Flag, has_flag, n_rows, select
from dxdask.errors import ConvergenceError
from dxdask.indexing import IndexParameters, index
from dxdask.indexing.causes import Trials, likely_causes
from dxdask.indexing.parameters import GeometrySearch, KnownSymmetry
from dxdask.indexing.trial_causes import Cause
from dxdask.indexing.trial_fit import TrialFit
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit
NOTHING_APPLIED = IndexParameters(geometry_search=GeometrySearch(apply="none"))


@pytest.fixture(scope="module")
def example():
    experiments = experiments_of("oP")
    return spots_of(experiments, outliers=0.2), experiments


def indexed(spots, experiments, parameters=None):
    return index(spots, experiments, parameters or IndexParameters(), RefinementParameters())


def test_an_inverted_axis_is_named_not_applied(example):
    spots, experiments = example
    with pytest.raises(ConvergenceError, match="invert_rotation_axis=true") as caught:
        indexed(spots, inverted_axis(experiments))
    message = str(caught.value)
    assert message.startswith("with the rotation axis inverted a lattice fits 9")
    assert "beam centre moved" not in message


@pytest.mark.parametrize(
    "shift",
    [
        (16.0, -12.0),
        pytest.param((-14.0, 14.0), marks=pytest.mark.slow),
        pytest.param((0.0, 20.0), marks=pytest.mark.slow),
        pytest.param((-25.0, 25.0), marks=pytest.mark.slow),
    ],
)
def test_a_beam_centre_off_by_20_px_is_corrected_and_said(example, shift):
    spots, experiments = example
    result = indexed(spots, beam_off(experiments, shift))
    assert same_lattice(primitive_a(experiments.crystals[0]), result.experiments.crystals[0].a)
    assert has_flag(result.reflections, Flag.INDEXED)[spots["hkl"].any(axis=1)].mean() > 0.98
    np.testing.assert_allclose(centre_px(result.experiments), centre_px(experiments), atol=0.3)
    (line,) = [m for m in result.messages if m.startswith("Warning: the beam centre")]
    found = line.split("fast_slow_beam_centre=")[1].split(";")[0]
    true = centre_px(experiments)
    np.testing.assert_allclose([float(x) for x in found.split(",")], true, atol=2.0)


def test_a_beam_centre_is_only_named_on_request(example):
    spots, experiments = example
    wrong = beam_off(experiments, (16.0, -12.0))
    trials = likely_causes(spots, wrong, NOTHING_APPLIED)
    assert "fast_slow_beam_centre=" in trials.text
    result = indexed(spots, wrong, NOTHING_APPLIED.model_copy(update={"accept_poor_fit": True}))
    assert not any("is corrected" in line for line in result.messages)


@pytest.mark.parametrize("scale", [1.02, 0.98])
def test_a_distance_off_by_2_percent_is_named(example, scale):
    spots, experiments = example
    result = indexed(spots, scaled_distance(experiments, scale))
    (line,) = [m for m in result.messages if "distance" in m and m.startswith("Warning")]
    assert f"({100 * (1 / scale - 1):+.1f} %)" in line
    found = float(line.split("geometry.detector.distance=")[1].split()[0])
    assert found == pytest.approx(experiments[0].detector[0].distance, rel=2e-3)


def test_the_right_geometry_has_no_cause(example):
    spots, experiments = example
    trials = likely_causes(spots, experiments, IndexParameters())
    assert trials.causes == ()
    assert trials.now.fraction > 0.8
    assert not any(m.startswith("Warning") for m in indexed(spots, experiments).messages)


def test_a_wrong_cell_is_named_with_the_one_found(example):
    spots, experiments = example
    known = KnownSymmetry(unit_cell=(60, 60, 60, 90, 90, 90))
    with pytest.raises(
        ConvergenceError, match=r"without the cell 60, 60, 60.*reduced cell 4[12]\."
    ):
        indexed(spots, experiments, IndexParameters(known_symmetry=known))


def test_a_second_lattice_is_named():
    example = mixed("oP", fractions=(1.0, 0.8))
    trials = likely_causes(example.spots, example.experiments, IndexParameters())
    assert [c.name for c in trials.causes] == ["several crystals"]
    assert "max_lattices=2" in trials.text


def test_figures_do_not_depend_on_the_order_of_causes(example):
    spots, experiments = example
    trials = likely_causes(spots, beam_off(experiments, (10.0, 17.0)), IndexParameters())
    fractions = [c.tight for c in trials.causes]
    assert fractions == sorted(fractions, reverse=True)
    assert trials.causes[0].name == "beam centre"


def test_what_was_tried_is_said_where_nothing_helps(example):
    spots, experiments = example
    rng = np.random.default_rng(4)
    junk = spots | {k: rng.uniform(spots[k].min(), spots[k].max(), n_rows(spots)) for k in "xyz"}
    with pytest.raises(ConvergenceError) as caught:
        indexed(junk, experiments)
    message = str(caught.value)
    assert message.startswith("tried without success: the rotation axis inverted (")
    for words in ("beam centres within 4 mm", "distances from -6% to +6%"):
        assert words in message


def test_few_spots_are_a_cause(example):
    spots, experiments = example
    some = select(spots, np.arange(0, n_rows(spots), n_rows(spots) // 40))
    trials = likely_causes(some, inverted_axis(experiments), IndexParameters())
    assert trials.causes[-1].name == "few spots"


def test_causes_are_on_lines_of_their_own():
    now = TrialFit(fraction=0.1, tight=0.1, a_matrix=None, n_spots=60)
    causes = tuple(
        Cause(name=name, fraction=0.9, tight=0.9, text=f"{name} is wrong")
        for name in ("beam centre", "distance")
    )
    trials = Trials(now=now, causes=causes, tried=("another axis",))
    assert trials.text == "1. beam centre is wrong\n2. distance is wrong"
    assert replace(trials, causes=causes[:1]).text == "beam centre is wrong"
    assert replace(trials, causes=()).text == "tried without success: another axis"


def test_too_few_spots_come_before_models_that_fit_them_by_chance(example):
    spots, experiments = example
    some = select(spots, np.arange(0, n_rows(spots), n_rows(spots) // 14))
    trials = likely_causes(some, inverted_axis(experiments), IndexParameters())
    assert trials.causes[0].name == "few spots"
