"""The beam centre from the diffuse scattering of mean images, off by 20 px in the header."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.indexing_examples import experiments_of, spots_of
from support.scattering_images import SHAPE, diffuse
from support.wrong_geometry import beam_off, centre_px

from dxdask.errors import ConvergenceError, InputError
from dxdask.indexing.search_beam_position import (
    SearchBeamPositionParameters,
    search_beam_position,
)
from dxdask.indexing.search_beam_position.parameters import ON_FRAMES

pytestmark = pytest.mark.jit


@pytest.mark.parametrize("method", ON_FRAMES)
@pytest.mark.parametrize("shift", [(16.0, -12.0), (0.0, 20.0), (-14.0, -14.0)])
def test_a_centre_off_by_20_px_is_found(method, shift):
    experiments = experiments_of("oP")
    true = centre_px(experiments)
    wrong = beam_off(experiments, shift)
    given = SearchBeamPositionParameters(method=method)
    result = search_beam_position(
        spots_of(experiments), wrong, given, images={"run1": diffuse(true)}
    )
    np.testing.assert_allclose(
        centre_px(result.experiments), true, atol=0.5 if method == "midpoint" else 1.0
    )
    (row,) = result.table("beam_centres").rows
    np.testing.assert_allclose([row["fast_px_before"], row["slow_px_before"]], centre_px(wrong))
    if method == "midpoint":
        assert row["percent"] > row["percent_before"]
    for axis in ("fast", "slow"):
        assert 0.0 < row[f"uncertainty_{axis}_px"] < 1.5
    assert "+-" in result.messages[0]


@pytest.mark.parametrize("method", ON_FRAMES)
def test_few_spots_are_enough_and_images_are_needed(method):
    experiments = experiments_of("oP")
    given = SearchBeamPositionParameters(method=method)
    few = {k: v[:10] for k, v in spots_of(experiments).items()}
    images = {"run1": diffuse(centre_px(experiments))}
    search_beam_position(few, experiments, given, images=images)
    with pytest.raises(InputError, match="give images"):
        search_beam_position(few, experiments, given)


def test_each_detector_has_the_image_of_its_run():
    experiments = experiments_of("oP", n_runs=2)
    centres = [centre_px(replace(experiments, detectors=(d,))) for d in experiments.detectors]
    off = beam_off(experiments, (10.0, 5.0))
    images = {f"run{k + 1}": diffuse(c + 3.0 * k) for k, c in enumerate(centres)}
    given = SearchBeamPositionParameters(method="midpoint")
    result = search_beam_position(spots_of(experiments), off, given, images=images)
    rows = result.table("beam_centres").rows
    assert len(rows) == 2


@pytest.mark.parametrize("method", ON_FRAMES)
def test_an_image_without_scattering_is_an_error(method):
    experiments = experiments_of("oP")
    given = SearchBeamPositionParameters(method=method)
    for image, words in (
        (np.ones(SHAPE), "not determined"),
        (np.full(SHAPE, np.nan), "no square"),
    ):
        with pytest.raises(ConvergenceError, match=words):
            search_beam_position(spots_of(experiments), experiments, given, images={"run1": image})


def test_scattering_cut_off_by_the_edge_is_an_error():
    experiments = experiments_of("oP")
    ramp = np.tile(np.arange(1000.0), (1000, 1))
    with pytest.raises(ConvergenceError, match="not determined"):
        search_beam_position(
            spots_of(experiments), experiments, SearchBeamPositionParameters(method="midpoint"),
            images={"run1": ramp},
        )  # fmt: skip
