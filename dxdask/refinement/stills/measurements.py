"""Indexed spots of stills, by still and panel, for refinement."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dxdask.arrays import Floats, Integers
from dxdask.columns import Flag, Reflections, has_flag, image_keys, rows_of_images
from dxdask.errors import InputError
from dxdask.models import Detector
from dxdask.still_columns import Stills


class Measurements(NamedTuple):
    """Indexed spots (n,), in order of their stills.

    Attributes
    ----------
    still : index of its still in `rows`. panel : index of the panel.
    hkl : (n, 3) indices, float64. xy : (n, 2) observed, px, in the panel.
    wavelength : (n,) A. size : (n,) pixels. rows : (stills,) rows of the table of stills.
    """

    still: Integers
    panel: Integers
    hkl: Floats
    xy: Floats
    wavelength: Floats
    size: Integers
    rows: Integers

    def of_stills(self, which: Integers) -> Measurements:
        """Return the spots of the stills of these indices in `rows`."""
        place = np.full(len(self.rows), -1, np.int64)
        place[which] = np.arange(len(which))
        kept = place[self.still] >= 0
        return Measurements(
            place[self.still[kept]], self.panel[kept], self.hkl[kept], self.xy[kept],
            self.wavelength[kept], self.size[kept], self.rows[which],
        )  # fmt: skip


def measurements_of(reflections: Reflections, stills: Stills) -> Measurements:
    """Return the indexed spots of indexed stills.

    Raises
    ------
    InputError
        There are none.
    """
    rows = np.flatnonzero(stills["indexed"])
    keys = image_keys(stills["experiment"][rows], stills["image"][rows])
    rows = rows[np.argsort(keys, kind="stable")]
    spots = np.flatnonzero(has_flag(reflections, Flag.INDEXED))
    place = rows_of_images(
        {name: reflections[name][spots] for name in ("experiment", "z")},
        stills["experiment"][rows],
        stills["image"][rows],
    )
    spots, place = spots[place >= 0], place[place >= 0]
    if len(spots) == 0:
        raise InputError("no indexed spots of indexed stills; index the stills first")
    by_still = np.argsort(place, kind="stable")
    spots, place = spots[by_still], place[by_still]
    return Measurements(
        still=place,
        panel=reflections["panel"][spots].astype(np.int64),
        hkl=reflections["hkl"][spots].astype(np.float64),
        xy=np.stack([reflections["x"][spots], reflections["y"][spots]], axis=1),
        wavelength=stills["wavelength"][rows][place],
        size=reflections["n_pixels"][spots].astype(np.int64),
        rows=rows,
    )


def positions_mm(measured: Measurements, detector: Detector) -> Floats:
    """Return the observed positions (n, 2) on the panels, mm, corrected for parallax."""
    out = np.empty_like(measured.xy)
    order = np.argsort(measured.panel, kind="stable")
    ends = np.searchsorted(measured.panel[order], np.arange(len(detector) + 1))
    for i, panel in enumerate(detector.panels):
        on = order[ends[i] : ends[i + 1]]
        out[on] = panel.pixel_to_mm(measured.xy[on])
    return out
