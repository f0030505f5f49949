"""Backward rotations as forward ones about the opposite axis, which is all that DIALS takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dxdask.columns import Reflections
from dxdask.models import ExperimentList, Goniometer, Scan
from dxdask.models.vectors import vector

# What changes its sign with the direction of the axis.
_SIGNED = ("phi_rad", "phi_cal_rad", "zeta")


def reversed_members(experiments: ExperimentList) -> list[bool]:
    """Return for each member whether it rotates backwards."""
    scans = experiments.scans
    return [
        m.scan is not None and m.goniometer is not None and scans[m.scan].oscillation[1] < 0
        for m in experiments.members
    ]


def with_forward_scans(experiments: ExperimentList) -> ExperimentList:
    """Return the list with positive widths; a goniometer of scans of both signs is split."""
    backwards = reversed_members(experiments)
    if not any(backwards):
        return experiments
    goniometers, scans = list(experiments.goniometers), list(experiments.scans)
    places: dict[tuple[str, int], int] = {}
    members = []
    for member, is_backwards in zip(experiments.members, backwards, strict=True):
        if is_backwards and member.goniometer is not None and member.scan is not None:
            g, s = member.goniometer, member.scan
            if ("goniometer", g) not in places:
                places["goniometer", g] = len(goniometers)
                goniometers.append(_opposite(goniometers[g]))
            if ("scan", s) not in places:
                places["scan", s] = len(scans)
                scans.append(_forward(scans[s]))
            member = replace(member, goniometer=places["goniometer", g], scan=places["scan", s])
        members.append(member)
    used_g = sorted({m.goniometer for m in members if m.goniometer is not None})
    used_s = sorted({m.scan for m in members if m.scan is not None})
    return replace(
        experiments,
        goniometers=tuple(goniometers[i] for i in used_g),
        scans=tuple(scans[i] for i in used_s),
        members=tuple(
            replace(
                m,
                goniometer=None if m.goniometer is None else used_g.index(m.goniometer),
                scan=None if m.scan is None else used_s.index(m.scan),
            )
            for m in members
        ),
    )


def with_forward_angles(table: Reflections, experiments: ExperimentList) -> Reflections:
    """Return the table with angles as of `with_forward_scans`.

    experiments : those before. Positions in images stay; what enters the Ewald sphere about one
    direction of the axis leaves it about the other.
    """
    backwards = np.asarray(reversed_members(experiments), dtype=bool)
    ids = table.get("experiment")
    if ids is None or not backwards.any():
        return table
    rows = (ids >= 0) & backwards[np.maximum(ids, 0)]
    out = dict(table)
    for name in _SIGNED:
        if name in table:
            out[name] = np.where(rows, -table[name], table[name])
    if "entering" in table:
        out["entering"] = table["entering"] ^ rows
    return out


def _opposite(goniometer: Goniometer) -> Goniometer:
    axes, angles = list(goniometer.axes), list(goniometer.angles)
    i = goniometer.scan_axis
    axes[i], angles[i] = vector(-np.asarray(axes[i]) + 0.0), 0.0 - angles[i]
    return replace(goniometer, axes=tuple(axes), angles=tuple(angles))


def _forward(scan: Scan) -> Scan:
    start, width = scan.oscillation
    angles = tuple(0.0 - a for a in scan.angles)
    return replace(scan, oscillation=(0.0 - start, -width), angles=angles)
