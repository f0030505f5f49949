"""The models give what dxtbx 3.12 gives; its numbers were written down from dxtbx calls."""

import numpy as np
import pytest

from dxdask.models import Beam, Crystal, Goniometer, Panel, Scan
from dxdask.models.vectors import matrix

FAST = (0.9935551389650401, 0.10138317744541227, 0.050691588722706134)
SLOW = (0.10048617260223404, -0.9947384624753564, 0.019947941946925632)
POINTS = [(0, 0), (10.5, 700.25), (999, 3.5), (512, 444.4)]


def panel(*, parallax: bool) -> Panel:
    return Panel(
        origin=(-80.0, 90.0, -200.0),
        fast_axis=FAST,
        slow_axis=SLOW,
        pixel_size=(0.172, 0.15),
        image_size=(1000, 900),
        thickness=0.45,
        material="Si",
        mu=3.8,
        use_parallax=parallax,
        parallax_law="dxtbx",
    )


def test_pixel_to_mm_without_parallax():
    expected = [[0.0, 0.0], [1.806, 105.0375], [171.828, 0.525], [88.064, 66.66]]
    np.testing.assert_allclose(panel(parallax=False).pixel_to_mm(POINTS), expected, atol=1e-12)


def test_pixel_to_mm_with_parallax():
    expected = [
        [0.05525166184173858, 0.06970437133479386],
        [1.8604039001738955, 105.03509233398634],
        [171.7654312750192, 0.5942141857140614],
        [88.0587696809333, 66.68412338743914],
    ]
    np.testing.assert_allclose(panel(parallax=True).pixel_to_mm(POINTS), expected, atol=1e-9)


def test_mm_to_pixel_with_parallax():
    expected = [
        [-0.3212305921031313, -0.4646958088986258],
        [5.785420792241558, 466.6880618770457],
        [580.8917808597912, 1.8678220466305329],
        [297.5566174079178, 296.00333986206994],
    ]
    mm = np.array(POINTS) * 0.1
    np.testing.assert_allclose(panel(parallax=True).mm_to_pixel(mm), expected, atol=1e-9)


def test_mm_to_pixel_undoes_pixel_to_mm_within_the_approximation():
    """The shift is taken at the uncorrected place on the way there, at the corrected one back."""
    p = panel(parallax=True)
    np.testing.assert_allclose(p.mm_to_pixel(p.pixel_to_mm(POINTS)), POINTS, atol=1e-3)


def test_lab_coordinates_and_rays():
    p = panel(parallax=True)
    lab = [
        [-79.9381001019517, 89.93626396986727, -199.99580874672884],
        [-67.59701172686708, -14.293832595535207, -197.81045924636592],
        [90.71813724907011, 106.82303749246479, -191.2810840509478],
        [14.19207547996902, 32.59441550224858, -194.20595004179236],
    ]
    np.testing.assert_allclose(p.lab_coordinates(p.pixel_to_mm(POINTS)), lab, atol=1e-9)
    rays = [[90.90078468683807, 90.00956965525441], [30.279428644172327, 60.51187682269158]]
    found = p.ray_intersection([(0.1, 0.05, -1.0), (-0.2, 0.15, -0.9)])
    np.testing.assert_allclose(found, rays, atol=1e-9)
    assert p.distance == pytest.approx(194.18194117116587, abs=1e-9)


def test_inverse_d_matrix():
    expected = [
        [1.0152971822753782, 0.09527868066981729, -0.3632434666087335],
        [0.12791549164827454, -1.002439771284437, -0.5022640937373064],
        [0.00027009338998369053, -7.583391334157466e-05, -0.005142162616997185],
    ]
    np.testing.assert_allclose(panel(parallax=False).inverse_d_matrix, expected, atol=1e-12)


def test_crystal_u_and_b():
    direct = [(50.1, 3.0, -4.0), (10.0, 62.3, 5.0), (-20.0, 7.0, 81.0)]
    crystal = Crystal(a_matrix=matrix(np.linalg.inv(direct)))
    cell = (
        50.348882807863774, 63.295260486074305, 83.72574275573791,
        83.05162494761221, 108.03343875088397, 77.90224335464578,
    )  # fmt: skip
    u = [
        [0.995056835544623, -0.05170282155408697, 0.0847862741206806],
        [0.059584241649378436, 0.9938604318899809, -0.09322639149151295],
        [-0.07944565553250482, 0.09781748395254636, 0.99202828974289],
    ]
    b = [
        [0.01986141388312621, 0.0, 0.0],
        [-0.00425710480996866, 0.0161578129425343, 0.0],
        [0.007467884948635978, -0.0032964166104789477, 0.01281952978505962],
    ]
    np.testing.assert_allclose(crystal.unit_cell, cell, rtol=1e-12)
    np.testing.assert_allclose(crystal.u, u, atol=1e-12)
    np.testing.assert_allclose(crystal.b, b, atol=1e-14)
    a = [0.020616514118669216, -0.0011148954016242008, 0.0010869201664542945]
    np.testing.assert_allclose(crystal.a[0], a, atol=1e-14)


def test_goniometer_of_four_axes():
    goniometer = Goniometer(
        axes=((1, 0, 0), (0.6428, 0.0, -0.7660), (0, 1, 0), (0, 0, 1)),
        angles=(10.0, 20.0, 30.0, -40.0),
        names=("phi", "kappa", "omega", "tth"),
        scan_axis=2,
    )
    fixed = [
        [0.964612437586601, 0.25285732732140387, -0.07473966331950027],
        [-0.26199426268693526, 0.8872389356706121, -0.37969208228406437],
        [-0.029695985795473726, 0.3858370680092259, 0.9220888814955308],
    ]
    setting = [
        [0.766044443118978, 0.6427876096865393, 0.0],
        [-0.6427876096865393, 0.766044443118978, 0.0],
        [0.0, 0.0, 1.0],
    ]
    np.testing.assert_allclose(goniometer.fixed_rotation, fixed, atol=1e-12)
    np.testing.assert_allclose(goniometer.setting_rotation, setting, atol=1e-12)
    axis = [0.6427876096865393, 0.766044443118978, 0.0]
    np.testing.assert_allclose(goniometer.rotation_axis, axis, atol=1e-12)


def test_beam_and_scan():
    s0 = [-0.10060825494314775, 0.2012165098862955, -1.0060825494314773]
    beam = Beam(direction=(0.1, -0.2, 1.0), wavelength=0.97)
    np.testing.assert_allclose(beam.s0, s0, atol=1e-12)
    scan = Scan(image_range=(5, 20), oscillation=(12.0, 0.25))
    phi = [0.20943951023931956, 0.23780111058422743, 0.2792526803190927]
    np.testing.assert_allclose(scan.phi_from_z([4.0, 10.5, 20.0]), phi, atol=1e-14)
    assert float(scan.z_from_phi(np.deg2rad(13.7))) == pytest.approx(10.8, abs=1e-12)
