"""Residuals of runs on one detector, as blocks of reflections that the same models predict."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections, select
from dxdask.models import Detector, Experiment, ExperimentList
from dxdask.refinement.modules.model_changes import changes_of_still, changes_of_sweep
from dxdask.refinement.modules.moves import Block, Layout
from dxdask.refinement.modules.residuals import FARTHEST, comparable, differences, places_of

_OF_A_MODULE = 2_000
_FEWEST, _MOST = 20_000, 80_000  # of all runs together
_OF_A_RUN = 2_000
_REGIONS = 4  # along a side of a module
_STRETCHES = 10  # of a sweep
_FEWEST_OF_STILL = 15  # reflections, of which 6 parameters of the still take their share
_MODULE, _RUN = 1 << 8, 1 << 20


class Plane(NamedTuple):
    """A detector as one plane: its middle (3,), axes (3, 2) and half width, mm."""

    middle: Floats
    axes: Floats
    half: float


def plane_of(detector: Detector) -> Plane:
    """Return the plane of a detector, with the axes of its first panel."""
    axes = detector[0].axes[:2].T
    corners = np.concatenate([_corners(detector, k) for k in range(len(detector))])
    flat = corners @ axes
    low, high = flat.min(axis=0), flat.max(axis=0)
    return Plane(axes @ (0.5 * (low + high)), axes, float(0.5 * (high - low).max()))


def axes_of(detector: Detector) -> Floats:
    """Return the components (panels, 2, 2) of the axes of the plane along fast and slow."""
    return np.array([p.axes[:2] @ plane_of(detector).axes for p in detector.panels])


def layout_of(detector: Detector, modules: NDArray[np.bool_]) -> Layout:
    """Return the layout of some panels (panels,) of a detector."""
    plane = plane_of(detector)
    chosen = [p for p, use in zip(detector.panels, modules, strict=True) if use]
    middles = np.array([(p.centre - plane.middle) @ plane.axes for p in chosen])
    return Layout(
        axes=axes_of(detector)[modules],
        middles=middles / np.array([p.pixel_size for p in chosen]),
        sizes=np.array([p.image_size for p in chosen], np.float64),
    )


def _corners(detector: Detector, k: int) -> Floats:
    panel = detector[k]
    width, height = np.asarray(panel.image_size) * panel.pixel_size
    return panel.lab_coordinates([(0, 0), (width, 0), (width, height), (0, height)])


def places_on_plane(table: Reflections, detector: Detector) -> Floats:
    """Return the observed places (n, 2) of reflections on the plane, in half widths of it."""
    plane, panel = plane_of(detector), table["panel"]
    size = np.array([p.pixel_size for p in detector.panels])[panel]
    d = np.array([p.d_matrix for p in detector.panels])[panel]
    mm = np.stack([table["x"], table["y"]], axis=1) * size
    lab = d[:, :, 0] * mm[:, :1] + d[:, :, 1] * mm[:, 1:] + d[:, :, 2]
    flat: Floats = (lab @ plane.axes - plane.middle @ plane.axes) / plane.half
    return flat


def blocks_of(
    reflections: Reflections, experiments: ExperimentList, modules: NDArray[np.bool_]
) -> list[Block]:
    """Return the blocks of reflections on one detector: one a sweep, or one a still.

    Parameters
    ----------
    reflections : refined, on the panels of `experiments`, which are the modules; of sweeps the
        columns that `predict` needs, of stills also z.
    experiments : with detectors whose panels are the same pixels.
    modules : (panels,) which are to be compared; reflections on others are left out.

    Of many reflections a regular choice is enough: errors of moves are mostly those that
    reflections of one region have in common.
    """
    rows = np.flatnonzero(comparable(reflections) & modules[reflections["panel"]])
    place = np.cumsum(modules) - 1
    runs = [rows[reflections["experiment"][rows] == i] for i in range(len(experiments))]
    runs_used = [i for i, own in enumerate(runs) if len(own)]
    wanted = min(max(_OF_A_MODULE * int(modules.sum()), _FEWEST), _MOST)
    share = max(wanted // max(len(runs_used), 1), _OF_A_RUN)
    out = []
    for i in runs_used:
        own = runs[i][:: -(-len(runs[i]) // share)]
        table = select(reflections, own)
        experiment = experiments[i]
        is_still = experiment.scan is None or experiment.scan.is_still
        parts = _of_stills if is_still else _of_sweep
        out += parts(table, experiment, place, i)
    return out


def _of_sweep(table: Reflections, experiment: Experiment, place: Integers, run: int) -> list[Block]:
    changes = changes_of_sweep(table, experiment)
    z = table["z"] - table["z_cal"]
    off = np.column_stack([differences(table), z])
    good = np.isfinite(changes).all(axis=(1, 2)) & (np.abs(z) < FARTHEST)
    first, last = experiment.scan.array_range if experiment.scan is not None else (0, 1)
    stretch = np.clip((table["z"] - first) * _STRETCHES / (last - first), 0, _STRETCHES - 1)
    block = _block(table, experiment.detector, place, off, changes, stretch + run * _RUN)
    return [block.of(good)] if good.any() else []


def _of_stills(
    table: Reflections, experiment: Experiment, place: Integers, run: int
) -> list[Block]:
    """Return a block for each still with enough reflections."""
    detector = experiment.detector
    axes = axes_of(detector)[table["panel"]]
    changes = changes_of_still(places_on_plane(table, detector), axes)
    image = np.floor(table["z"]).astype(np.int64)
    block = _block(table, detector, place, differences(table), changes, image + run * _RUN)
    return [
        block.of(image == i)
        for i, n in zip(*np.unique(image, return_counts=True), strict=True)
        if n >= _FEWEST_OF_STILL
    ]


def _block(
    table: Reflections,
    detector: Detector,
    place: Integers,
    off: Floats,
    changes: Floats,
    stretch: NDArray[np.floating | np.integer],
) -> Block:
    panel = table["panel"].astype(np.int64)
    size = np.array([p.image_size for p in detector.panels], np.float64)[panel]
    xy = np.stack([table["x"], table["y"]], axis=1)
    cell = np.clip(xy * _REGIONS / size, 0, _REGIONS - 1).astype(np.int64)
    u, v = places_on_plane(table, detector).T
    terms = np.stack([u * u, u * v, v * v], axis=1)
    axes = axes_of(detector)[panel]
    smooth = (axes[:, :, :, None] * terms[:, None, None, :]).reshape(len(panel), 2, -1)
    return Block(
        off=off,
        changes=changes,
        module=place[panel],
        place=places_of(table, detector),
        smooth=smooth,
        region=place[panel] * _MODULE + cell[:, 1] * _REGIONS + cell[:, 0],
        stretch=np.asarray(stretch).astype(np.int64),
    )
