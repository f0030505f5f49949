"""Indexed stills as one experiment each, with its crystal and wavelength, as in DIALS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dxdask.columns import Flag, Reflections, has_flag, rows_of_images, select
from dxdask.errors import InputError
from dxdask.models import Beam, Crystal, ExperimentList, Member
from dxdask.models.vectors import matrix
from dxdask.storage.exporters.models_used import used_only

Stills = Mapping[str, NDArray[Any]]
"""A table of stills: experiment, image, wavelength, indexed and a_matrix are read here."""


@dataclass(frozen=True)
class IndexedStills:
    """Stills with a crystal, one experiment each.

    Attributes
    ----------
    experiments : one a still, in the order of the table. image : index in its run of each.
    rows : (n,) of the table of stills.
    """

    experiments: ExperimentList
    image: tuple[int, ...]
    rows: NDArray[np.int64]


def indexed_stills(experiments: ExperimentList, stills: Stills) -> IndexedStills:
    """Return the stills that were indexed as experiments; detectors are shared as in the runs.

    experiments : the runs, each with a crystal, for the space group.

    Raises
    ------
    InputError
        No still is indexed, or a run has no crystal.
    """
    rows = np.flatnonzero(stills["indexed"])
    if not len(rows):
        raise InputError(f"none of {len(stills['indexed'])} stills is indexed: nothing to write")
    beams: list[Beam] = []
    crystals: list[Crystal] = []
    members: list[Member] = []
    images = tuple(stills["image"][rows].tolist())
    for row, image in zip(rows.tolist(), images, strict=True):
        run = experiments.members[int(stills["experiment"][row])]
        if run.crystal is None:
            raise InputError(f"run {run.run} has no crystal, and so no space group: index it")
        group = experiments.crystals[run.crystal].space_group
        crystals.append(Crystal(a_matrix=matrix(stills["a_matrix"][row]), space_group=group))
        wavelength = float(stills["wavelength"][row])
        beams.append(replace(experiments.beams[run.beam], wavelength=wavelength, wavelengths=None))
        members.append(
            Member(
                identifier=f"{run.identifier or run.run}-{image}", run=run.run,
                beam=len(beams) - 1, detector=run.detector, crystal=len(crystals) - 1,
            )
        )  # fmt: skip
    taken = replace(
        experiments, beams=tuple(beams), crystals=tuple(crystals), members=tuple(members)
    )
    return IndexedStills(used_only(taken), images, rows)


def place_of(reflections: Reflections, stills: Stills, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return the index into the stills in `rows` (n,) for each reflection; -1 for none."""
    return rows_of_images(reflections, stills["experiment"][rows], stills["image"][rows])


def reflections_of_stills(
    reflections: Reflections, stills: Stills, found: IndexedStills
) -> Reflections:
    """Return the indexed reflections of these stills as DIALS numbers them, with positions in mm.

    `experiment` counts the stills, and z is 0.5 in each. Positions in mm are computed where the
    table has pixels only: `dials.refine` requires them.
    """
    place = place_of(reflections, stills, found.rows)
    kept = place >= 0
    if "flags" in reflections:
        kept &= has_flag(reflections, Flag.INDEXED | Flag.PREDICTED)
    order = np.flatnonzero(kept)[np.argsort(place[kept], kind="stable")]
    table = select(reflections, order)
    image = np.floor(table["z"]).astype(np.int32)
    table["experiment"] = place[order].astype(np.int32)
    table["z"] = np.full(len(order), 0.5)
    if "x_cal" in table:
        table["z_cal"] = np.full(len(order), 0.5)
    if "bbox" in table:
        table["bbox"] = table["bbox"].copy()
        table["bbox"][:, 4:] -= image[:, None]
    _add_places_in_mm(table, found.experiments)
    return table


def _add_places_in_mm(table: Reflections, experiments: ExperimentList) -> None:
    """Add x_mm, y_mm and phi, and the same of predictions, where there are pixels."""
    n = len(table["experiment"])
    detector_of = np.array([m.detector for m in experiments.members])[table["experiment"]]
    for suffix, angle in (("", "phi_rad"), ("_cal", "phi_cal_rad")):
        names = [f"x{suffix}", f"y{suffix}"]
        if not all(name in table for name in names):
            continue
        mm, size = np.zeros((n, 2)), np.ones((n, 2))
        for d, detector in enumerate(experiments.detectors):
            for p, panel in enumerate(detector.panels):
                mine = (detector_of == d) & (table["panel"] == p)
                xy = np.stack([table[name][mine] for name in names], axis=1)
                mm[mine], size[mine] = panel.pixel_to_mm(xy), panel.pixel_size
        table[f"x{suffix}_mm"], table[f"y{suffix}_mm"] = mm[:, 0].copy(), mm[:, 1].copy()
        table[angle] = np.zeros(n)
        if not suffix and "x_variance" in table:
            table["x_mm_variance"] = table["x_variance"] * size[:, 0] ** 2
            table["y_mm_variance"] = table["y_variance"] * size[:, 1] ** 2
            table["phi_rad_variance"] = np.zeros(n)
