"""The place of a detector in the group `geometry` of EIGER masters without modules."""

import h5py
import numpy as np
import pytest
from support.nxmx_changes import DETECTOR, changed, deleting, imported, setting

from dxdask.errors import FormatError

# The example: pixels of 0.1 mm, 80 x 60 of them, beam at (40, 30), 100 mm.
PLACE = f"{DETECTOR}/geometry/translation/distances"
DIRECTIONS = f"{DETECTOR}/geometry/orientation/value"
UPRIGHT = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
OLD = [
    deleting(f"{DETECTOR}/module"),
    setting(DIRECTIONS, np.array(UPRIGHT)),
    setting(PLACE, np.array([4.0e-3, 3.0e-3, -0.1])),
]


def without_centre(file):
    for name in ("beam_center_x", "beam_center_y"):
        file[f"{DETECTOR}/{name}"][()] = 0.0


CHANGES = {
    "all": [],
    "no centre": [deleting(f"{DETECTOR}/beam_center_x"), deleting(f"{DETECTOR}/beam_center_y")],
    "centre of zeros": [without_centre],
    "no distance": [deleting(f"{DETECTOR}/distance")],
    "distance of zero": [setting(f"{DETECTOR}/distance", 0.0)],
    "in mm": [deleting(f"{DETECTOR}/distance"), setting(PLACE, [4.0, 3.0, -100.0], units="mm")],
    "no geometry": [deleting(f"{DETECTOR}/geometry")],
    "geometry of zeros": [setting(PLACE, np.zeros(3)), setting(DIRECTIONS, np.zeros(6))],
    "geometry null": [setting(PLACE, h5py.Empty("f4")), setting(DIRECTIONS, h5py.Empty("f4"))],
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_place_of_the_detector(tmp_path, name):
    (run,) = imported(changed(tmp_path, *OLD, *CHANGES[name]))
    panel = run.experiment.detector[0]
    np.testing.assert_allclose(panel.origin, (-4.0, 3.0, -100.0), atol=1e-9)
    np.testing.assert_allclose((panel.fast_axis, panel.slow_axis), ((1, 0, 0), (0, -1, 0)))


def test_a_tilted_detector(tmp_path):
    tilt = 0.1
    turned = setting(DIRECTIONS, (-1.0, 0.0, 0.0, 0.0, -np.cos(tilt), np.sin(tilt)))
    (run,) = imported(changed(tmp_path, *OLD, turned))
    panel = run.experiment.detector[0]
    slow = (0.0, -np.cos(tilt), np.sin(tilt))
    np.testing.assert_allclose(panel.slow_axis, slow, atol=1e-12)
    # the beam meets the pixel of the header at the distance of the header
    np.testing.assert_allclose(
        np.asarray(panel.origin) + 4.0 * np.asarray(panel.fast_axis) + 3.0 * np.asarray(slow),
        (0.0, 0.0, -100.0),
        atol=1e-9,
    )


def test_directions_that_are_none_are_a_problem(tmp_path):
    path = changed(tmp_path, *OLD, setting(DIRECTIONS, (-1.0, 0.0, 0.0, -1.0, 0.0, 0.0)))
    (run,) = imported(path)
    assert any("no directions at right angles" in line for line in run.problems)
    np.testing.assert_allclose(run.experiment.detector[0].origin, (-4.0, 3.0, -100.0), atol=1e-9)


def test_neither_distance_nor_place(tmp_path):
    path = changed(tmp_path, *OLD, deleting(f"{DETECTOR}/distance"), setting(PLACE, np.zeros(3)))
    with pytest.raises(FormatError, match=r"lacks distance; give geometry\.detector\.distance"):
        imported(path)
