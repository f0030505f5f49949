"""The groups of a CrystFEL geometry as a hierarchy of the detector, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Group, Panel
from dxdask.models.vectors import vector
from dxdask.storage.importers.crystfel.text import GeometryText

_DEEPEST = 32  # groups above a panel


def hierarchy_of(file: GeometryText, panels: Sequence[Panel]) -> Group:
    """Return the hierarchy of the groups of a file, or else of its rigid groups.

    Rigid groups, of CrystFEL before 0.11, may overlap and are then left out.

    Raises
    ------
    FormatError
        As `hierarchy`, of groups that are not rigid.
    """
    names = [p.name for p in panels]
    if file.groups or not file.rigid_groups:
        return hierarchy(file.path, file.groups, panels, names)
    try:
        return hierarchy(file.path, file.rigid_groups, panels, names)
    except FormatError as error:
        reason = str(error).removeprefix(f"{file.path}: ")
        file.note(f"rigid_group is not used: {reason}")
        return hierarchy(file.path, {}, panels, names)


def hierarchy(
    path: Path, groups: Mapping[str, tuple[str, ...]], panels: Sequence[Panel], names: Sequence[str]
) -> Group:
    """Return the hierarchy, in which the parent of a group is the smallest one that contains it.

    Members are panels or groups (group_NAME) or panels (rigid_group_NAME). The frame of a group has
    its origin in the middle of its panels, and the laboratory's axes.

    Raises
    ------
    FormatError
        A member does not exist, a group contains itself, or two overlap without containment.
    """
    sets: dict[str, frozenset[int]] = {}
    for name in groups:
        _members(path, name, groups, names, (), sets)
    chosen: dict[frozenset[int], str] = {}
    for name, members in sets.items():
        if len(members) > 1:
            chosen.setdefault(members, name)
    everything = frozenset(range(len(panels)))
    top = chosen.pop(everything, "")
    ordered = sorted(chosen, key=lambda s: (-len(s), min(s)))
    for i, one in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if one & other and not other < one:
                raise FormatError(
                    f"{path}: the groups {chosen[one]} and {chosen[other]} overlap; a panel is in "
                    "one group of each level"
                )

    def node(name: str, members: frozenset[int], below: Sequence[frozenset[int]]) -> Group:
        inside: list[Group] = []
        left = members
        for i, group in enumerate(below):
            if group <= left:
                inside.append(node(chosen[group], group, [s for s in below[i + 1 :] if s < group]))
                left -= group
        inside.sort(key=lambda g: min(g.all_panels()))
        return Group(
            name=name,
            origin=_middle([panels[i] for i in sorted(members)]),
            groups=tuple(inside),
            panels=tuple(sorted(left)),
        )

    return node(top, everything, ordered)


def _members(
    path: Path,
    name: str,
    groups: Mapping[str, tuple[str, ...]],
    names: Sequence[str],
    above: tuple[str, ...],
    known: dict[str, frozenset[int]],
) -> frozenset[int]:
    """Return the panels of a group and of those in it; `known` are those of groups until now."""
    if name in known:
        return known[name]
    if name in above or len(above) > _DEEPEST:
        fault = "in itself" if name in above else f"nested in more than {_DEEPEST} groups"
        raise FormatError(f"{path}: group {name} is {fault}")
    found: set[int] = set()
    for member in groups[name]:
        if member in groups and member != name:
            found |= _members(path, member, groups, names, (*above, name), known)
        elif member in names:
            found.add(names.index(member))
        else:
            raise FormatError(
                f"{path}: group {name} has {member}, which is neither a panel nor a group"
            )
    known[name] = frozenset(found)
    return known[name]


def _middle(panels: Sequence[Panel]) -> tuple[float, float, float]:
    return vector(np.mean([panel.centre for panel in panels], axis=0) + 0.0)


def group_lines(root: Group, names: Sequence[str]) -> list[str]:
    """Return the hierarchy as lines of a geometry file, the innermost groups first."""
    lines: list[str] = []
    used: set[str] = set(names)

    def write(group: Group, name: str) -> str:
        while name in used:
            name += "_"
        used.add(name)
        members = [names[i] for i in group.panels]
        members += [write(g, _word(g.name) or f"{name}_{i}") for i, g in enumerate(group.groups)]
        lines.append(f"group_{name} = {','.join(members)}")
        return name

    write(root, _word(root.name) or "all")
    return lines


def _word(name: str) -> str:
    """Return a name as a word valid in a geometry file."""
    return "".join(c if c.isalnum() or c == "_" else "_" for c in name.rsplit("/", 1)[-1])
