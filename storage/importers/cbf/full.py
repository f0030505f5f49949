"""The headers of full CBF images: axes, arrays and settings as imgCIF tables.

Source: the imgCIF dictionary (Bernstein & Hammersley 2005, International Tables for
Crystallography G).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Goniometer, Group, Panel
from dxdask.models.vectors import rotation_matrix, unit, vector
from dxdask.storage.importers.image_header import ImageHeader

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Axis:
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
        out = np.eye(4)
        out[:3, 3] = self.offset
        if self.kind == "rotation":
            out[:3, :3] = rotation_matrix(self.vector, np.deg2rad(self.value))
        elif self.kind == "translation":
            out[:3, 3] += self.vector * self.value
        return out


def read_full_header(path: Path, text: str, shapes: Sequence[tuple[int, int, int]]) -> ImageHeader:
    """Return the header of a full CBF; shapes: (section, slow, fast) of each of its arrays.

    Raises
    ------
    FormatError
        The header is not CIF, or lacks axes, arrays or the wavelength.
    """
    # The table of binary data is incomplete where the header was cut: it is dropped.
    cut = text.find("_array_data.")
    head = text[: cut if cut >= 0 else len(text)].rstrip().removesuffix("loop_")
    try:
        block = gemmi.cif.read_string(head).sole_block()
        axes = _axes(block)
        wavelength = float(block.find_value("_diffrn_radiation_wavelength.wavelength") or "nan")
        if not wavelength > 0:
            wavelength = float(_rows(block, "_diffrn_radiation_wavelength.")[0]["wavelength"])
        detector = _detector(path, block, axes, shapes)
        goniometer, oscillation = _goniometer(block, axes)
    except (RuntimeError, ValueError, KeyError, IndexError) as error:
        raise FormatError(
            f"{path}: its CBF header is incomplete ({type(error).__name__}: {error})"
        ) from error
    exposure = block.find_value("_diffrn_scan_frame.integration_time")
    return ImageHeader(
        beam=Beam(wavelength=wavelength),
        detector=detector,
        goniometer=goniometer,
        shape=(sum(s[0] * s[1] for s in shapes), shapes[0][2]),
        dtype="i4",
        oscillation=oscillation,
        exposure=_float(exposure or "") or None,
    )


def _rows(block: gemmi.cif.Block, category: str) -> list[Row]:
    table = block.find_mmcif_category(category)
    names = [tag[len(category) :] for tag in table.tags]
    return [dict(zip(names, (gemmi.cif.as_string(v) for v in row), strict=True)) for row in table]


def _float(text: str) -> float:
    return float(text) if text not in ("", ".", "?") else 0.0


def _axes(block: gemmi.cif.Block) -> dict[str, _Axis]:
    settings: dict[str, Row] = {}
    for category, names in (
        ("_diffrn_scan_axis.", ("angle_start", "displacement_start")),
        ("_diffrn_scan_frame_axis.", ("angle", "displacement")),
    ):
        for row in _rows(block, category):
            given = {
                k: row.get(n, "") for k, n in zip(("rotation", "translation"), names, strict=True)
            }
            settings.setdefault(row["axis_id"], {}).update(
                {k: v for k, v in given.items() if v not in ("", ".", "?")}
            )
    axes = {}
    for row in _rows(block, "_axis."):
        name, kind = row["id"], row["type"].lower()
        axes[name] = _Axis(
            name=name,
            kind=kind,
            equipment=row.get("equipment", "").lower(),
            depends_on=row.get("depends_on", "."),
            vector=unit([_float(row[f"vector[{i}]"]) for i in (1, 2, 3)]),
            offset=np.array([_float(row.get(f"offset[{i}]", "")) for i in (1, 2, 3)]),
            value=_float(settings.get(name, {}).get(kind, "")),
        )
    return axes


def _chain(axes: Mapping[str, _Axis], name: str) -> list[_Axis]:
    """Return an axis and those it depends on, the innermost first."""
    chain: list[_Axis] = []
    while name not in ("", ".", "?"):
        if len(chain) > len(axes):
            raise ValueError(f"axis {name} depends on itself")
        chain.append(axes[name])
        name = axes[name].depends_on
    return chain


def _placed(chain: Sequence[_Axis]) -> Floats:
    out = np.eye(4)
    for axis in chain:
        out = axis.matrix @ out
    return out


def _detector(
    path: Path,
    block: gemmi.cif.Block,
    axes: Mapping[str, _Axis],
    shapes: Sequence[tuple[int, int, int]],
) -> Detector:
    arrays = list(dict.fromkeys(r["array_id"] for r in _rows(block, "_array_structure_list.")))
    if len(arrays) != len(shapes):
        raise FormatError(f"{path}: {len(arrays)} arrays are described, and {len(shapes)} found")
    first_row = dict(
        zip(arrays, np.cumsum([0] + [s[0] * s[1] for s in shapes[:-1]]).tolist(), strict=True)
    )
    shape_of = dict(zip(arrays, shapes, strict=True))
    steps = {r["axis_set_id"]: r for r in _rows(block, "_array_structure_list_axis.")}
    trusted = {
        r["array_id"]: (
            _float(r.get("undefined_value", "-1")),
            _float(r.get("overload", "")) or 2e9,
        )
        for r in _rows(block, "_array_intensities.")
    }
    starts: dict[tuple[str, str], int] = {
        (r["id"], r["index"]): int(r["start"]) - 1
        for r in _rows(block, "_array_structure_list_section.")
    }
    pairs: dict[tuple[str, str], dict[str, Row]] = {}
    for row in _rows(block, "_array_structure_list."):
        if row.get("axis_set_id", ".") not in ("", ".", "?"):
            key = (row["array_id"], row.get("array_section_id", "."))
            pairs.setdefault(key, {})[row["precedence"]] = row
    panels, carriers = [], []
    for (array, section), by_precedence in pairs.items():
        fast, slow = by_precedence["1"], by_precedence["2"]
        x, y, z = (starts.get((section, i), 0) for i in "123")
        row0 = first_row[array] + z * shape_of[array][1] + y
        panel, chain = _panel(
            section if section not in ("", ".") else array, axes, steps, fast, slow
        )
        panels.append(
            Panel(**panel, offset=(x, row0), trusted_range=trusted.get(array, (-1.0, 2e9)))
        )
        carriers.append(chain)
    return Detector(panels=tuple(panels), root=_hierarchy(carriers))


def _panel(
    name: str, axes: Mapping[str, _Axis], steps: Mapping[str, Row], fast: Row, slow: Row
) -> tuple[dict[str, Any], list[_Axis]]:
    """Return a panel's position and the axes that carry it, without those along its pixels."""
    chains = [_chain(axes, steps[r["axis_set_id"]]["axis_id"]) for r in (fast, slow)]
    along = [c[0] for c in chains]
    pixel = [float(steps[r["axis_set_id"]]["displacement_increment"]) for r in (fast, slow)]
    shift = [_float(steps[r["axis_set_id"]]["displacement"]) for r in (fast, slow)]
    # The dictionary counts from the centre of the first pixel (half an increment); files that give
    # 0, as those of the CSPAD do, mean its corner.
    shift = [d - 0.5 * p if d else 0.0 for d, p in zip(shift, pixel, strict=True)]
    inner = max(chains, key=len)
    frame = _placed(inner)
    rotated = [_placed(c[1:])[:3, :3] @ c[0].vector for c in chains]
    origin = frame[:3, 3] + rotated[0] * shift[0] + rotated[1] * shift[1]
    carriers = [a for a in inner if a.name not in {b.name for b in along}]
    place: dict[str, Any] = {
        "name": name,
        "origin": vector(origin + 0.0),
        "fast_axis": vector(rotated[0] + 0.0),
        "slow_axis": vector(rotated[1] + 0.0),
        "pixel_size": (pixel[0], pixel[1]),
        "image_size": (int(fast["dimension"]), int(slow["dimension"])),
    }
    return place, carriers


def _hierarchy(carriers: Sequence[Sequence[_Axis]]) -> Group:
    """Return the groups: one a rotation that carries more than one panel or group."""

    def group(name: str, frame: Floats, members: list[tuple[int, list[_Axis]]]) -> Group:
        below: dict[str, list[tuple[int, list[_Axis]]]] = {}
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


def _last(chain: Sequence[_Axis], n_inner: int) -> _Axis:
    return chain[n_inner]


def _goniometer(
    block: gemmi.cif.Block, axes: Mapping[str, _Axis]
) -> tuple[Goniometer | None, tuple[float, float]]:
    turning = [a for a in axes.values() if a.equipment == "goniometer" and a.kind == "rotation"]
    if not turning:
        return None, (0.0, 0.0)
    chain = max((_chain(axes, a.name) for a in turning), key=len)
    chain = [a for a in chain if a.kind == "rotation"]
    widths = {
        r["axis_id"]: _float(r.get("angle_increment", ""))
        for r in _rows(block, "_diffrn_scan_axis.")
    }
    names = [a.name for a in chain]
    scan_axis = next((i for i, n in enumerate(names) if widths.get(n)), len(chain) - 1)
    goniometer = Goniometer(
        axes=tuple(vector(a.vector) for a in chain),
        angles=tuple(a.value for a in chain),
        names=tuple(names),
        scan_axis=scan_axis,
    )
    return goniometer, (chain[scan_axis].value, widths.get(names[scan_axis], 0.0))
