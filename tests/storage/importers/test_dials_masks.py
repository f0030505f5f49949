"""Masks that an experiment list names, as DIALS pickles them; nothing in them is executed."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.processed_files import write_job

import dxdask
from dxdask.errors import FormatError
from dxdask.models import Detector, Panel
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
