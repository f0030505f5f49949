"""Spots and models that cannot be indexed: the message says what was tried and what to try."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.mixed_lattices import mixed

from dxdask.columns import n_rows, select
from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing import IndexParameters, index
from dxdask.refinement import RefinementParameters

pytestmark = pytest.mark.jit


@pytest.fixture(scope="module")
def example():
    experiments = experiments_of("oP")
    return spots_of(experiments), experiments


def indexed(spots, experiments, **options):
    return index(spots, experiments, IndexParameters(**options), RefinementParameters())


def message_of(error: BaseException) -> str:
    text = str(error)
    assert all(len(line) < 600 for line in text.splitlines())
    assert len(text) < 1200
    return text


def test_no_spots(example):
    spots, experiments = example
    with pytest.raises(InputError, match="no spots to index: lower the threshold of find_spots"):
        indexed(select(spots, np.arange(0)), experiments)


@pytest.mark.parametrize("options", [{}, {"max_cell": 100.0}])
def test_ten_spots(example, options):
    spots, experiments = example
    with pytest.raises(ConvergenceError) as caught:
        indexed(select(spots, np.arange(10)), experiments, **options)
    text = message_of(caught.value)
    assert text.startswith("10 spots are few to find a lattice: lower the threshold of find_spots")
    for words in ("use more images", "known_symmetry.unit_cell", "tried without success: "):
        assert words in text


def test_spots_on_one_image(example):
    spots, experiments = example
    one = select(spots, np.floor(spots["z"]) == 20)
    assert 40 < n_rows(one) < 200
    result = indexed(one, experiments)
    (line,) = [m for m in result.messages if "are on image 21" in m]
    assert "find spots on more images" in line


def test_a_wrong_cell(example):
    spots, experiments = example
    known = {"unit_cell": (60, 60, 60, 90, 90, 90)}
    with pytest.raises(ConvergenceError) as caught:
        indexed(spots, experiments, known_symmetry=known)
    text = message_of(caught.value)
    assert text.startswith(
        "without the cell 60, 60, 60, 90, 90, 90 a lattice of the reduced cell 4"
    )
    assert "give another cell or none" in text


def test_images_without_width(example):
    spots, experiments = example
    still = replace(experiments, scans=(replace(experiments.scans[0], oscillation=(0.0, 0.0)),))
    with pytest.raises(InputError, match=r"60 images of run run1 have no rotation width.*import"):
        indexed(spots, still)
    none = replace(experiments[0], scan=None, goniometer=None)
    with pytest.raises(InputError, match="run1 is a still"):
        indexed(spots, type(experiments).of([none]))


def test_two_crystals_as_one():
    example = mixed("oP", fractions=(1.0, 0.8))
    result = indexed(example.spots, example.experiments)
    (line,) = [m for m in result.messages if "max_lattices=2" in m]
    assert line.startswith("Warning: the lattice fits ")
    assert "split or there are several" in line


def test_two_crystals_in_two_runs():
    experiments = experiments_of("oP", n_runs=2)
    example = mixed("oP", fractions=(1.0, 1.0), n_runs=2, outliers=0.0)
    keep = example.lattice == example.spots["experiment"]
    with pytest.raises(ConvergenceError) as caught:
        indexed(select(example.spots, keep), experiments)
    text = message_of(caught.value)
    assert "each run by its own has a lattice that fits (run1 " in text
    assert "joint_indexing=auto or false" in text


def test_spots_at_random(example):
    spots, experiments = example
    rng = np.random.default_rng(4)
    junk = spots | {k: rng.uniform(spots[k].min(), spots[k].max(), n_rows(spots)) for k in "xyz"}
    with pytest.raises(ConvergenceError) as caught:
        indexed(junk, experiments)
    text = message_of(caught.value)
    assert text.startswith("tried without success: the rotation axis inverted (")
    assert "beam centres within 4 mm (" in text
    assert "distances from -6% to +6% (" in text
