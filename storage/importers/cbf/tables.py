"""Tables of full CBF headers: rows of categories, axes and the chains that they form.

Source: the imgCIF dictionary (Bernstein & Hammersley 2005, International Tables for
Crystallography G).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.models.vectors import rotation_matrix, unit

Row = dict[str, str]
EMPTY = ("", ".", "?")
_LARGEST = 1e12


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis and its setting on this frame; value in degrees or mm."""

    name: str
    kind: str
    equipment: str
    depends_on: str
    vector: Floats
    offset: Floats
    value: float

    @property
    def matrix(self) -> Floats:
        """The motion (4, 4), mm, by the setting of the axis."""
        out = np.eye(4)
        out[:3, 3] = self.offset
        if self.kind == "rotation":
            out[:3, :3] = rotation_matrix(self.vector, np.deg2rad(self.value))
        elif self.kind == "translation":
            out[:3, 3] += self.vector * self.value
        return out


def rows_of(block: gemmi.cif.Block, category: str) -> list[Row]:
    """Return the rows of a category, such as "_axis.", whether it is a loop or not."""
    table = block.find_mmcif_category(category)
    names = [tag[len(category) :] for tag in table.tags]
    return [dict(zip(names, (gemmi.cif.as_string(v) for v in row), strict=True)) for row in table]


def number(text: str) -> float:
    """Return the number of an item, 0 where it has no value.

    Raises
    ------
    ValueError
        It is not a number, or larger than any of a header.
    """
    if text in EMPTY:
        return 0.0
    # a standard uncertainty may follow in brackets
    value = float(text.partition("(")[0])
    if not abs(value) < _LARGEST:
        raise ValueError(f"{text} is beyond all numbers of headers")
    return value


def axes_of(block: gemmi.cif.Block) -> dict[str, Axis]:
    """Return the axes by name, with their settings on the frame of the file."""
    settings: dict[str, Row] = {}
    for category, names in (
        ("_diffrn_scan_axis.", ("angle_start", "displacement_start")),
        ("_diffrn_scan_frame_axis.", ("angle", "displacement")),
    ):
        for row in rows_of(block, category):
            given = {
                k: row.get(n, "") for k, n in zip(("rotation", "translation"), names, strict=True)
            }
            settings.setdefault(row["axis_id"], {}).update(
                {k: v for k, v in given.items() if v not in EMPTY}
            )
    axes = {}
    for row in rows_of(block, "_axis."):
        name, kind = row["id"], row["type"].lower()
        axes[name] = Axis(
            name=name,
            kind=kind,
            equipment=row.get("equipment", "").lower(),
            depends_on=row.get("depends_on", "."),
            vector=_direction(row),
            offset=np.array([number(row.get(f"offset[{i}]", "")) for i in (1, 2, 3)]),
            value=number(settings.get(name, {}).get(kind, "")),
        )
    return axes


def chain_of(axes: Mapping[str, Axis], name: str) -> list[Axis]:
    """Return an axis and those it depends on, the innermost first."""
    chain: list[Axis] = []
    while name not in EMPTY:
        if len(chain) > len(axes):
            raise ValueError(f"axis {name} depends on itself")
        chain.append(axes[name])
        name = axes[name].depends_on
    return chain


def placed(chain: Sequence[Axis]) -> Floats:
    """Return the motion (4, 4), mm, of what the axes of a chain carry."""
    out = np.eye(4)
    for axis in chain:
        out = axis.matrix @ out
    return out


def _direction(row: Row) -> Floats:
    values = [number(row.get(f"vector[{i}]", "")) for i in (1, 2, 3)]
    if np.linalg.norm(values) < 1e-9:
        if row["type"].lower() in ("rotation", "translation"):
            raise ValueError(f"axis {row['id']} has no direction")
        return np.array([0.0, 0.0, 1.0])
    return unit(values)
