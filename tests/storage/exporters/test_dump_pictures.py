"""Pictures of frames: positions of panels, darkness, circles, and the PNG file itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from dxdask.models import Detector, Panel
from dxdask.storage.exporters import pictures


def test_a_png_holds_its_pixels_and_its_title(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 9, 3)).astype(np.uint8)
    pictures.write_png(tmp_path / "a.png", Image.fromarray(pixels), "run å")
    with Image.open(tmp_path / "a.png") as read:
        assert (read.format, read.mode, read.size) == ("PNG", "RGB", (9, 5))
        assert read.info["Title"] == "run å"
        assert np.array_equal(np.asarray(read), pixels)


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
    out = np.asarray(pictures.picture(frame, mask, where, (-1.0, 5000.0), 50.0))
    assert (out[:, 4] == pictures.GAP).all()
    assert out[0, 0].tolist() == [255] * 3
    assert out[2, 2].tolist() == [204] * 3  # a count at the percentile: 0.5 x 0.4 of black
    assert out[0, 1].tolist() == [127] * 3
    assert tuple(out[0, 2]) == pictures.OVERLOADED
    assert tuple(out[0, 3]) == tuple(out[1, 0]) == pictures.MASKED
    empty = np.zeros((6, 4), np.int32)
    empty[0, 0] = 1
    out = np.asarray(pictures.picture(empty, mask, where, (-1.0, 5000.0), 50.0))
    assert out[0, 0, 0] == int(255 * 0.9)


def test_circles_stay_in_the_picture() -> None:
    image = Image.new("RGB", (31, 21))
    centres = np.array([[10, 8], [0, 20], [500, 500], [np.iinfo(np.int64).min, 3]])
    pictures.draw_circles(image, centres, 5, (1, 2, 3))
    pixels = np.asarray(image)
    rows, columns = np.nonzero(pixels[:, :, 2])
    away = np.minimum(np.hypot(columns - 10, rows - 8), np.hypot(columns, rows - 20))
    assert np.abs(away - 5).max() < 0.75
    for at in ((8, 15), (8, 5), (3, 10), (13, 10), (15, 0), (20, 5)):
        assert tuple(pixels[at]) == (1, 2, 3)
    pictures.draw_circles(image, np.empty((0, 2), np.int64), 5, (9, 9, 9))
    assert np.asarray(image).max() == 3
