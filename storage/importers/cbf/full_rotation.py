"""The goniometer and the rotation of one frame in the tables of a full CBF."""

from __future__ import annotations

from collections.abc import Mapping

import gemmi

from dxdask.models import Goniometer
from dxdask.models.vectors import vector
from dxdask.storage.importers.cbf.tables import EMPTY, Axis, Row, chain_of, number, rows_of


def rotation_of(
    block: gemmi.cif.Block, axes: Mapping[str, Axis]
) -> tuple[Goniometer | None, tuple[float, float], int | None]:
    """Return goniometer, oscillation (start and width, degree) and decimals of the start.

    The axis that turns is the one with an increment, which may be negative. A frame without a
    setting of its own has the scan's start and the increments of the frames before it.
    """
    turning = [a for a in axes.values() if a.equipment == "goniometer" and a.kind == "rotation"]
    if not turning:
        return None, (0.0, 0.0), None
    chain = max((chain_of(axes, a.name) for a in turning), key=len)
    chain = [a for a in chain if a.kind == "rotation"]
    scan = {r["axis_id"]: r for r in rows_of(block, "_diffrn_scan_axis.")}
    frame = {r["axis_id"]: r for r in rows_of(block, "_diffrn_scan_frame_axis.")}
    widths = {name: _width(row, frame.get(name, {})) for name, row in scan.items()}
    names = [a.name for a in chain]
    scan_axis = next((i for i, n in enumerate(names) if widths.get(n)), len(chain) - 1)
    name = names[scan_axis]
    width = widths.get(name, 0.0)
    start = chain[scan_axis].value
    own = frame.get(name, {}).get("angle", "")
    row = scan.get(name, {})
    if own in EMPTY and abs(number(row.get("angle_range", ""))) > 1.5 * abs(width):
        start += (_frame_number(block) - 1) * width
    text = row.get("angle_start", "") if own in EMPTY else own
    goniometer = Goniometer(
        axes=tuple(vector(a.vector) for a in chain),
        angles=tuple(a.value for a in chain),
        names=tuple(names),
        scan_axis=scan_axis,
    )
    return goniometer, (start, width), len(text.partition(".")[2])


def _width(scan: Row, frame: Row) -> float:
    """Return the increment of an axis on a frame; a scan without one turns by its whole range."""
    own = number(frame.get("angle_increment", ""))
    increment = own or number(scan.get("angle_increment", ""))
    if increment or scan.get("angle_increment", "") not in EMPTY:
        return increment
    return number(scan.get("angle_range", ""))


def _frame_number(block: gemmi.cif.Block) -> int:
    rows = rows_of(block, "_diffrn_scan_frame.")
    return max(int(number(rows[0].get("frame_number", ""))), 1) if rows else 1
