"""The frames: same every time, linear below the gain switch, faulty where they should be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny import tiny

from dxdask.errors import InputError
from dxdask.simulation import Simulation, simulate
from dxdask.simulation.parameters import GainSwitchParameters
from dxdask.simulation.recording import switched


@pytest.fixture(scope="module")
def ensemble() -> Simulation:
    return simulate(tiny())


@given(cuts=st.sets(st.integers(1, 9), max_size=5), run=st.integers(0, 1))
@settings(max_examples=8)
def test_frames_do_not_depend_on_how_they_are_requested(cuts: set[int], run: int) -> None:
    whole = simulate(tiny()).frames(run, 0, 10)
    simulation = simulate(tiny())
    edges = [0, *sorted(cuts), 10]
    pairs = list(pairwise(edges))
    backwards = [simulation.frames(run, a, b) for a, b in pairs[::-1]]
    np.testing.assert_array_equal(np.concatenate(backwards[::-1]), whole)


def test_seeds_runs_and_images_differ(ensemble: Simulation) -> None:
    a, b = ensemble.frames(0, 0, 2)
    assert (a != b).any()
    other = simulate(tiny(seed=7))
    assert not np.array_equal(other.intensities.intensity, ensemble.intensities.intensity)


def test_runs_expect_photons_as_their_transmissions(ensemble: Simulation) -> None:
    np.testing.assert_allclose(ensemble.expected(0, 4), 0.25 * ensemble.expected(1, 4), rtol=1e-12)


def test_gain_switch_leaves_a_notch_and_saturation_a_ceiling(ensemble: Simulation) -> None:
    frames = ensemble.frames(1, 0, 10)
    counts = frames[frames < 65535]
    assert not np.isin(counts, [30, 31]).any()
    assert (counts == 29).any()
    assert (counts == 32).any()
    low = simulate(
        tiny(detector={"module_size": (192, 96), "saturation": 200, "distance": 80.0, "gap": 8,
                       "beam_centre": (95.2, 99.6), "pixel_size": 0.4})
    ).frames(1, 0, 10)  # fmt: skip
    counts = low[low < 65535]
    assert counts.max() == 200
    assert (counts == 200).sum() > 10


def test_switched_counts_are_as_described() -> None:
    counts = np.array([0, 29, 30, 31, 50, 1000])
    recorded = switched(counts, GainSwitchParameters())
    np.testing.assert_array_equal(recorded, [0, 29, 32, 33, 52, 1021])
    off = GainSwitchParameters(enabled=False)
    np.testing.assert_array_equal(switched(counts, off), counts)


def test_mask_lists_gap_and_half_of_the_bad_pixels(ensemble: Simulation) -> None:
    bad, frames = ensemble.bad, ensemble.frames(1, 0, 10)
    mask = ensemble.pixel_mask
    assert mask.shape == frames.shape[1:] == (200, 192)
    assert (mask[96:104] == 1).all()
    assert (frames[:, 96:104] == 65535).all()
    for pixels, listed, bit in ((bad.dead, bad.dead_listed, 2), (bad.hot, bad.hot_listed, 16)):
        np.testing.assert_array_equal(mask[tuple(pixels.T)] == bit, listed)
        assert listed.sum() == len(listed) // 2
    assert (frames[:, bad.dead[:, 0], bad.dead[:, 1]] == 0).all()
    level = frames[:, bad.hot[:, 0], bad.hot[:, 1]].mean(axis=0)
    assert (level > 0.9 * np.minimum(bad.hot_level, 10000)).all()
    np.testing.assert_array_equal(ensemble.mask, mask == 0)


def test_background_is_that_of_the_true_modules(ensemble: Simulation) -> None:
    background = ensemble.background
    assert (background[96:104] == 0).all()
    assert background[:96].min() >= ensemble.parameters.background.flat
    row, column = np.unravel_index(background.argmax(), background.shape)
    assert np.hypot(row - 99.6, column - 95.2) < 60


def stills(transmissions: tuple[float, ...] = (1.0,)) -> Simulation:
    return simulate(
        tiny(mode="stills", transmissions=transmissions, scan={"n_images": 12}, photons=2000.0)
    )


def test_blank_shots_have_no_spots_and_hits_do() -> None:
    simulation = stills()
    shots = simulation.shots[0]
    assert 0 < shots.is_hit.sum() < 12
    for i in range(12):
        photons = simulation.expected(0, i) - simulation.background
        assert (photons.max() > 5) == shots.is_hit[i]
    assert len(simulation.true_experiments) == shots.is_hit.sum()
    assert simulation.experiments[0].beam.wavelengths == tuple(shots.wavelengths.tolist())
    np.testing.assert_array_equal(
        simulation.frames(0, 3, 5), np.concatenate([stills().frames(0, i, i + 1) for i in (3, 4)])
    )


def test_each_hit_has_its_own_crystal_and_blanks_have_none() -> None:
    simulation = stills((0.5, 1.0))
    for run, shots in enumerate(simulation.shots):
        hit = int(np.flatnonzero(shots.is_hit)[-1])
        spots = simulation.still_spots(run, hit)
        k = 1 / shots.wavelengths[hit]
        np.testing.assert_allclose(np.linalg.norm(spots.s1, axis=1), k, rtol=1e-9)
        blank = int(np.flatnonzero(~shots.is_hit)[0])
        with pytest.raises(InputError, match=f"shot {blank} of run {run} has no crystal"):
            simulation.still_spots(run, blank)
    with pytest.raises(InputError, match="choose a hit"):
        simulation.still_spots(2, 0)


def test_still_spots_are_near_the_sphere_and_weaker_away_from_it() -> None:
    simulation = stills()
    image = int(np.flatnonzero(simulation.shots[0].is_hit)[0])
    spots = simulation.still_spots(0, image)
    experiment = simulation.true_experiments[0]
    assert experiment.crystal is not None
    s0 = experiment.beam.s0
    q = spots.hkl @ experiment.crystal.a.T
    error = np.linalg.norm(s0 + q, axis=1) - np.linalg.norm(s0)
    partiality = spots.photons * spots.lp / spots.qe
    partiality /= simulation.photon_scale * simulation.shots[0].fluences[image]
    partiality /= simulation.intensities.intensity[spots.unique]
    assert (partiality <= 1).all()
    np.testing.assert_allclose(np.linalg.norm(spots.s1, axis=1), np.linalg.norm(s0), rtol=1e-9)
    assert np.abs(error).max() < 0.01
    narrow = np.abs(error) < 2e-4
    assert partiality[narrow].mean() > 3 * partiality[~narrow].mean()
