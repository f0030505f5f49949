"""Experiments and reflections on the modules of their detectors, the same for all runs of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dxdask.arrays import Integers, Mask
from dxdask.columns import Reflections, select
from dxdask.models import Detector, ExperimentList
from dxdask.refinement.modules.borders import module_rectangles
from dxdask.refinement.modules.layouts import Rectangle
from dxdask.refinement.modules.recut import in_frame, recut
from dxdask.refinement.modules.recut_rows import cut_alike, recut_reflections

Cut = tuple[tuple[Rectangle, ...], ...]


@dataclass(frozen=True, kw_only=True)
class ModuleCut:
    """Reflections and experiments on re-cut detectors.

    Attributes
    ----------
    reflections, experiments : with the modules as panels, which lie where they lay.
    groups : of experiments whose detectors are the same pixels, by index in the list.
    cuts : of each group, the modules of each panel.
    """

    reflections: Reflections
    experiments: ExperimentList
    groups: tuple[Integers, ...]
    cuts: tuple[Cut, ...]


def cut_into_modules(
    reflections: Reflections, experiments: ExperimentList, masks: Mapping[str, Mask]
) -> ModuleCut:
    """Return the reflections and experiments with the modules as panels.

    Parameters
    ----------
    reflections : columns experiment, panel and positions; see `recut_reflections`.
    masks : (slow, fast) of the frames of runs, True is good. A pixel is masked if it is in all
        runs of a detector.
    """
    groups = _groups(experiments)
    cuts, detectors = [], list(experiments.detectors)
    for members in groups:
        own = [experiments.members[i] for i in members.tolist()]
        first = experiments.detectors[own[0].detector]
        good: Mask | None = None
        for run in dict.fromkeys(m.run for m in own):
            if run in masks:
                good = masks[run] if good is None else good | masks[run]
        rows = np.isin(reflections["experiment"], members)
        cut = _cut_of(first, good, select(reflections, rows))
        cuts.append(cut)
        for k in {m.detector for m in own}:
            detectors[k] = recut(experiments.detectors[k], cut)
    new = replace(experiments, detectors=tuple(detectors))
    return ModuleCut(
        reflections=recut_table(reflections, experiments, new),
        experiments=new,
        groups=groups,
        cuts=tuple(cuts),
    )


def recut_table(reflections: Reflections, old: ExperimentList, new: ExperimentList) -> Reflections:
    """Return the reflections on the panels of other experiments, the same but for their cut."""
    parts = _detector_pairs(reflections, old, new)
    if all(cut_alike(a, b) for _, a, b in parts):
        return reflections
    out = dict(reflections)
    for rows, a, b in parts:
        moved = recut_reflections(select(reflections, rows), a, b)
        for name, values in moved.items():
            if values is not reflections[name]:
                if out[name] is reflections[name]:
                    out[name] = reflections[name].copy()
                out[name][rows] = values
    return out


def _detector_pairs(
    reflections: Reflections, old: ExperimentList, new: ExperimentList
) -> list[tuple[Integers, Detector, Detector]]:
    """Return the rows of each pair of detectors, before and after."""
    pairs: dict[tuple[int, int], list[int]] = {}
    for i, (m, n) in enumerate(zip(old.members, new.members, strict=True)):
        pairs.setdefault((m.detector, n.detector), []).append(i)
    return [
        (np.flatnonzero(np.isin(reflections["experiment"], of)), old.detectors[a], new.detectors[b])
        for (a, b), of in pairs.items()
    ]


def _groups(experiments: ExperimentList) -> tuple[Integers, ...]:
    """Return the indices of experiments whose detectors are the same pixels of their frames."""
    found: dict[tuple[Rectangle, ...], list[int]] = {}
    for i, m in enumerate(experiments.members):
        key = tuple(map(in_frame, experiments.detectors[m.detector].panels))
        found.setdefault(key, []).append(i)
    return tuple(np.array(v, dtype=np.int64) for v in found.values())


def _cut_of(detector: Detector, good: Mask | None, table: Reflections) -> Cut:
    out = []
    for i, panel in enumerate(detector.panels):
        boxes = None
        if "bbox" in table:
            boxes = table["bbox"][table["panel"] == i]
        out.append(module_rectangles(panel, None if good is None else good[panel.slices], boxes))
    return tuple(out)
