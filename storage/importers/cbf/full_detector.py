"""The detector in the tables of a full CBF: panels, and the axes that carry them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Group, Panel
from dxdask.models.vectors import vector
from dxdask.storage.importers.cbf.tables import EMPTY, Axis, Row, chain_of, number, placed, rows_of


def detector_of(
    path: Path,
    block: gemmi.cif.Block,
    axes: Mapping[str, Axis],
    shapes: Sequence[tuple[int, int, int]],
) -> Detector:
    """Return the detector; shapes: (section, slow, fast) of the arrays in the file.

    Raises
    ------
    FormatError
        The tables describe other arrays than the file has, or panels beyond them.
    ValueError, KeyError, IndexError
        A table is incomplete.
    """
    arrays = list(dict.fromkeys(r["array_id"] for r in rows_of(block, "_array_structure_list.")))
    if len(arrays) != len(shapes):
        raise FormatError(f"{path}: {len(arrays)} arrays are described, and {len(shapes)} found")
    first_row = dict(
        zip(arrays, np.cumsum([0] + [s[0] * s[1] for s in shapes[:-1]]).tolist(), strict=True)
    )
    shape_of = dict(zip(arrays, shapes, strict=True))
    steps = {r["axis_set_id"]: r for r in rows_of(block, "_array_structure_list_axis.")}
    intensities = {r["array_id"]: r for r in rows_of(block, "_array_intensities.")}
    kind = _sensor_type(block)
    starts: dict[tuple[str, str], int] = {
        (r["id"], r["index"]): int(r["start"]) - 1
        for r in rows_of(block, "_array_structure_list_section.")
    }
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows_of(block, "_array_structure_list."):
        if row.get("axis_set_id", ".") not in EMPTY:
            key = (row["array_id"], row.get("array_section_id", "."))
            pairs.setdefault(key, {})[row["precedence"]] = row
    panels, carriers = [], []
    for (array, section), by_precedence in pairs.items():
        fast, slow = by_precedence["1"], by_precedence["2"]
        x, y, z = (starts.get((section, i), 0) for i in "123")
        row0 = first_row[array] + z * shape_of[array][1] + y
        panel, chain = _panel(section if section not in EMPTY else array, axes, steps, fast, slow)
        depth, height, width = shape_of[array]
        columns, rows = panel["image_size"]
        if x + columns > width or z * height + y + rows > depth * height:
            raise FormatError(
                f"{path}: panel {panel['name']} has {columns} x {rows} pixels (fast, slow), its "
                f"array {width} x {depth * height}"
            )
        panels.append(
            Panel(**panel, type=kind, offset=(x, row0), **_counts(intensities.get(array, {})))
        )
        carriers.append(chain)
    return Detector(panels=tuple(panels), root=_hierarchy(carriers))


def _counts(row: Row) -> dict[str, Any]:
    """Return limits, gain and pedestal of an array; the gain is counts per photon.

    An offset is what is added to the values (linearity "offset"), so a pedestal of the other sign.
    """
    gain = number(row.get("gain", ""))
    offset = number(row.get("offset", "")) if row.get("linearity", "").lower() == "offset" else 0.0
    low = row.get("undefined_value", "")
    return {
        "trusted_range": (
            number(low) if low not in EMPTY else -1.0,
            number(row.get("overload", "")) or 2e9,
        ),
        "gain": gain if gain > 0 else 1.0,
        "pedestal": 0.0 - offset,
    }


def _sensor_type(block: gemmi.cif.Block) -> str:
    """Return the kind of the detector, by the texts of `_diffrn_detector`."""
    rows = rows_of(block, "_diffrn_detector.")
    text = " ".join(r.get(k, "") for r in rows for k in ("detector", "type", "details")).lower()
    if re.search(r"\bccd|ccd\b|adsc q|rayonix|mx-?\d{3}|saturn", text):
        return "SENSOR_CCD"
    if re.search(r"image.?plate|\bip\b|mar345|r-?axis", text):
        return "SENSOR_IMAGE_PLATE"
    return "SENSOR_PAD"


def _panel(
    name: str, axes: Mapping[str, Axis], steps: Mapping[str, Row], fast: Row, slow: Row
) -> tuple[dict[str, Any], list[Axis]]:
    """Return a panel's position and the axes that carry it, without those along its pixels."""
    chains = [chain_of(axes, steps[r["axis_set_id"]]["axis_id"]) for r in (fast, slow)]
    along = [c[0] for c in chains]
    pixel = [number(steps[r["axis_set_id"]]["displacement_increment"]) for r in (fast, slow)]
    if not all(5e-4 <= abs(p) <= 5.0 for p in pixel):
        raise ValueError(f"pixels of {pixel} mm")
    shift = [number(steps[r["axis_set_id"]]["displacement"]) for r in (fast, slow)]
    # The dictionary counts from the centre of the first pixel (half an increment); files that give
    # 0, as those of the CSPAD do, mean its corner.
    shift = [d - 0.5 * p if d else 0.0 for d, p in zip(shift, pixel, strict=True)]
    inner = max(chains, key=len)
    frame = placed(inner)
    rotated = [placed(c[1:])[:3, :3] @ c[0].vector for c in chains]
    origin = frame[:3, 3] + rotated[0] * shift[0] + rotated[1] * shift[1]
    # Pixels may count against their axis.
    rotated = [v * np.sign(p) for v, p in zip(rotated, pixel, strict=True)]
    if abs(float(np.dot(*rotated))) > 0.01:
        raise ValueError("rows and columns of pixels are not at right angles")
    carriers = [a for a in inner if a.name not in {b.name for b in along}]
    place: dict[str, Any] = {
        "name": name,
        "origin": vector(origin + 0.0),
        "fast_axis": vector(rotated[0] + 0.0),
        "slow_axis": vector(rotated[1] + 0.0),
        "pixel_size": (abs(pixel[0]), abs(pixel[1])),
        "image_size": (int(fast["dimension"]), int(slow["dimension"])),
    }
    return place, carriers


def _hierarchy(carriers: Sequence[Sequence[Axis]]) -> Group:
    """Return the groups: one a rotation that carries more than one panel or group."""

    def group(name: str, frame: Floats, members: list[tuple[int, list[Axis]]]) -> Group:
        below: dict[str, list[tuple[int, list[Axis]]]] = {}
        panels = []
        for index, chain in members:
            if chain:
                below.setdefault(chain[-1].name, []).append((index, chain[:-1]))
            else:
                panels.append(index)
        groups = tuple(
            group(key, frame @ _last(carriers[m[0][0]], len(m[0][1])).matrix, m)
            for key, m in below.items()
        )
        # A node with one child only is skipped.
        if len(groups) == 1 and not panels:
            return groups[0]
        single = [g for g in groups if len(g.panels) == 1 and not g.groups]
        return Group(
            name=name,
            origin=vector(frame[:3, 3] + 0.0),
            fast_axis=vector(frame[:3, 0]),
            slow_axis=vector(frame[:3, 1]),
            groups=tuple(g for g in groups if g not in single),
            panels=tuple(sorted([*panels, *(g.panels[0] for g in single)])),
        )

    return group("", np.eye(4), [(i, list(chain)) for i, chain in enumerate(carriers)])


def _last(chain: Sequence[Axis], n_inner: int) -> Axis:
    return chain[n_inner]
