"""The detector of an NXmx file: its modules as panels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Group, Panel
from dxdask.models.vectors import Vector, unit, vector
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF, Axis, axis_chain, transformation
from dxdask.storage.importers.nxmx.count_rate import count_rate_of
from dxdask.storage.importers.nxmx.detector_sizes import modules_of
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    first_number,
    present,
    where,
)
from dxdask.storage.importers.nxmx.module_place import rectangles_of
from dxdask.storage.importers.nxmx.place import flat_panel, placed
from dxdask.storage.importers.nxmx.sensor import sensor_of, trusted_range_of

_DEFAULT = {"fast_pixel_direction": (-1.0, 0.0, 0.0), "slow_pixel_direction": (0.0, -1.0, 0.0)}
_SIZES = {"fast_pixel_direction": "x_pixel_size", "slow_pixel_direction": "y_pixel_size"}
_SQUARE = 0.01  # cosine of the angle between fast and slow


@dataclass(slots=True)
class _Node:
    """An axis that carries modules, while the hierarchy is built."""

    name: str = ""
    frame: Floats = field(default_factory=lambda: np.eye(4))
    nodes: dict[str, _Node] = field(default_factory=dict)
    panels: list[int] = field(default_factory=list)

    def group(self) -> Group:
        return Group(
            name=self.name,
            fast_axis=vector(self.frame[:3, 0]),
            slow_axis=vector(self.frame[:3, 1]),
            origin=vector(self.frame[:3, 3] + 0.0),
            groups=tuple(n.group() for n in self.nodes.values()),
            panels=tuple(self.panels),
        )


def detector_of(
    group: h5py.Group,
    wavelength: float,
    frame_shape: tuple[int, int],
    dtype: str,
    found: Findings,
) -> Detector:
    """Return the detector of an NXdetector group; its modules are panels.

    Raises
    ------
    FormatError
        A module is not within the frame.
    """
    common = {
        **sensor_of(group, wavelength, found),
        "trusted_range": trusted_range_of(group, dtype, found),
        "count_rate": count_rate_of(group, found),
    }
    modules = modules_of(group)
    if not modules:
        return Detector(panels=(flat_panel(group, frame_shape, common, found),))
    rectangles = rectangles_of(modules, frame_shape, found)
    panels, root = [], _Node()
    for index, (module, rectangle) in enumerate(zip(modules, rectangles, strict=True)):
        panel, chain = _module_panel(group, module, rectangle, common, found)
        panels.append(panel)
        node = root
        for depth in range(len(chain) if len(modules) > 1 else 0):
            carried = chain[len(chain) - depth - 1 :]
            path = carried[0].path
            frame = transformation(carried)
            node = node.nodes.setdefault(path, _Node(name=path, frame=frame))
        node.panels.append(index)
    return placed(Detector(panels=tuple(panels), root=root.group()), group, found)


def _module_panel(
    group: h5py.Group,
    module: h5py.Group,
    rectangle: tuple[tuple[int, int], tuple[int, int]],
    common: dict[str, Any],
    found: Findings,
) -> tuple[Panel, list[Axis]]:
    """Return the panel and the axes that carry it, the innermost first, without its own offset."""
    offset, size = rectangle
    panel = Panel(
        name=str(module.name),
        origin=(0.0, 0.0, 0.0),
        fast_axis=(1.0, 0.0, 0.0),
        slow_axis=(0.0, -1.0, 0.0),
        pixel_size=_pixel_size(group, module, found),
        image_size=size,
        offset=offset,
        **common,
    )
    try:
        origin, carriers = _origin(module, found)
        panel = replace(panel, origin=origin)
        fast, slow = _direction(module, "fast"), _direction(module, "slow")
    except FormatError as error:
        found.lacks("origin", error)
        return panel, []
    if abs(float(np.dot(fast, slow))) > _SQUARE:
        found.lacks("axes", f"{where(module)}: rows and columns of pixels are not at right angles")
        return panel, carriers
    return replace(panel, fast_axis=fast, slow_axis=slow), carriers


def _origin(module: h5py.Group, found: Findings) -> tuple[Vector, list[Axis]]:
    """Return the place of the first pixel and the axes that carry it.

    It is the end of the chain of the pixel directions, their own offset included. Where that does
    not come by the module's offset, the module's offset is its place, unless it is none.

    Raises
    ------
    FormatError
        An axis is missing, or makes no sense.
    """
    by_offset, carriers = None, []
    offset_item = present(module, "module_offset")
    if offset_item is not None:
        chain = axis_chain(offset_item)
        by_offset, carriers = transformation(chain), chain[1:]
        is_null = not np.any(chain[0].offset) and not np.any(chain[0].values)
    chains = [axis_chain(d) for n in _DEFAULT if (d := present(module, n)) is not None]
    own = [c for c in chains if np.any(c[0].offset)]
    through = [c for c in own if offset_item is None or offset_item.name in (a.path for a in c[1:])]
    if by_offset is not None and not is_null:
        own = through
    if len(own) == 2 and not np.allclose(own[0][0].offset, own[1][0].offset, atol=1e-6):
        found.note(
            f"{where(module)}: fast_pixel_direction and slow_pixel_direction have different "
            "offsets: that of the fast one is used"
        )
    if own:
        chain = [replace(own[0][0], values=np.zeros(1)), *own[0][1:]]
        return vector(transformation(chain)[:3, 3] + 0.0), carriers or chain[1:]
    if by_offset is not None:
        return vector(by_offset[:3, 3] + 0.0), carriers
    if not chains:
        return (0.0, 0.0, 0.0), []
    chain = chains[0][1:]
    return vector(transformation(chain)[:3, 3] + 0.0), chain


def _direction(module: h5py.Group, name: str) -> Vector:
    """Return the direction of a row or column of pixels in the laboratory.

    One that depends on nothing is carried as the module's offset is.
    """
    field_name = f"{name}_pixel_direction"
    item = present(module, field_name)
    own = _DEFAULT[field_name]
    carriers: list[Axis] = []
    if item is not None:
        axis, *carriers = axis_chain(item)
        own = vector(axis.vector)
    offset = present(module, "module_offset")
    if not carriers and offset is not None:
        carriers = axis_chain(offset)
    return vector(unit(transformation(carriers)[:3, :3] @ (TO_IMGCIF @ own)) + 0.0)


def _pixel_size(group: h5py.Group, module: h5py.Group, found: Findings) -> tuple[float, float]:
    """Return the size of a pixel along fast and slow, mm."""
    sizes = []
    for direction, name in _SIZES.items():
        size = None
        try:
            size = first_number(module, (direction,), "length", "mm")
            size = first_number(group, (name,), "length", "m") if not _is_size(size) else size
        except FormatError as error:
            found.lacks("pixel_size", error)
        if size is None or not _is_size(size):
            found.lacks(
                "pixel_size", f"{where(module)}: {direction} and {name} have no size of a pixel"
            )
            size = 0.1
        sizes.append(size)
    return sizes[0], sizes[1]


def _is_size(value: float | None) -> bool:
    return value is not None and 0.0 < value < 1e6
