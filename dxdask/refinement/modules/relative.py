"""Moves of the modules between two detectors, each against the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.models import Detector, Panel
from dxdask.models.vectors import rotation_matrix


def relative_moves(before: Detector, after: Detector, weights: Floats | None = None) -> Floats:
    """Return the moves (m, 6) of panels: along fast, slow (px) and normal (mm), and rotations about
    them (mrad).

    Each is in the frame in which the other panels, as one rigid body, are where they were; they
    are weighted by `weights` (m,), equally by default.
    """
    m = len(before)
    share = np.ones(m) if weights is None else np.asarray(weights, np.float64)
    corners = [np.stack([_corners(p) for p in d.panels]) for d in (before, after)]
    out = np.zeros((m, 6))
    for k in range(m):
        others = np.arange(m) != k
        if m == 1 or not share[others].sum() > 0:
            continue
        weight = np.repeat(share[others], 4)
        start, end = (c[others].reshape(-1, 3) for c in corners)
        rotation, middle, arrived = rigid(start, end, weight)
        back = after[k].moved(rotation.T, middle - arrived, about=arrived)
        out[k] = _move(before[k], back)
    return out


def rigid(start: Floats, end: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the rotation (3, 3) and the means (3,) before and after of points (n, 3) that moved as
    one body (Kabsch 1976, Acta Cryst. A32, 922).
    """
    middle, arrived = (np.average(p, axis=0, weights=weight) for p in (start, end))
    u, _, v = np.linalg.svd(((start - middle) * weight[:, None]).T @ (end - arrived))
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(v.T @ u.T))])
    return np.asarray(v.T @ turn @ u.T), np.asarray(middle), np.asarray(arrived)


def _move(before: Panel, after: Panel) -> Floats:
    """Return the six moves of a panel along and about its axes."""
    shift = before.axes @ (after.centre - before.centre)
    turn = after.axes.T @ before.axes
    about = turn - turn.T
    vector = 0.5 * np.array([about[2, 1], about[0, 2], about[1, 0]])
    return np.concatenate(
        [shift[:2] / np.asarray(before.pixel_size), shift[2:], 1e3 * (before.axes @ vector)]
    )


def with_moves(detector: Detector, which: NDArray[np.bool_], moves: Floats) -> Detector:
    """Return the detector with some panels (panels,) moved by moves (m, 3): along fast and slow,
    px, and about the normal, mrad.
    """
    panels, found = list(detector.panels), iter(moves)
    for k in np.flatnonzero(which):
        panels[k] = moved(panels[k], next(found))
    return replace(detector, panels=tuple(panels))


def moved(panel: Panel, move: Floats) -> Panel:
    """Return a panel moved along fast and slow, px, and rotated about its normal, mrad (3,)."""
    step = move[:2] * np.asarray(panel.pixel_size)
    turn = rotation_matrix(panel.normal, 1e-3 * float(move[2]))
    return panel.moved(turn, step @ panel.axes[:2], about=panel.centre)


def _corners(panel: Panel) -> Floats:
    width, height = np.asarray(panel.image_size) * panel.pixel_size
    return panel.lab_coordinates([(0, 0), (width, 0), (width, height), (0, height)])
