"""Models go to JSON and come back the same, whatever is in them."""

import json
from dataclasses import replace

import gemmi
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxdask.errors import InputError
from dxdask.models import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ExperimentList,
    GaussianProfile,
    Goniometer,
    Group,
    Panel,
    Scan,
    b_matrix,
    cell_of,
    space_group,
)
from dxdask.models.vectors import matrix, rotation_matrix, unit, vector

numbers = st.floats(-1e3, 1e3, allow_nan=False)
vectors = st.tuples(numbers, numbers, numbers)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3).map(lambda v: vector(unit(v)))
lengths = st.floats(5.0, 300.0)
angles = st.floats(65.0, 115.0)
cells = st.tuples(lengths, lengths, lengths, angles, angles, angles)
rotations = st.tuples(directions, st.floats(-3.0, 3.0)).map(lambda p: rotation_matrix(*p))
beams = st.builds(
    Beam,
    direction=directions,
    wavelength=st.floats(0.01, 5.0),
    wavelengths=st.none() | st.lists(st.floats(0.5, 2.0), min_size=1, max_size=3).map(tuple),
    transmission=st.floats(0.01, 1.0),
)
panels = st.builds(
    Panel,
    name=st.text(max_size=5),
    origin=vectors,
    offset=st.tuples(st.integers(0, 5000), st.integers(0, 5000)),
    image_size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    use_parallax=st.booleans(),
    mu=st.floats(0.1, 50.0),
    mask=st.lists(st.tuples(*[st.integers(0, 100)] * 4), max_size=2).map(tuple),
)
goniometers = st.builds(
    Goniometer,
    axes=st.tuples(directions, directions),
    angles=st.tuples(numbers, numbers),
    names=st.just(("phi", "omega")),
    scan_axis=st.integers(0, 1),
    setting=rotations.map(matrix),
)
scans = st.builds(
    Scan,
    image_range=st.integers(1, 1000).map(lambda n: (n, n + 9)),
    oscillation=st.tuples(numbers, st.floats(0.01, 2.0)),
    exposure_times=st.just(()) | st.just((0.1,)),
)
crystals = st.builds(
    lambda cell, u, su: replace(Crystal.from_cell(cell, u_matrix=u), cell_su=su),
    cells,
    rotations,
    st.none() | st.just((0.1,) * 6),
)


@given(beams, st.lists(panels, min_size=1, max_size=3), goniometers, scans, crystals)
def test_experiment_list_goes_to_json_and_back(beam, panel_list, goniometer, scan, crystal):
    detector = Detector(
        panels=tuple(panel_list), root=Group(groups=(Group(panels=tuple(range(len(panel_list)))),))
    )
    first = Experiment(
        identifier="a",
        run="r",
        beam=beam,
        detector=detector,
        goniometer=goniometer,
        scan=scan,
        crystal=crystal,
        profile=GaussianProfile(sigma_b=0.001, sigma_m=0.002),
    )
    second = replace(first, identifier="b", goniometer=None, scan=None, crystal=None, profile=None)
    experiments = ExperimentList.of([first, second])
    assert len(experiments.beams) == len(experiments.detectors) == 1
    back = ExperimentList.from_dict(json.loads(json.dumps(experiments.to_dict())))
    assert back == experiments
    assert list(back) == [first, second]


@given(cells, rotations)
def test_cell_and_orientation_come_back(cell, u):
    # Not every six numbers are a cell: three angles must close.
    if gemmi.UnitCell(*cell).volume < 100.0:
        return
    crystal = Crystal.from_cell(cell, u_matrix=u)
    np.testing.assert_allclose(crystal.unit_cell, cell, rtol=1e-8)
    np.testing.assert_allclose(crystal.u, u, atol=1e-8)
    np.testing.assert_allclose(cell_of(b_matrix(cell)), cell, rtol=1e-8)


def test_one_object_is_one_model_and_equal_ones_are_not() -> None:
    shared, alike = Beam(), Beam()
    detector = Detector(panels=(Panel(),))
    beams = (shared, alike, shared)
    experiments = ExperimentList.of(
        [
            Experiment(identifier=str(i), run=run, beam=beam, detector=detector)
            for i, (run, beam) in enumerate(zip(("a", "b", "a"), beams, strict=True))
        ]
    )
    assert [m.beam for m in experiments.members] == [0, 1, 0]
    assert [m.detector for m in experiments.members] == [0, 0, 0]
    assert experiments.crystals == ()
    assert experiments.members[0].crystal is None
    assert experiments.runs == ("a", "b")
    np.testing.assert_array_equal(experiments.run_indices, [0, 1, 0])


def test_b_matrix_is_gemmi_s_fractionalisation():
    cell = (78.0, 60.0, 40.0, 90.0, 101.0, 90.0)
    expected = np.array(gemmi.UnitCell(*cell).frac.mat.tolist()).T
    np.testing.assert_allclose(b_matrix(cell), expected, atol=1e-15)


def test_space_group_by_symbol_and_number():
    assert space_group("I213").number == space_group("199").number == space_group(199).number
    with pytest.raises(InputError, match="unknown space group 'P 99'"):
        space_group("P 99")


@given(panels, st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=5))
def test_pixels_come_back_without_parallax(panel, points):
    plain = replace(panel, use_parallax=False)
    np.testing.assert_allclose(plain.mm_to_pixel(plain.pixel_to_mm(points)), points, atol=1e-9)


@pytest.mark.parametrize(("mu", "thickness"), [(0.0, 0.3), (4.0, 0.0)])
def test_a_sensor_that_is_not_known_shifts_nothing(mu: float, thickness: float) -> None:
    panel = Panel(pixel_size=(0.1, 0.2), use_parallax=True, mu=mu, thickness=thickness)
    np.testing.assert_allclose(panel.pixel_to_mm([(10.0, 20.0)]), [(1.0, 4.0)])
    np.testing.assert_allclose(panel.mm_to_pixel([(1.0, 4.0)]), [(10.0, 20.0)])


def test_panel_map_and_slices():
    detector = Detector(
        panels=(
            Panel(image_size=(4, 3), offset=(0, 0)),
            Panel(image_size=(4, 3), offset=(0, 5)),
        )
    )
    assert detector.frame_shape == (8, 4)
    found = detector.panel_map()
    np.testing.assert_array_equal(found[:, 0], [0, 0, 0, -1, -1, 1, 1, 1])
    assert detector.root.all_panels() == (0, 1)


def test_a_moved_panel_keeps_its_shape_and_rotates_about_the_pivot():
    panel = Panel(origin=(-50.0, 50.0, -100.0))
    rotation = rotation_matrix((0.0, 0.0, 1.0), np.pi / 2)
    moved = panel.moved(rotation, shift=(0.0, 0.0, -5.0), about=(0.0, 0.0, -100.0))
    np.testing.assert_allclose(moved.origin, (-50.0, -50.0, -105.0), atol=1e-12)
    np.testing.assert_allclose(moved.fast_axis, (0.0, 1.0, 0.0), atol=1e-12)
    group = Group(origin=(1.0, 2.0, 3.0), groups=(Group(origin=(4.0, 5.0, 6.0)),))
    assert group.shifted((1.0, 0.0, 0.0)).groups[0].origin == (5.0, 5.0, 6.0)


def test_rays_that_never_meet_the_panel_are_nan():
    panel = Panel(origin=(-50.0, 50.0, -100.0))
    found = panel.ray_intersection([(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])
    assert np.isnan(found).all()


def test_scan_of_stills_has_no_width():
    assert Scan(image_range=(1, 8)).is_still
    scan = Scan(image_range=(3, 12), oscillation=(10.0, 0.5))
    assert (scan.n_images, scan.array_range, scan.is_still) == (10, (2, 12), False)
    np.testing.assert_allclose(np.rad2deg(scan.phi_range_rad), (10.0, 15.0))
