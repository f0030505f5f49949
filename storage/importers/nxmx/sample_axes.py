"""Axes that rotate the sample of an NXmx file, also of old masters without depends_on."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np

from dxdask.storage.importers.nxmx.axes import TO_IMGCIF, Axis, axis_chain, follow
from dxdask.storage.importers.nxmx.conventional_axis import ConventionalAxis
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    groups_of,
    numbers,
    present,
    text,
    where,
)
from dxdask.storage.importers.nxmx.rotations import Rotation, known_widths, rotations_of

_AXES = ("omega", "phi", "chi", "kappa", "two_theta")


def sample_axes(sample: h5py.Group, known: ConventionalAxis, found: Findings) -> list[Rotation]:
    """Return the rotations of a sample, the innermost first."""
    depends_on = present(sample, "depends_on")
    if depends_on is not None and text(depends_on).strip():
        start = follow(sample, text(depends_on))
        return [] if start is None else rotations_of(sample, axis_chain(start), found)
    for group in groups_of(sample, "NXtransformations"):
        chains = [c for n in group if (c := _chain_in(group, n))]
        chains = [[a for a in c if a.is_rotation] for c in chains]
        longest = max(chains, key=len, default=[])
        if longest:
            found.note(f"{where(sample)} has no depends_on; its axes are those of {group.name}")
            chosen = rotations_of(sample, longest, found)
            if any(r.moves or r.is_wide for r in chosen):
                return [_conventional(r, known, found) for r in chosen]
            taken = {a.path for a in longest}
            others = {a.path: a for c in chains for a in c if a.path not in taken}
            apart = rotations_of(sample, list(others.values()), found)
            others_moving = [r for r in apart if r.moves or r.is_wide][:1]
            return [_conventional(r, known, found) for r in others_moving] or chosen
    return _of_old_master(sample, known, found)


def _conventional(rotation: Rotation, known: ConventionalAxis, found: Findings) -> Rotation:
    """Return a rotation about the axis of the file, as the conventions of the detector have it."""
    if not (rotation.moves or rotation.is_wide):
        return rotation
    return replace(rotation, axis=known.of_file(rotation.axis, found))


def _chain_in(group: h5py.Group, name: str) -> list[Axis]:
    item = present(group, name)
    if item is None or "vector" not in item.attrs:
        return []
    return axis_chain(item)


def _of_old_master(sample: h5py.Group, known: ConventionalAxis, found: Findings) -> list[Rotation]:
    """Return the axis of an early EIGER master, whose angles in sample/goniometer have none."""
    group = sample.get("goniometer")
    if not isinstance(group, h5py.Group):
        return []
    out = []
    for name in _AXES:
        item = present(group, name)
        widths = known_widths(group, name, found)
        if item is None and widths is None:
            continue
        values = numbers(item, "angle", "deg") if item is not None else np.zeros(1)
        if widths is not None and not np.any(np.diff(values)):
            values = values[:1]  # that of each image was not recorded
        axis = Axis(
            path=f"{group.name}/{name}",
            is_rotation=True,
            vector=known.axis,
            offset=np.zeros(3),
            values=values,
        )
        out.append(Rotation(axis, widths))
    rotating = [r for r in out if r.moves] or [r for r in out if r.is_wide]
    if rotating:
        along = ", ".join(f"{v:g}" for v in TO_IMGCIF @ known.axis + 0.0)
        found.note(
            f"{where(sample)} has no depends_on: {rotating[0].axis.path} is taken as a rotation "
            f"about ({along}); give geometry.goniometer.axes where that is wrong"
        )
    return rotating
