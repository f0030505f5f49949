"""Pictures of frames: places of panels, darkness, circles, and the PNG file itself."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dxdask.models import Detector, Panel
from dxdask.storage.exporters import pictures
from dxdask.storage.exporters.png import write_png


def read_png(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of a PNG whose rows are differences from those above."""
    data, at, parts, size = path.read_bytes(), 8, [], (0, 0)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + body
        )
        if kind == b"IHDR":
            size = struct.unpack(">II", body[:8])
            assert body[8:] == bytes((8, 2, 0, 0, 0))
        if kind == b"IDAT":
            parts.append(body)
        at += 12 + length
    rows = np.frombuffer(zlib.decompress(b"".join(parts)), np.uint8).reshape(size[1], -1)
    assert (rows[:, 0] == 2).all()
    return np.cumsum(rows[:, 1:], axis=0, dtype=np.uint8).reshape(size[1], size[0], 3)


def test_a_png_holds_its_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", pixels, "run å")
    assert np.array_equal(read_png(tmp_path / "a.png"), pixels)
    matplotlib = pytest.importorskip("matplotlib.image")
    shown = matplotlib.imread(tmp_path / "a.png")
    assert np.array_equal(np.rint(shown * 255).astype(np.uint8), pixels)


def detector() -> Detector:
    """Two panels side by side, 1 px apart; the right one upside down, the frame has it below."""
    return Detector(
        panels=(
            Panel(origin=(-0.5, 0.2, -50.0), fast_axis=(1, 0, 0), slow_axis=(0, -1, 0),
                  pixel_size=(0.1, 0.1), image_size=(4, 3), offset=(0, 0)),
            Panel(origin=(0.4, -0.1, -50.0), fast_axis=(-1, 0, 0), slow_axis=(0, 1, 0),
                  pixel_size=(0.1, 0.1), image_size=(4, 3), offset=(0, 3)),
        )
    )  # fmt: skip


def test_panels_are_where_they_are_in_the_laboratory() -> None:
    frame = np.arange(24).reshape(6, 4)
    where = pictures.canvas(detector(), (6, 4))
    assert where.pixel.shape == (3, 9)
    assert np.array_equal(where.pixel[:, :4], frame[:3])
    assert (where.pixel[:, 4] == -1).all()
    assert np.array_equal(where.pixel[:, 5:], frame[3:][::-1, ::-1])
    x, y = np.array([0.5, 0.5, 3.5]), np.array([0.5, 2.5, 0.5])
    at = where.place(detector(), np.array([0, 1, 1]), x, y)
    assert at.tolist() == [[0, 0], [8, 0], [5, 2]]


def test_a_detector_to_the_side_is_seen_from_the_front() -> None:
    side = Panel(origin=(-50.0, 1.0, 2.0), fast_axis=(0, 0, -1), slow_axis=(0, -1, 0),
                 pixel_size=(0.1, 0.1), image_size=(8, 6))  # fmt: skip
    where = pictures.canvas(Detector(panels=(side,)), (6, 8))
    assert where.pixel.shape == (6, 8)
    assert np.array_equal(np.sort(where.pixel.ravel()), np.arange(48))


def test_darkness_follows_the_90th_percentile() -> None:
    where = pictures.canvas(detector(), (6, 4))
    frame, mask = np.full((6, 4), 10), np.ones((6, 4), np.bool_)
    frame[0, :4] = (0, 25, 5000, -4)
    mask[1, 0] = False
    out = pictures.picture(frame, mask, where, (-1.0, 5000.0), 50.0)
    assert (out[:, 4] == pictures.GAP).all()
    assert out[0, 0].tolist() == [255] * 3
    assert out[2, 2].tolist() == [204] * 3  # a count at the percentile: 0.5 x 0.4 of black
    assert out[0, 1].tolist() == [127] * 3
    assert tuple(out[0, 2]) == pictures.OVERLOADED
    assert tuple(out[0, 3]) == tuple(out[1, 0]) == pictures.MASKED
    empty = np.zeros((6, 4), np.int32)
    empty[0, 0] = 1
    out = pictures.picture(empty, mask, where, (-1.0, 5000.0), 50.0)
    assert out[0, 0, 0] == int(255 * 0.9)


def test_circles_stay_in_the_picture() -> None:
    pixels = np.zeros((21, 31, 3), np.uint8)
    pictures.mark(pixels, np.array([[10, 8], [0, 20], [500, 500]]), 5, (1, 2, 3))
    rows, columns = np.nonzero(pixels[:, :, 2])
    away = np.minimum(np.hypot(columns - 10, rows - 8), np.hypot(columns, rows - 20))
    assert np.abs(away - 5).max() < 0.75
    assert (pixels[8, 15] == (1, 2, 3)).all()
    pictures.mark(pixels, np.empty((0, 2), np.int64), 5, (9, 9, 9))
    assert pixels.max() == 3
