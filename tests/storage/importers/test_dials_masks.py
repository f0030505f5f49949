"""Masks that an experiment list names, as DIALS pickles them; nothing in them is executed."""

from __future__ import annotations

import json
import math
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.processed_files import write_job

import dxdask
from dxdask.errors import FormatError, InputError
from dxdask.models import Detector, Panel
from dxdask.pipeline.inputs import stored_runs
from dxdask.pipeline.lookup import lookups
from dxdask.spotfinding.parameters import LookupParameters
from dxdask.storage.importers.dials.lookups import read_dials_map
from dxdask.storage.importers.dials.masks import read_dials_mask

# flex.bool(flex.grid(3, 4), True) without [0, 1] and [2, 3], by DIALS 3.12, protocols 2 and 4
BY_DIALS = (
    b"\x80\x02cscitbx_array_family_flex_ext\nbool\nq\x00)Rq\x01cscitbx_array_family_flex_ext\n"
    b"grid\nq\x02K\x00K\x00\x86q\x03K\x03K\x04\x86q\x04\x88\x87q\x05Rq\x06K\x03K\x04\x86q\x07bc"
    b"_codecs\nencode\nq\x08X\x0e\x00\x00\x00\x02\x0c101111111110q\tX\x06\x00\x00\x00latin1q\n"
    b"\x86q\x0bRq\x0c\x86q\rb\x85q\x0e.",
    b"\x80\x04\x95e\x00\x00\x00\x00\x00\x00\x00\x8c\x1cscitbx_array_family_flex_ext\x94\x8c\x04"
    b"bool\x94\x93\x94)R\x94h\x00\x8c\x04grid\x94\x93\x94K\x00K\x00\x86\x94K\x03K\x04\x86\x94\x88"
    b"\x87\x94R\x94K\x03K\x04\x86\x94bC\x0e\x02\x0c101111111110\x94\x86\x94b\x85\x94.",
)


def panel(size: tuple[int, int], offset: tuple[int, int] = (0, 0)) -> Panel:
    return Panel(origin=(0.0, 0.0, -100.0), image_size=size, offset=offset)


def pickled(mask: NDArray[np.bool_]) -> bytes:
    """The bytes that DIALS writes of one panel, with numbers of four bytes."""
    digits = np.where(mask, b"1", b"0").tobytes()
    slow, fast = (b"J" + struct.pack("<i", n) for n in mask.shape)
    shape = slow + fast + b"\x86"
    grid = b"cscitbx_array_family_flex_ext\ngrid\nK\x00K\x00\x86" + shape + b"\x88\x87R" + shape
    text = b"\x02\x0c" + digits
    state = grid + b"bB" + struct.pack("<i", len(text)) + text + b"\x86"
    return b"\x80\x03cscitbx_array_family_flex_ext\nbool\n)R" + state + b"b\x85."


@pytest.mark.parametrize("content", BY_DIALS)
def test_a_mask_of_dials_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pixels.mask"
    path.write_bytes(content)
    found = read_dials_mask(path, Detector(panels=(panel((4, 3), (1, 2)),)), (6, 7))
    expected = np.ones((6, 7), dtype=bool)
    expected[2, 2] = expected[4, 4] = False
    np.testing.assert_array_equal(found, expected)


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (pickle.dumps((Harmful(),)), "which no mask has"),
        (pickle.dumps([1, 2]), "no mask of DIALS"),
        (BY_DIALS[1][:-20], "no mask of DIALS"),
        (b"", "no mask of DIALS"),
        (b"not a pickle", "no mask of DIALS"),
        (pickled(np.ones((4, 3), bool)), "the panels have"),
    ],
)
def test_what_is_no_mask_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pixels.mask").write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        read_dials_mask(tmp_path / "pixels.mask", Detector(panels=(panel((4, 3)),)), (3, 4))
    assert not (tmp_path / "executed").exists()


def test_the_mask_of_an_experiment_list_is_imported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expt, refl = write_job(tmp_path, "index")
    mask = np.random.default_rng(1).random((1000, 1000)) > 0.1
    (tmp_path / "pixels.mask").write_bytes(pickled(mask))
    content = json.loads(expt.read_text())
    content["imageset"][0]["mask"] = "pixels.mask"
    expt.write_text(json.dumps(content))
    store = dxdask.import_([expt, refl], tmp_path / "s.zarr")
    np.testing.assert_array_equal(store.mask("lyso"), mask)
    (tmp_path / "pixels.mask").unlink()
    other = dxdask.import_([expt, refl], tmp_path / "t.zarr")
    assert other.mask("lyso").all()
    assert "pixels.mask is not there; give lookup.mask" in caplog.text


# the doubles below in an array of 2 x 4 pixels, by DIALS 3.12, protocols 2 and 4
DOUBLES = np.array([[0.75, 2.25, -3e-7, 0.0], [1 / 3, 1e300, 5e-310, 1.5]])
MAPS_BY_DIALS = (
    b"\x80\x02cscitbx_array_family_flex_ext\ndouble\nq\x00)Rq\x01cscitbx_array_family_flex_ext\n"
    b"grid\nq\x02K\x00K\x00\x86q\x03K\x02K\x04\x86q\x04\x88\x87q\x05Rq\x06K\x02K\x04\x86q\x07bc"
    b"_codecs\nencode\nq\x08XQ\x00\x00\x00\x02\x08\x02\xc3\x80\x00\x02\xc2\x90\x02\x02\xc2\x88"
    b"\xc2\xa1\x0f\xc2\xaf\xc2\xa0l\x1b\xc2\xb0\xc2\x82\x15\x00\x08\xc2\xaa\xc2\xaa\xc2\xaa\xc2"
    b"\xaa\xc2\xaa\xc2\xaa\xc2\xa8\xc2\x82\x01\x08\xc2\xbf!\xc3\xa4@\x03\xc2\xac\xc3\xa0\x03\xc3"
    b"\xa5\x03\x07\xc2\xb8\x15rh\xc3\xbd\xc2\xae\xc2\x83\x03\x04\x02\xc3\x80\x02\x01q\tX\x06\x00"
    b"\x00\x00latin1q\n\x86q\x0bRq\x0c\x86q\rb\x85q\x0e.",
    b"\x80\x04\x95\x90\x00\x00\x00\x00\x00\x00\x00\x8c\x1cscitbx_array_family_flex_ext\x94\x8c"
    b"\x06double\x94\x93\x94)R\x94h\x00\x8c\x04grid\x94\x93\x94K\x00K\x00\x86\x94K\x02K\x04\x86"
    b"\x94\x88\x87\x94R\x94K\x02K\x04\x86\x94bC7\x02\x08\x02\xc0\x00\x02\x90\x02\x02\x88\xa1\x0f"
    b"\xaf\xa0l\x1b\xb0\x82\x15\x00\x08\xaa\xaa\xaa\xaa\xaa\xaa\xa8\x82\x01\x08\xbf!\xe4@\x03"
    b"\xac\xe0\x03\xe5\x03\x07\xb8\x15rh\xfd\xae\x83\x03\x04\x02\xc0\x02\x01\x94\x86\x94b\x85"
    b"\x94.",
)


def number(value: int) -> bytes:
    """A number below 256, in base 256 with its length."""
    return bytes([2, value]) if value else b"\0"


def pickled_doubles(values: NDArray[np.float64]) -> bytes:
    """The bytes that DIALS writes of one panel, with numbers of four bytes."""
    count, size = values.size, b""
    while count:
        count, digit = divmod(count, 256)
        size += bytes([digit])
    parts = [bytes([len(size) + 1]) + size]
    for value in values.ravel().tolist():
        fraction, exponent = math.frexp(value)
        digits = b""
        while fraction:
            fraction *= 256
            digits += bytes([int(fraction)])
            fraction -= int(fraction)
        parts.append(bytes([len(digits) + 1]) + digits + number(exponent) if value else b"\0")
    text = b"".join(parts)
    slow, fast = (b"J" + struct.pack("<i", n) for n in values.shape)
    shape = slow + fast + b"\x86"
    grid = b"cscitbx_array_family_flex_ext\ngrid\nK\x00K\x00\x86" + shape + b"\x88\x87R" + shape
    state = grid + b"bB" + struct.pack("<i", len(text)) + text + b"\x86"
    return b"\x80\x03cscitbx_array_family_flex_ext\ndouble\n)R" + state + b"b\x85."


@pytest.mark.parametrize("content", MAPS_BY_DIALS)
def test_a_map_of_dials_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gain.pickle"
    path.write_bytes(content)
    found = read_dials_map(path, Detector(panels=(panel((4, 2), (1, 2)),)), (5, 6))
    np.testing.assert_array_equal(found[2:4, 1:5], DOUBLES)
    assert np.isnan(found).sum() == 30 - 8


@pytest.mark.parametrize("cut", [*range(-30, -12), 150])
def test_damaged_maps_are_refused(tmp_path: Path, cut: int) -> None:
    content = bytearray(MAPS_BY_DIALS[1])
    del content[cut : cut + 1]
    path = tmp_path / "gain.pickle"
    path.write_bytes(bytes(content))
    with pytest.raises(FormatError, match="no map of values of DIALS"):
        read_dials_map(path, Detector(panels=(panel((4, 2)),)), (2, 4))


def named(folder: Path, **lookups: str) -> list[Path]:
    """Write an experiment list with its reflections that names files, and return both."""
    files = write_job(folder, "index")
    content = json.loads(files[0].read_text())
    content["imageset"][0].update(lookups)
    files[0].write_text(json.dumps(content))
    return list(files)


def test_a_gain_of_all_pixels_is_that_of_the_panel(tmp_path: Path) -> None:
    (tmp_path / "gain.pickle").write_bytes(pickled_doubles(np.full((1000, 1000), 1.75)))
    (tmp_path / "pedestal.pickle").write_bytes(pickled_doubles(np.full((1000, 1000), 40.0)))
    files = named(tmp_path, gain="gain.pickle", pedestal="pedestal.pickle")
    store = dxdask.import_(files, tmp_path / "s.zarr")
    (panel_,) = store.run_experiment("lyso").detector.panels
    assert (panel_.gain, panel_.pedestal) == (1.75, 40.0)


def test_a_map_of_pixels_is_reported_with_what_uses_it(tmp_path: Path) -> None:
    gains = np.random.default_rng(0).choice([0.5, 1.25, 2.0], (1000, 1000))
    (tmp_path / "gain.pickle").write_bytes(pickled_doubles(gains))
    files = named(tmp_path, gain="gain.pickle", pedestal="absent.pickle")
    store = dxdask.import_(files, tmp_path / "s.zarr")
    reasons = [row["reason"] for row in store.problems().to_dict("records")]
    advice = f"spotfinder.lookup.gain_map={tmp_path / 'gain.pickle'}"
    assert any("differs from pixel to pixel" in r and advice in r for r in reasons)
    assert any("absent.pickle is not there" in r for r in reasons)
    # what the message advises
    runs = stored_runs(store)
    given = LookupParameters(gain_map=tmp_path / "gain.pickle")
    np.testing.assert_array_equal(lookups(runs, given).values["gain_map"], gains)
    (tmp_path / "mask.pickle").write_bytes(pickled(gains > 1))
    masked = lookups(runs, LookupParameters(mask=tmp_path / "mask.pickle"))
    np.testing.assert_array_equal(masked.values["mask"], gains > 1)
    (tmp_path / "gain.pickle").write_bytes(pickled_doubles(np.zeros((1000, 1000))))
    with pytest.raises(InputError, match="above 0"):
        lookups(runs, given)


def test_masks_of_the_goniometer_are_reported(tmp_path: Path) -> None:
    files = named(tmp_path)
    content = json.loads(files[0].read_text())
    content["imageset"][0]["params"] = {"dynamic_shadowing": True}
    files[0].write_text(json.dumps(content))
    store = dxdask.import_(files, tmp_path / "s.zarr")
    assert store.problems()["reason"].str.contains("shadow of the goniometer").any()
