"""Scattering vectors of the spots of stills, each with the wavelength of its shot."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Reflections, check, image_keys, rows_by_panel, rows_of_images
from dxdask.errors import InputError
from dxdask.models import ExperimentList
from dxdask.models.vectors import unit
from dxdask.still_columns import Stills, check_stills


class Scattering(NamedTuple):
    """Spots (n,) of stills.

    Attributes
    ----------
    s1 : (n, 3) diffracted beams, q : (n, 3) s1 - s0, 1/A; NaN for a spot of no still.
    still : (n,) row of the table of stills, -1 for none.
    """

    s1: Floats
    q: Floats
    still: Integers

    def by_still(self, n_stills: int) -> list[Integers]:
        """Return the spots of each still, in their order."""
        order = np.argsort(self.still, kind="stable")
        first = np.searchsorted(self.still[order], np.arange(n_stills + 1))
        return [order[a:b] for a, b in pairwise(first)]


def scattering_of(
    reflections: Reflections, stills: Stills, experiments: ExperimentList
) -> Scattering:
    """Return the diffracted beams and scattering vectors of spots.

    reflections : columns experiment, panel, x, y, z. stills : experiment, image, wavelength; spots
    of one without a wavelength (NaN, 0) are of no still.

    Raises
    ------
    SchemaError
        A column is missing.
    InputError
        Two rows are the same still.
    """
    check(reflections, ("experiment", "panel", "x", "y", "z"))
    check_stills(stills, ("experiment", "image", "wavelength"))
    still = rows_of_stills(reflections, stills)
    if len(still) and len(stills["wavelength"]):
        still = np.where(stills["wavelength"][still] > 0.0, still, -1)
    n = len(reflections["x"])
    s1, q = np.full((n, 3), np.nan), np.full((n, 3), np.nan)
    members = list(experiments)
    for index, panel, rows in rows_by_panel(reflections):
        rows = rows[still[rows] >= 0]
        model = members[index].detector[panel]
        xy = np.column_stack([reflections["x"][rows], reflections["y"][rows]])
        ray = model.lab_coordinates(model.pixel_to_mm(xy))
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        wavelength = stills["wavelength"][still[rows]][:, None]
        s1[rows] = ray / wavelength
        q[rows] = (ray + unit(members[index].beam.direction)) / wavelength
    return Scattering(s1, q, still)


def rows_of_stills(reflections: Reflections, stills: Stills) -> Integers:
    """Return the row (n,) of the still of each spot in the table of stills, -1 for none.

    Raises
    ------
    InputError
        Two rows are the same image of the same run.
    """
    keys = np.sort(image_keys(stills["experiment"], stills["image"]))
    if np.any(keys[1:] == keys[:-1]):
        raise InputError("an image has two rows in the table of stills; keep one")
    return rows_of_images(reflections, stills["experiment"], stills["image"])
