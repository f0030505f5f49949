"""Every folder of real and simulated frames opens with dxtbx 3.12's geometry and pixels.

The numbers are from dxtbx itself: the last panel of the first image, SHA-256 of the pixels of the
first and the last image as int32 panel after panel, and the number of trusted pixels.
"""

import hashlib
import pickle

import numpy as np
import pytest

from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.storage.importers import ImportParameters, read_runs
from dxdask.storage.importers.dials.files import read_experiments

pytestmark = pytest.mark.shared

# name: origin, fast, slow, pixel, size, trusted range, mu, thickness, wavelength of the first image
PANELS = {
    "insulin/run3_0.253": (
        (-38.64, 36.795, -100.0), (1, 0, 0), (0, -1, 0),
        0.075, (1024, 1060), (-1, 10000), 1.0400134815125643, 0.32, 0.6199,
    ),
    "stills/corrected.h5": (
        (0.6, -27.4, -110.0), (1, 0, 0), (0, -1, 0),
        0.1, (512, 256), (-51, 8342), 97.97898364988801, 1.0, 1.304665442333681,
    ),
    "real/lysozyme_ed": (
        (-13.4145, 12.52515, -1481.7449), (1, 0, 0), (0, -1, 0),
        0.055, (516, 516), (-1, 65535), 0.0, 0.3, 0.0251,
    ),
    "real/nuclease_xray": (
        (-42.64, 40.021, -57.43), (1, 0, 0), (0, -1, 0),
        0.08, (1024, 1024), (-1, 65535), 0.0, 0.0, 0.908,
    ),
    "real/thaumatin_grid": (
        (-216.99692, 224.79712, -351.0), (1, 0, 0), (0, -1, 0),
        0.172, (2463, 2527), (-1, 115897), 3.8326187041206916, 0.45, 0.96859,
    ),
    "real/thaumatin_still": (
        (-214.38424, 207.8792, -338.1), (1, 0, 0), (0, -1, 0),
        0.172, (2463, 2527), (-1, 1009797), 3.9220365583933647, 1.0, 0.97625,
    ),
    "real/thermolysin_cspad": (
        (-61.44294022025614, -26.05563004504986, -130.10663267291406),
        (-0.002884436801980076, 0.999995840003515, 0.0),
        (0.999995840003515, 0.0028844368019800646, 0.0),
        0.10992, (194, 185), (-400, 90000), 0.0, 0.0, 1.272607,
    ),
}  # fmt: skip
# name: pixels of the first image, of the last, number of trusted pixels of the first
PIXELS = {
    "insulin/run3_0.253": ("4adf3aebd8312987", "72181ab4cc8556c4", 1048534),
    "stills/corrected.h5": ("2c680dbdd91ec7e0", "a4c11a0afc59c986", 1047960),
    "real/lysozyme_ed": ("0511be2b75d3c256", "95f7457dec8b8639", 266256),
    "real/nuclease_xray": ("4de0519d554f6b1d", "b659dbac05108d2c", 1048576),
    "real/thaumatin_grid": ("cf4e14bb8fccdd0f", None, 5697274),
    "real/thaumatin_still": ("818e99e9fd350454", "818e99e9fd350454", 5696687),
    "real/thermolysin_cspad": ("8b8707dab8ef2e8c", "0b358929f281f775", 2296958),
}
# name: goniometer axis, image range, oscillation, exposure (of the first run)
SCANS = {
    "insulin/run3_0.253": ((1, 0, 0), (1, 112), (0.0, 0.5), 0.05),
    "stills/corrected.h5": (None, (1, 53), (0.0, 0.0), None),
    "real/lysozyme_ed": (
        (0.7825634081905295, -0.6225708892658111, 0),
        (1, 49),
        (-18.28, 0.6873),
        1.5,
    ),
    "real/nuclease_xray": ((1, 0, 0), (1, 1), (0.0, 2.0), 2.0),
    "real/thaumatin_grid": ((0, 1, 0), (1, 8), (89.9997, 0.0), 0.02),
    "real/thaumatin_still": ((1, 0, 0), (500, 500), (-0.0002, 0.0), 0.1),
    "real/thermolysin_cspad": (None, (1, 2), (0.0, 0.0), None),
}


def digest(frame, detector, *, gap=None):
    found = hashlib.sha256()
    if gap is not None:
        frame = np.where(frame == gap, -1, frame.astype(np.int32))
    for panel in detector.panels:
        found.update(np.ascontiguousarray(frame[panel.slices], dtype="<i4").tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("name", PANELS)
def test_geometry_is_dxtbx_s(shared, name):
    run = read_runs([shared / "data" / name])[0]
    panel, beam = run.experiment.detector.panels[-1], run.experiment.beam
    origin, fast, slow, pixel, size, trusted, mu, thickness, wavelength = PANELS[name]
    np.testing.assert_allclose(panel.origin, origin, atol=1e-9)
    np.testing.assert_allclose(panel.fast_axis, fast, atol=1e-9)
    np.testing.assert_allclose(panel.slow_axis, slow, atol=1e-9)
    np.testing.assert_allclose(panel.pixel_size, pixel, atol=1e-12)
    assert panel.image_size == size
    assert panel.trusted_range == trusted
    assert panel.thickness == pytest.approx(thickness, abs=1e-12)
    # dxtbx takes the absorption at the first still's wavelength, dxdask at the mean of all.
    assert panel.mu == pytest.approx(mu, rel=1e-3 if "stills" in name else 1e-9)
    assert panel.use_parallax == (mu > 0)
    first = beam.wavelength if beam.wavelengths is None else beam.wavelengths[0]
    assert beam.s0[2] * beam.wavelength == pytest.approx(-1.0, rel=1e-12)
    assert first == pytest.approx(wavelength, rel=1e-12)


@pytest.mark.parametrize("name", SCANS)
def test_scan_is_dxtbx_s(shared, name):
    run = read_runs([shared / "data" / name])[0]
    axis, image_range, oscillation, exposure = SCANS[name]
    goniometer, scan = run.experiment.goniometer, run.experiment.scan
    if axis is None:
        assert goniometer is None
    else:
        np.testing.assert_allclose(goniometer.rotation_axis, axis, atol=1e-9)
    assert scan.image_range == image_range
    np.testing.assert_allclose(scan.oscillation, oscillation, atol=1e-9)
    assert scan.exposure_times == (() if exposure is None else (exposure,))
    assert run.shape[0] == scan.n_images


@pytest.mark.parametrize("name", PIXELS)
def test_pixels_and_mask_are_dxtbx_s(shared, name):
    runs = read_runs([shared / "data" / name])
    first, last, n_trusted = PIXELS[name]
    run, detector = pickle.loads(pickle.dumps(runs[0])), runs[0].experiment.detector
    frame = run.read(0, 1)[0]
    assert frame.dtype == run.dtype
    # dxtbx gives the largest uint16 of an NXmx file as -1; dxdask keeps it as recorded, masked.
    gap = 65535 if name.startswith("insulin") else None
    assert digest(frame, detector, gap=gap) == first
    if last is not None:
        n_images = runs[-1].shape[0]
        assert digest(runs[-1].read(n_images - 1, n_images)[0], detector, gap=gap) == last
    low, high = detector[0].trusted_range
    assert np.count_nonzero(run.mask & (frame > low) & (frame < high)) == n_trusted


def test_insulin_is_the_reference_s_experiment_list(shared):
    expected = read_experiments(shared / "reference/insulin/imported.expt")
    runs = read_runs([shared / "data/insulin"])
    assert [r.name for r in runs] == list(expected.runs)
    for run, other in zip(runs, expected, strict=True):
        mine, theirs = run.experiment.detector[0], other.detector[0]
        assert mine.mu == pytest.approx(theirs.mu, rel=1e-9)
        np.testing.assert_allclose(mine.d_matrix, theirs.d_matrix, atol=1e-9)
        assert mine.trusted_range == theirs.trusted_range
        assert mine.use_parallax == theirs.use_parallax
        assert run.experiment.goniometer == other.goniometer
        assert run.experiment.scan.oscillation == other.scan.oscillation
        assert run.experiment.beam.polarization_fraction == other.beam.polarization_fraction
    transmissions = [r.columns["transmission"][0] for r in runs]
    np.testing.assert_allclose(transmissions, (0.064, 0.127, 0.253, 0.503, 1.0))


def test_a_beam_s_axis_given_by_the_user_is_the_reference_s(shared):
    expected = read_experiments(shared / "reference/lysozyme_ed/imported.expt")[0]
    parameters = ImportParameters.model_validate(
        {"geometry": {"goniometer": {"axes": (-0.6204, -0.7843, 0)}}}
    )
    (run,) = read_runs([shared / "data/real/lysozyme_ed/#####.img"], parameters)
    assert run.name == "lysozyme_ed"
    got = run.experiment
    np.testing.assert_allclose(
        got.goniometer.rotation_axis, expected.goniometer.rotation_axis, atol=1e-15
    )
    assert got.detector.panels == expected.detector.panels
    assert got.beam.polarization_fraction == expected.beam.polarization_fraction == 0.5
    assert got.scan.oscillation == expected.scan.oscillation


def test_nuclease_slices_are_three_runs(shared):
    runs = read_runs([shared / "data/real/nuclease_xray"])
    assert [r.name for r in runs] == ["snc_reindex_1", "snc_reindex_21", "snc_reindex_43"]
    assert [r.experiment.scan.oscillation for r in runs] == [(0, 2), (40, 2), (88, 2)]


def test_the_cspad_keeps_its_hierarchy_and_the_wavelength_of_each_shot(shared):
    (run,) = read_runs([shared / "data/real/thermolysin_cspad"])
    detector = run.experiment.detector
    assert len(detector) == 64
    assert [len(g.groups) for g in detector.root.groups] == [8, 8, 8, 8]
    assert detector.root.groups[0].groups[0].panels == (0, 1)
    assert run.experiment.beam.wavelengths == (1.272607, 1.270917)
    assert ExperimentList.from_dict(ExperimentList.of([run.experiment]).to_dict()).detectors == (
        detector,
    )


def test_a_template_with_holes_names_what_is_missing(shared):
    with pytest.raises(InputError, match="lacks 8 of its images: 3-4, 6-7, 9, 11, 13, 16"):
        read_runs([shared / "data/real/thaumatin_grid/thau_3_2_####.cbf"])


def test_runs_of_different_detectors_are_refused_unless_asked(shared):
    paths = [shared / "data/insulin/run1_0.064", shared / "data/stills/corrected.h5"]
    with pytest.raises(InputError, match="insulin_1 and corrected were recorded on different"):
        read_runs(paths)
    assert len(read_runs(paths, ImportParameters(allow_mixed_detectors=True))) == 2
