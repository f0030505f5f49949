"""Headers of images with values deleted, renamed, emptied, cut or turned to junk.

Whatever a header says, it is read, or refused by an error of dxdask that names the file or what to
give; and no geometry comes out that is not finite, or whose beam is off the detector by more than
its size without a line in `problems`.
"""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from support.image_examples import (
    MINI,
    PIXELS,
    SMV,
    full_text,
    mini_text,
    write_any_smv,
    write_full,
    write_mini,
    write_text_cbf,
)

from dxdask.errors import DxdaskError
from dxdask.storage.importers import read_runs

JUNK = (
    "", "0", "-1", "1e308", "1e-308", "nan", "inf", "null", "-", "()", "0.0000 A", "9" * 40,
    "x" * 5000, "1,2", "(1e9, -1e9) pixels", "0x10", "1/0", "\x00", "é", "; # '", '"', "3 furlong",
    "1.0 mm", "1 keV", "45 rad", "-0.2 m", "200", "1 2 3 4 5 6 7", "True",
)  # fmt: skip
DTREK = {
    "DETECTOR_NAMES": "CCD_", "CCD_DETECTOR_VECTORS": "1 0 0 0 -1 0",
    "CCD_SPATIAL_DISTORTION_INFO": "15 10 0.1 0.1", "CCD_GONIO_UNITS": "deg mm",
    "CCD_GONIO_VALUES": "30 -50", "CCD_GONIO_VECTORS": "1 0 0 0 0 1", "ROTATION": "10 10.5 0.5 20",
    "ROTATION_VECTOR": "1 0 0", "ROTATION_AXIS_NAME": "Omega", "CRYSTAL_GONIO_NAMES": "Omega Chi",
    "CRYSTAL_GONIO_UNITS": "deg deg", "CRYSTAL_GONIO_VALUES": "10 45",
    "CRYSTAL_GONIO_VECTORS": "1 0 0 0 0 1", "SOURCE_VECTORS": "0 0 1", "SOURCE_POLARZ": "0.5 1 0 0",
    "SCAN_WAVELENGTH": 1.5418, "SATURATED_VALUE": 60000,
}  # fmt: skip


def mutated(values: dict[str, object], rng: random.Random) -> dict[str, object]:
    """Return a header with one to three of its values changed, renamed or left out."""
    out = dict(values)
    for key in rng.sample(sorted(out), rng.randint(1, 3)):
        what = rng.randrange(4)
        if what == 0:
            out[key] = None
        elif what == 1:
            out[key] = rng.choice(JUNK)
        elif what == 2:
            text = str(out[key])
            out[key] = text[: rng.randrange(len(text) + 1)]
        else:
            out[rng.choice((key.lower(), key + "_", key[:-1] or "x"))] = out.pop(key)
    return out


def bytes_changed(data: bytes, rng: random.Random, head: int) -> bytes:
    """Return a file with bytes of its head changed, or cut short."""
    if rng.random() < 0.3:
        return data[: rng.randrange(len(data))]
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(min(head, len(out)))] = rng.randrange(256)
    return bytes(out)


def write_one(path, kind: str, rng: random.Random) -> None:
    """Write a file of a format with a damaged header."""
    by_bytes = rng.random() < 0.3
    if kind == "smv":
        write_any_smv(path, **(SMV if by_bytes else mutated(SMV, rng)))
    elif kind == "dtrek":
        write_any_smv(path, **(DTREK if by_bytes else mutated({**SMV, **DTREK}, rng)))
    elif kind == "mini":
        write_mini(path, **({} if by_bytes else mutated(MINI, rng)))
    elif kind == "full":
        write_full(path)
        if not by_bytes:
            words = full_text().split(" ")
            for _ in range(rng.randint(1, 3)):
                words[rng.randrange(len(words))] = rng.choice((*JUNK[:10], "?", "."))
            head = "###CBF: VERSION 1.5\r\ndata_image\r\n"
            text = head + " ".join(words) + "\nloop_\n_array_data.array_id\n_array_data.binary_id\n"
            data = path.read_bytes()
            path.write_bytes(text.encode() + data[data.index(b"_array_data.data") :])
    else:
        tables = full_text() if rng.random() < 0.5 else ""
        text = mini_text(**mutated(MINI, rng))
        write_text_cbf(path, text, before=re.sub(r"(?m)^.*EL_X .*$", "", tables, count=1))
    if by_bytes:
        path.write_bytes(bytes_changed(path.read_bytes(), rng, 3000))


def check(path) -> bool:
    """Read a file; return whether it was taken."""
    try:
        [run] = read_runs([path])
    except DxdaskError:
        return False
    experiment = run.experiment
    numbers = [experiment.beam.wavelength, *experiment.beam.direction]
    for panel in experiment.detector.panels:
        numbers += [*panel.origin, *panel.fast_axis, *panel.slow_axis, *panel.pixel_size]
        numbers += [panel.gain, panel.pedestal, panel.thickness, panel.mu]
    if experiment.scan is not None:
        numbers += [*experiment.scan.oscillation]
    assert np.all(np.isfinite(numbers)), path
    assert experiment.beam.wavelength > 0
    panel = experiment.detector[0]
    if panel.distance < 1.0:
        assert run.problems, path
        return True
    size = np.asarray(panel.image_size) * panel.pixel_size
    centre = panel.ray_intersection(experiment.beam.s0[None])[0]
    if not np.all((centre > -size.max() * 1.5) & (centre < size + size.max() * 1.5)):
        assert run.problems, path
    try:
        frame = run.read(0, 1)
    except DxdaskError:
        return True
    assert frame.shape == run.shape
    return True


@pytest.mark.parametrize("kind", ["smv", "dtrek", "mini", "full", "both"])
@pytest.mark.parametrize("n_files", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_headers(tmp_path, kind, n_files):
    rng = random.Random(f"{kind} {n_files}")
    taken = 0
    path = tmp_path / ("a_1.img" if kind in ("smv", "dtrek") else "a_1.cbf")
    for _ in range(n_files):
        write_one(path, kind, rng)
        taken += check(path)
    # the damage is such that some are read and some refused
    assert 0 < taken < n_files


def test_the_examples_are_read_undamaged(tmp_path):
    for path in (
        write_any_smv(tmp_path / "a_1.img"),
        write_mini(tmp_path / "b_1.cbf"),
        write_full(tmp_path / "c_1.cbf"),
    ):
        assert check(path)
        np.testing.assert_array_equal(read_runs([path])[0].read(0, 1)[0], PIXELS)
