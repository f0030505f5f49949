"""The centre of symmetry of the spots of single images.

Where the Ewald sphere is nearly flat (electrons), the spots of an image come in pairs h, -h about
the beam centre: midpoints of pairs of spots are densest there.
"""

from __future__ import annotations

import numpy as np
import scipy

from dxdask.arrays import Floats
from dxdask.columns import Reflections
from dxdask.errors import ConvergenceError
from dxdask.indexing.beam_search import BeamSearch
from dxdask.indexing.trial_fit import evenly
from dxdask.models import ExperimentList

NEAR_PX = 1.5
"""Distance within which midpoints agree: errors of centroids, and the sphere's curvature."""
MOST_MIDPOINTS = 20_000
FEWEST_PAIRS = 10
CONTRAST, UNIQUE = 3.0, 1.1
"""Midpoints near the centre over those expected at random, and over those near any other place."""


def centre_of_inversion(
    reflections: Reflections, experiments: ExperimentList, search: BeamSearch
) -> Floats:
    """Return the shift (2,), mm, of the beam centre to the densest midpoint of pairs of spots.

    reflections : mapped or not, of one run; columns experiment, panel, x, y, z.

    Raises
    ------
    ConvergenceError
        Midpoints are no denser anywhere than elsewhere.
    """
    spots = evenly(reflections, search.max_reflections)
    first = experiments[0]
    pixel = np.asarray(first.detector[0].pixel_size)
    plane = _on_first_plane(spots, experiments) / pixel
    centre = first.detector[0].ray_intersection(first.beam.s0) / pixel
    middle = _midpoints(spots, plane)
    inside = np.all(np.abs(middle - centre) * pixel <= search.mm_search_scope, axis=1)
    middle = middle[inside]
    if len(middle) > MOST_MIDPOINTS:
        middle = middle[np.linspace(0, len(middle) - 1, MOST_MIDPOINTS).astype(np.int64)]
    if len(middle) < FEWEST_PAIRS:
        raise ConvergenceError(
            f"{len(middle)} pairs of spots have their midpoint within "
            f"mm_search_scope={search.mm_search_scope:g} of the beam centre, which is too few to "
            "find the centre of symmetry: use method=default, or find more spots"
        )
    tree = scipy.spatial.cKDTree(middle)
    counts = np.asarray(tree.query_ball_point(middle, NEAR_PX, return_length=True)).reshape(-1)
    best = int(np.argmax(counts))
    area = float(np.prod(2.0 * search.mm_search_scope / pixel))
    expected = len(middle) * np.pi * NEAR_PX**2 / area
    far = np.linalg.norm(middle - middle[best], axis=1) > 3.0 * NEAR_PX
    other = int(counts[far].max(initial=0))
    if counts[best] < max(CONTRAST * expected, UNIQUE * other, FEWEST_PAIRS):
        raise ConvergenceError(
            f"midpoints of pairs of spots are not densest at one place ({counts[best]} within "
            f"{NEAR_PX} px of it, {other} of another, {expected:.1f} at random): the images have "
            "no centre of symmetry; use method=default"
        )
    place = middle[best]
    for _ in range(5):
        place = middle[tree.query_ball_point(place, NEAR_PX)].mean(axis=0)
    return np.asarray((place - centre) * pixel)


def _on_first_plane(spots: Reflections, experiments: ExperimentList) -> Floats:
    """Return the places (n, 2), mm, where rays through the spots meet the plane of panel 0."""
    out = np.empty((len(spots["x"]), 2))
    for i, e in enumerate(experiments):
        for k, panel in enumerate(e.detector.panels):
            on = (spots["experiment"] == i) & (spots["panel"] == k)
            xy = panel.pixel_to_mm(np.column_stack([spots["x"][on], spots["y"][on]]))
            rays = panel.lab_coordinates(xy) @ e.detector[0].inverse_d_matrix.T
            out[on] = rays[:, :2] / rays[:, 2:]
    return out


def _midpoints(spots: Reflections, plane: Floats) -> Floats:
    """Return the midpoints (m, 2) of the pairs of spots of each image."""
    image = np.floor(spots["z"]).astype(np.int64)
    order = np.lexsort((image, spots["experiment"]))
    keys = np.column_stack([spots["experiment"], image])[order]
    ends = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
    found = [np.zeros((0, 2))]
    for rows in np.split(order, ends):
        i, j = np.triu_indices(len(rows), 1)
        found.append((plane[rows[i]] + plane[rows[j]]) / 2.0)
    return np.concatenate(found)
