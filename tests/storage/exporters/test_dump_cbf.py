"""Full CBF as written: the pixels, panels and their hierarchy come back, here and in dxtbx."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.raw_examples import byte_offset

from dxdask.errors import InputError
from dxdask.models import Beam, Detector, Experiment, Group, Panel
from dxdask.models.vectors import rotation_matrix, vector
from dxdask.storage.codecs.byte_offset import decode_byte_offset
from dxdask.storage.codecs.byte_offset_encode import encode_byte_offset
from dxdask.storage.exporters.cbf import write_cbf
from dxdask.storage.importers import read_runs

DIALS_PYTHON = Path("/usr/bin/python3")
EDGES = (0, 127, -127, 128, -128, 32767, -32768, 32768, 2**31 - 1, -(2**31))


def experiment() -> Experiment:
    """Two tilted groups of two panels each."""
    panels, groups = [], []
    for g in range(2):
        turn = rotation_matrix((1, 2, 3 - g), 0.1 + 0.2 * g)
        fast, slow = vector(turn @ (1, 0, 0)), vector(turn @ (0, -1, 0))
        at = (5.0 * g - 3.0, 2.0, -100.0)
        groups.append(Group(name=f"g{g}", origin=at, fast_axis=fast, slow_axis=slow,
                            panels=(2 * g, 2 * g + 1)))  # fmt: skip
        for k in range(2):
            origin = vector(np.add(at, turn @ (0.1, -1.0 * k, 0.02 * k)))
            panels.append(
                Panel(
                    name=f"p{g}{k}", origin=origin, fast_axis=fast, slow_axis=slow,
                    pixel_size=(0.1, 0.08), image_size=(7, 5), offset=(0, 5 * (2 * g + k)),
                    trusted_range=(-3.0, 900.0 + k), gain=1.5,
                )
            )  # fmt: skip
    detector = Detector(panels=tuple(panels), root=Group(groups=tuple(groups)))
    beam = Beam(wavelength=1.234567, polarization_fraction=0.98)
    return Experiment(identifier="", run="a", beam=beam, detector=detector)


def frame() -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    out = np.random.default_rng(0).poisson(3.0, (20, 7)).astype(np.int32)
    out[:2, :5] = np.array(EDGES).reshape(2, 5)
    return out


@given(
    arrays(np.int32, st.integers(1, 40), elements=st.sampled_from(EDGES) | st.integers(-300, 300))
)
def test_bytes_are_those_of_the_format_and_read_back(values: np.ndarray) -> None:
    packed = encode_byte_offset(values)
    assert packed.tobytes() == byte_offset(values)
    assert np.array_equal(decode_byte_offset(packed, values.size), values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.int64])
def test_images_of_any_whole_numbers_are_written(tmp_path: Path, dtype: type) -> None:
    image = np.full((20, 7), np.iinfo(dtype).max, dtype=dtype)
    image[0, :3] = (0, 1, 100)
    write_cbf(tmp_path / "a.cbf", image, experiment(), "a")
    read = read_runs([tmp_path / "a.cbf"])[0].read(0, 1)[0]
    assert np.array_equal(read, np.minimum(image.astype(np.int64), 2**31 - 1))


def test_pedestal_gain_and_kind_of_the_detector_come_back(tmp_path: Path) -> None:
    one = experiment()
    panels = tuple(replace(p, pedestal=40.0, type="SENSOR_CCD") for p in one.detector.panels)
    detector = Detector(panels=panels, root=one.detector.root)
    write_cbf(tmp_path / "a.cbf", frame(), replace(one, detector=detector), "a")
    read = read_runs([tmp_path / "a.cbf"])[0].experiment
    assert {(p.pedestal, p.gain, p.type) for p in read.detector.panels} == {
        (40.0, 1.5, "SENSOR_CCD")
    }
    assert read.beam.polarization_fraction == pytest.approx(0.98)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    one = experiment()
    write_cbf(tmp_path / "a.cbf", frame(), one, "a b/1")
    [source] = read_runs([tmp_path / "a.cbf"])
    assert np.array_equal(source.read(0, 1)[0], frame())
    read = source.experiment
    assert read.beam.wavelength == one.beam.wavelength
    assert read.goniometer is None
    for own, found in zip(one.detector.panels, read.detector.panels, strict=True):
        for name in ("origin", "fast_axis", "slow_axis", "pixel_size", "trusted_range", "offset"):
            np.testing.assert_allclose(getattr(found, name), getattr(own, name), atol=1e-12)
    groups = read.detector.root.groups
    assert [g.panels for g in groups] == [(0, 1), (2, 3)]
    for own_group, group in zip(one.detector.root.groups, groups, strict=True):
        np.testing.assert_allclose(group.origin, own_group.origin, atol=1e-12)


def test_counts_beyond_32_bits_are_the_largest_that_fits(tmp_path: Path) -> None:
    image = np.full((20, 7), 2**32 - 1, np.uint32)
    write_cbf(tmp_path / "a.cbf", image, experiment(), "a")
    [source] = read_runs([tmp_path / "a.cbf"])
    assert (source.read(0, 1) == 2**31 - 1).all()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">u2", ">i4"])
def test_pixels_of_every_integer_type(tmp_path: Path, kind: str) -> None:
    limits = np.iinfo(kind)
    image = np.zeros((20, 7), kind)
    image[0, :3] = limits.min, 7, limits.max
    write_cbf(tmp_path / "a.cbf", image, experiment(), "a")
    [source] = read_runs([tmp_path / "a.cbf"])
    whole = np.clip([int(limits.min), 7, int(limits.max)], -(2**31), 2**31 - 1)
    assert source.read(0, 1)[0][0, :3].tolist() == whole.tolist()


def test_images_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="whole numbers"):
        write_cbf(tmp_path / "a.cbf", np.zeros((20, 7)), experiment(), "a")
    with pytest.raises(InputError, match="the panels of the detector take up"):
        write_cbf(tmp_path / "a.cbf", np.zeros((19, 7), np.int32), experiment(), "a")


PRINT = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
[e] = ExperimentListFactory.from_filenames(sys.argv[1:])
print(json.dumps({
    "panels": [[p.get_origin(), p.get_fast_axis(), p.get_slow_axis(), p.get_pixel_size(),
                p.get_image_size(), p.get_trusted_range()] for p in e.detector],
    "gain": [p.get_gain() for p in e.detector], "depth": len(e.detector.hierarchy()),
    "groups": [len(g) for g in e.detector.hierarchy()],
    "wavelength": e.beam.get_wavelength(), "fraction": e.beam.get_polarization_fraction(),
    "scan": e.scan is None and e.goniometer is None,
    "pixels": [x.as_numpy_array().tolist() for x in e.imageset.get_raw_data(0)],
}))
"""


@pytest.mark.dials
def test_dxtbx_reads_it(tmp_path: Path) -> None:
    if subprocess.run([DIALS_PYTHON, "-c", "import dxtbx"], capture_output=True).returncode:
        pytest.skip("no dxtbx for /usr/bin/python3")
    one = experiment()
    write_cbf(tmp_path / "a.cbf", frame(), one, "a")
    done = subprocess.run(
        [DIALS_PYTHON, "-c", PRINT, tmp_path / "a.cbf"],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    read = json.loads(done.stdout.splitlines()[-1])
    for panel, values in zip(one.detector.panels, read["panels"], strict=True):
        ours = (panel.origin, panel.fast_axis, panel.slow_axis, panel.pixel_size,
                panel.image_size, panel.trusted_range)  # fmt: skip
        for own, theirs in zip(ours, values, strict=True):
            np.testing.assert_allclose(own, theirs, atol=1e-9)
    assert read["gain"] == [1.5] * 4
    assert read["groups"] == [2, 2]
    assert read["wavelength"] == one.beam.wavelength
    # dxtbx takes the ratio (I parallel - I normal) / sum of the dictionary for the fraction
    assert read["fraction"] == pytest.approx(2 * 0.98 - 1)
    assert read["scan"]
    assert np.array_equal(np.concatenate([np.array(p) for p in read["pixels"]]), frame())


def test_a_panel_alone(tmp_path: Path) -> None:
    one = experiment()
    alone = replace(one, detector=Detector(panels=(one.detector[3],)))
    write_cbf(tmp_path / "a.cbf", frame(), alone, "a")
    [source] = read_runs([tmp_path / "a.cbf"])
    assert np.array_equal(source.read(0, 1)[0], frame()[15:])
    np.testing.assert_allclose(
        source.experiment.detector[0].origin, one.detector[3].origin, atol=1e-12
    )
