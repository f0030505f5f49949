"""Runs of stills split into one experiment an image, as in DIALS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections
from dxdask.errors import InputError
from dxdask.models import ExperimentList, Member
from dxdask.storage.exporters.models_used import used_only


class StillsSplit:
    """An experiment list whose runs of stills are split into one experiment an image.

    Attributes
    ----------
    experiments : the list of single stills and of sweeps.
    first : for each member of the original list, the index of its first image's experiment.
    per_image : for each member of the original list, whether it was split.
    image : for each new member, the index of its image in the run (stills), or None (sweeps).
    """

    def __init__(self, experiments: ExperimentList) -> None:
        self.first: list[int] = []
        self.per_image: list[bool] = []
        self.image: list[int | None] = []
        beams = list(experiments.beams)
        members: list[Member] = []
        single: dict[tuple[int, int], int] = {}
        for m in experiments.members:
            scan = None if m.scan is None else experiments.scans[m.scan]
            is_still = scan is None or scan.is_still or m.goniometer is None
            self.first.append(len(members))
            self.per_image.append(is_still)
            if not is_still:
                members.append(m)
                self.image.append(None)
                continue
            n_images = 1 if scan is None else scan.n_images
            base = 0 if scan is None else scan.array_range[0]
            for k in range(n_images):
                beam = m.beam
                wavelengths = experiments.beams[m.beam].wavelengths
                # The number of a member of one image is its position in the run.
                at = k if wavelengths and len(wavelengths) == n_images else base + k
                if wavelengths and at < len(wavelengths) and wavelengths[at] > 0.0:
                    own = replace(beams[m.beam], wavelength=wavelengths[at], wavelengths=None)
                    beam = single.setdefault((m.beam, at), len(beams))
                    if beam == len(beams):
                        beams.append(own)
                name = m.identifier if n_images == 1 else f"{m.identifier}-{k}"
                members.append(replace(m, identifier=name, beam=beam, goniometer=None, scan=None))
                self.image.append(base + k)
        self.experiments = used_only(
            replace(experiments, beams=tuple(beams), members=tuple(members))
        )


def split_stills(experiments: ExperimentList) -> StillsSplit:
    """Return the list with each run of stills split into one experiment an image."""
    return StillsSplit(experiments)


def with_stills_apart(
    reflections: Reflections, experiments: ExperimentList, stills: StillsSplit
) -> Reflections:
    """Return the table with experiment numbers and z of stills as in DIALS.

    Raises
    ------
    InputError
        The table refers to experiments that do not exist.
    """
    table = dict(reflections)
    ids = table.get("experiment")
    if ids is None or not ids.size:
        return table
    if ids.max(initial=-1) >= len(experiments) or ids.min(initial=0) < -1:
        raise InputError(
            f"the table refers to experiment {int(ids.max())}; there are {len(experiments)}: "
            "give the experiments that go with it"
        )
    known = ids >= 0
    place = np.where(known, ids, 0)
    first = np.asarray(stills.first, dtype=np.int32)[place]
    apart = np.asarray(stills.per_image)[place] & known
    if not apart.any():
        table["experiment"] = np.where(known, first, -1).astype(np.int32)
        return table
    starts = np.array([0 if e.scan is None else e.scan.array_range[0] for e in experiments])
    source = next((n for n in ("z", "z_cal") if n in table), None)
    image = np.floor(table[source]).astype(np.int64) if source else starts[place]
    offset = np.where(apart, image - starts[place], 0)
    table["experiment"] = np.where(known, first + offset, -1).astype(np.int32)
    for name in ("z", "z_cal"):
        if name in table:
            table[name] = np.where(apart, table[name] - image, table[name])
    if "bbox" in table:
        box = table["bbox"].copy()
        box[:, 4:] -= np.where(apart, image, 0)[:, None].astype(np.int32)
        table["bbox"] = box
    return table
