"""Frames of a simulation agree with its true values."""

from __future__ import annotations

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from support.tiny import tiny

from dxdask.errors import InputError
from dxdask.simulation import SimulationParameters, simulate
from dxdask.simulation.structure_factors import equivalents, true_intensities

CELLS = {
    "P 1": (31.0, 37.0, 43.0, 81.0, 97.0, 105.0),
    "P 21 21 21": (31.0, 37.0, 43.0, 90.0, 90.0, 90.0),
    "C 1 2 1": (51.0, 37.0, 43.0, 90.0, 107.0, 90.0),
    "P 43 21 2": (39.0, 39.0, 29.0, 90.0, 90.0, 90.0),
    "P 61 2 2": (45.0, 45.0, 61.0, 90.0, 90.0, 120.0),
    "R 3 :H": (55.0, 55.0, 40.0, 90.0, 90.0, 120.0),
    "I 21 3": (50.0, 50.0, 50.0, 90.0, 90.0, 90.0),
}


def noiseless(parameters: SimulationParameters, run: int) -> np.ndarray:
    """Return the photons of the lattice alone (image, slow, fast) of one run."""
    simulation = simulate(parameters)
    n = parameters.scan.n_images
    background = simulation.background * parameters.transmissions[run]
    return np.stack([simulation.expected(run, i) - background for i in range(n)])


@pytest.mark.parametrize("transmission_index", [0, 1])
def test_summed_photons_corrected_are_the_true_intensities(transmission_index: int) -> None:
    # Wide gaps between spots, so that a box holds one spot.
    parameters = tiny(
        crystal={"unit_cell": (24.0, 24.0, 24.0, 90.0, 90.0, 90.0), "mosaicity": 0.1},
        detector={"distance": 130.0, "module_size": (256, 128), "gap": 8, "pixel_size": 0.3,
                  "beam_centre": (127.3, 131.8)},
        scan={"n_images": 16, "oscillation": 1.0},
    )  # fmt: skip
    simulation = simulate(parameters)
    spots = simulation.spots
    photons = noiseless(parameters, transmission_index)
    half, tall = 9, 128
    inside = (spots.x > half) & (spots.x < 256 - half) & (spots.y > half) & (spots.y < tall - half)
    z = np.degrees(spots.phi)
    width = np.degrees(spots.sigma_phi)
    whole = inside & (z - 5 * width > 0) & (z + 5 * width < 16)
    offset = np.array([p.offset[1] for p in simulation.detector.panels])[spots.panel]
    y = spots.y + offset
    near = (np.abs(spots.x[:, None] - spots.x) < 2 * half) & (np.abs(y[:, None] - y) < 2 * half)
    near &= np.abs(z[:, None] - z) < 5 * (width[:, None] + width) + 2
    alone = np.flatnonzero(whole & (near.sum(axis=1) == 1))
    assert len(alone) > 30
    ratios = []
    for i in alone:
        x0, y0 = int(spots.x[i]) - half, int(y[i]) - half
        z0, z1 = int(z[i] - 5 * width[i]), int(np.ceil(z[i] + 5 * width[i]))
        box = photons[z0:z1, y0 : y0 + 2 * half + 1, x0 : x0 + 2 * half + 1]
        corrected = box.sum() * spots.lp[i] / spots.qe[i]
        ratios.append(corrected / simulation.intensities.intensity[spots.unique[i]])
    expected = simulation.photon_scale * parameters.transmissions[transmission_index]
    np.testing.assert_allclose(ratios, expected, rtol=3e-3)
    np.testing.assert_allclose(np.median(ratios), expected, rtol=1e-4)


def test_counts_are_poisson() -> None:
    parameters = tiny(
        photons=0.0,
        background={"flat": 4.0, "radial": 0.0, "ring": 0.0},
        detector={"module_size": (192, 96), "n_dead": 0, "n_hot": 0},
    )
    simulation = simulate(parameters)
    good = simulation.frames(1, 0, 10)[:, simulation.mask].astype(float)
    n = good.size
    assert abs(good.mean() - 4.0) < 4 * np.sqrt(4.0 / n)
    # The variance of a Poisson variance is (mu + 2 mu^2) / n.
    assert abs(good.var() - 4.0) < 4 * np.sqrt((4.0 + 2 * 16.0) / n)
    assert abs((good == 0).mean() - np.exp(-4.0)) < 4 * np.sqrt(np.exp(-4.0) / n)


@pytest.mark.parametrize("symbol", CELLS)
def test_equivalents_share_an_intensity_and_absences_are_absent(symbol: str) -> None:
    cell, group = CELLS[symbol], gemmi.SpaceGroup(symbol)
    truth = true_intensities(unit_cell=cell, symbol=symbol, d_min=4.0, b_iso=20.0, seed=3)
    hkl, rows = equivalents(truth.hkl, symbol)
    operations, asu = group.operations(), gemmi.ReciprocalAsu(group)
    reference = {tuple(h): i for i, h in enumerate(truth.hkl.tolist())}
    for h, row in zip(hkl[::7].tolist(), rows[::7], strict=True):
        assert reference[tuple(asu.to_asu(h, operations)[0])] == row
        assert not operations.is_systematically_absent(h)
    everything = gemmi.make_miller_array(gemmi.UnitCell(*cell), group, 4.0, unique=False)
    present = {tuple(h) for h in everything.tolist() if not operations.is_systematically_absent(h)}
    assert present <= {tuple(h) for h in hkl.tolist()}
    assert len(np.unique(hkl, axis=0)) == len(hkl)


def test_intensities_follow_wilson() -> None:
    truth = true_intensities(
        unit_cell=(80.0, 90.0, 100.0, 90.0, 90.0, 90.0),
        symbol="P 21 21 21",
        d_min=2.5,
        b_iso=0.0,
        seed=1,
    )
    z = truth.intensity / truth.epsilon
    for centric, second_moment in ((False, 2.0), (True, 3.0)):
        chosen = z[truth.centric == centric]
        ratio = (chosen**2).mean() / chosen.mean() ** 2
        assert abs(ratio / second_moment - 1) < 0.15
    assert truth.intensity.mean() == pytest.approx(1000.0)


@settings(max_examples=12)
@given(rotation=st.tuples(*[st.floats(-180, 180)] * 3), start=st.floats(-400, 400))
def test_rays_end_on_the_ewald_sphere(rotation: tuple[float, float, float], start: float) -> None:
    simulation = simulate(
        tiny(crystal={"orientation": rotation, "d_min": 5.0}, scan={"start": start, "n_images": 4})
    )
    spots, experiment = simulation.spots, simulation.true_experiments[0]
    assert experiment.crystal is not None
    assert experiment.goniometer is not None
    s0 = experiment.beam.s0
    np.testing.assert_allclose(np.linalg.norm(spots.s1, axis=1), np.linalg.norm(s0), rtol=1e-9)
    # Rotate each lattice point by its own angle, by arithmetic of another kind: quaternions.
    axis = experiment.goniometer.rotation_axis
    rotated = Rotation.from_rotvec(spots.phi[:, None] * axis).apply(
        spots.hkl @ experiment.crystal.a.T
    )
    np.testing.assert_allclose(s0 + rotated, spots.s1, atol=1e-9)
    low, high = np.deg2rad(start), np.deg2rad(start + 4 * 0.8)
    assert ((spots.phi > low - 0.2) & (spots.phi < high + 0.2)).all()


def test_spots_lie_where_the_models_say() -> None:
    simulation = simulate(tiny())
    spots = simulation.spots
    for index, panel in enumerate(simulation.detector.panels):
        on = spots.panel == index
        px = panel.mm_to_pixel(panel.ray_intersection(spots.s1[on]))
        np.testing.assert_allclose(px, np.stack([spots.x[on], spots.y[on]], axis=1), atol=1e-9)


def test_the_second_module_is_displaced_as_given() -> None:
    simulation = simulate(tiny())
    told, true = simulation.experiments.detectors[0], simulation.detector
    px = simulation.parameters.detector.pixel_size
    moved = np.array(true[1].origin) - np.array(told[1].origin)
    np.testing.assert_allclose(moved, [0.3 * px, -1.5 * px, 0.0], atol=1e-12)
    assert told[0].origin == true[0].origin


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crystal": {"unit_cell": (40.0, 41.0, 42.0, 90.0, 90.0, 90.0)}}, "does not fit"),
        ({"crystal": {"space_group": "Q 5"}}, "unknown space group"),
        ({"crystal": {"d_min": 100.0}}, "no reflection"),
        ({"crystal": {"d_min": 0.05}}, "unique reflections"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate(tiny(**changes))


def test_images_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="no images"):
        simulate(tiny()).frames(0, 5, 50)


@pytest.mark.parametrize(
    "changes",
    [
        {"transmissions": (0.0,)},
        {"transmissions": ()},
        {"detector": {"psf_sigma": 0.1}},
        {"beam": {"wavelength": 1.2}},
        {"detector": {"material": "CdTe"}},
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"transmissions|psf_sigma|detector\.mu"):
        tiny(**changes)
