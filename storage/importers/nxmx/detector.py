"""The detector of an NXmx file: its modules as panels, its mask and its sensor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Detector, Group, Panel
from dxdask.models.attenuation import absorption, material_name
from dxdask.models.vectors import unit, vector
from dxdask.storage.importers.nxmx.axes import (
    TO_IMGCIF,
    Axis,
    axis_chain,
    follow,
    loaded,
    numbers,
    refuse_raw_storage,
    text,
    transformation,
)


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
    group: h5py.Group, wavelength: float, frame_shape: tuple[int, int], dtype: str
) -> Detector:
    """Return the detector of an NXdetector group; its modules are panels.

    Raises
    ------
    FormatError
        A module is incomplete or not within the frame.
    """
    common = {**_sensor(group, wavelength), "trusted_range": _trusted_range(group, dtype)}
    modules = [g for g in group.values() if _is_module(g)]
    if not modules:
        return Detector(panels=(_flat_panel(group, frame_shape, common),))
    panels, root = [], _Node()
    for index, module in enumerate(modules):
        panel, chain = _module_panel(module, frame_shape, common)
        panels.append(panel)
        node = root
        for depth in range(len(chain) if len(modules) > 1 else 0):
            carried = chain[len(chain) - depth - 1 :]
            path = carried[0].path
            frame = transformation(carried)
            node = node.nodes.setdefault(path, _Node(name=path, frame=frame))
        node.panels.append(index)
    return Detector(panels=tuple(panels), root=root.group())


def _is_module(item: Any) -> bool:
    if not isinstance(item, h5py.Group):
        return False
    return text(item.attrs.get("NX_class", "")) == "NXdetector_module"


def _module_panel(
    module: h5py.Group, frame_shape: tuple[int, int], common: dict[str, Any]
) -> tuple[Panel, list[Axis]]:
    """Return the panel and the axes that carry it, the innermost first, without its own offset."""
    where = f"{module.file.filename}: {module.name}"
    missing = [
        n
        for n in ("data_origin", "data_size", "fast_pixel_direction", "slow_pixel_direction")
        if n not in module
    ]
    if missing:
        raise FormatError(f"{where} lacks {', '.join(missing)}, which NXmx requires")
    fast, fast_size = _direction(module["fast_pixel_direction"])
    slow, slow_size = _direction(module["slow_pixel_direction"])
    if "module_offset" in module:
        chain = axis_chain(module["module_offset"])
        origin, carriers = transformation(chain)[:3, 3], chain[1:]
    else:
        following = follow(
            module, text(module["fast_pixel_direction"].attrs.get("depends_on", "."))
        )
        carriers = axis_chain(following) if following is not None else []
        own = np.asarray(module["fast_pixel_direction"].attrs.get("offset", np.zeros(3)))
        frame = transformation(carriers)
        origin = frame[:3, :3] @ (TO_IMGCIF @ own) + frame[:3, 3]
    offset, size = _rectangle(module, frame_shape)
    panel = Panel(
        name=str(module.name),
        origin=vector(origin + 0.0),
        fast_axis=fast,
        slow_axis=slow,
        pixel_size=(fast_size, slow_size),
        image_size=size,
        offset=offset,
        **common,
    )
    return panel, carriers


def _direction(item: h5py.Dataset) -> tuple[tuple[float, float, float], float]:
    """Return the direction of a row or column of pixels in the laboratory, and a pixel's mm."""
    axis, *carriers = axis_chain(item)
    direction = transformation(carriers)[:3, :3] @ (TO_IMGCIF @ axis.vector)
    size = float(axis.values[0])
    if not size > 0:
        raise FormatError(f"{item.file.filename}: {item.name} gives pixels of {size} mm")
    return vector(unit(direction) + 0.0), size


def _rectangle(
    module: h5py.Group, frame_shape: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return first pixel and size, (fast, slow) each, of a module in the stored frame."""
    first = [int(n) for n in np.atleast_1d(loaded(module["data_origin"]))]
    size = [int(n) for n in np.atleast_1d(loaded(module["data_size"]))]
    if len(first) == 3 and len(size) in (2, 3):
        # Frames (image, module, slow, fast) are stored with their modules stacked along slow.
        if len(size) == 2:
            size = [1, *size]
        first = [first[0] * size[1] + first[1], first[2]]
        size = [size[0] * size[1], size[2]]
    inside = (
        len(first) == len(size) == 2
        and min(first) >= 0
        and min(size) > 0
        and all(a + b <= n for a, b, n in zip(first, size, frame_shape, strict=True))
    )
    if not inside:
        raise FormatError(
            f"{module.file.filename}: {module.name} is at {first} with size {size} (slow, fast), "
            f"outside the frames of {frame_shape}"
        )
    return (first[1], first[0]), (size[1], size[0])


def _flat_panel(group: h5py.Group, frame_shape: tuple[int, int], common: dict[str, Any]) -> Panel:
    """Return the panel of a file without modules: distance, beam centre and pixel size alone."""
    names = ("x_pixel_size", "y_pixel_size", "beam_center_x", "beam_center_y")
    distance = next((n for n in ("distance", "detector_distance") if n in group), None)
    missing = [n for n in names if n not in group] + ([] if distance else ["distance"])
    if missing or distance is None:
        raise FormatError(
            f"{group.file.filename}: {group.name} has no NXdetector_module and lacks "
            f"{', '.join(missing)}; there is no geometry in the file"
        )
    pixel = tuple(float(numbers(group[n], "m")[0]) for n in names[:2])
    x, y = (float(numbers(group[n], "pixel")[0]) for n in names[2:])
    return Panel(
        name=str(group.name),
        origin=(-x * pixel[0], y * pixel[1], -float(numbers(group[distance], "m")[0])),
        pixel_size=(pixel[0], pixel[1]),
        image_size=(frame_shape[1], frame_shape[0]),
        **common,
    )


def _sensor(group: h5py.Group, wavelength: float) -> dict[str, Any]:
    if "sensor_material" not in group or "sensor_thickness" not in group:
        return {}
    material = material_name(text(group["sensor_material"]))
    thickness = float(numbers(group["sensor_thickness"], "m")[0])
    if not thickness > 0.0:
        return {"material": material}
    mu = absorption(material, wavelength)
    return {"material": material, "thickness": thickness, "mu": mu, "use_parallax": True}


def _trusted_range(group: h5py.Group, dtype: str) -> tuple[float, float]:
    """Return the trusted range.

    As in dxtbx 3.12, the saturation value is the first count above the range, and the underload
    value the lowest within; without one, signed integers and real numbers have no lower limit.
    """
    kind = np.dtype(dtype)
    lowest = {"u": -1.0, "f": -np.inf}
    low = float(lowest.get(kind.kind, np.iinfo(kind).min if kind.kind == "i" else -1.0))
    if "underload_value" in group:
        low = numbers(group["underload_value"])[0] - 1.0
    for name in ("saturation_value", "detectorSpecific/countrate_correction_count_cutoff"):
        if isinstance(group.get(name), h5py.Dataset):
            return float(low), float(numbers(group[name])[0])
    return float(low), float(np.iinfo(kind).max) if kind.kind in "iu" else float("inf")


def pixel_mask(
    group: h5py.Group, detector: Detector, frame_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return the mask (slow, fast), true on panels where the file's pixel_mask marks nothing.

    Raises
    ------
    FormatError
        The mask has another shape than the frames.
    """
    good = detector.panel_map(frame_shape) >= 0
    for name in ("pixel_mask", "detectorSpecific/pixel_mask"):
        found = group.get(name)
        if isinstance(found, h5py.Dataset):
            n_pixels = int(np.prod(found.shape, dtype=np.int64))
            if n_pixels != frame_shape[0] * frame_shape[1]:
                raise FormatError(
                    f"{group.file.filename}: {found.name} is {found.shape}, the frames "
                    f"{frame_shape}"
                )
            refuse_raw_storage(found)
            return np.asarray(good & (found[()].reshape(frame_shape) == 0))
    return np.asarray(good)
