"""Geometry of panels as plain JSON: their positions in the laboratory and in the stored frame.

`panels` is a list of objects with `origin` (mm), `fast` and `slow` (imgCIF: beam along -z, y up)
and `data_origin_slow_fast`; `pixel_size_mm` and `image_size_fast_slow` are given for all, or by a
panel itself. `beam_direction` is that of the photons. `groups`, nested, may give the hierarchy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Group, Panel
from dxdask.models.vectors import unit, vector

MOST_BYTES = 1 << 24


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    FormatError
        It is too long, or not a JSON object.
    """
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise FormatError(f"{path} is not a geometry: it is longer than {MOST_BYTES} bytes")
    return parsed(data, str(path))


def parsed(data: bytes | str, where: str) -> dict[str, Any]:
    """Return the object in a text of JSON; `where` names its origin in errors."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON ({error})") from error
    if not isinstance(found, dict):
        raise FormatError(f"{where} holds no JSON object but {type(found).__name__}")
    return found


def models_of(values: Mapping[str, Any], where: str) -> tuple[Detector, Beam]:
    """Return the detector and the beam (of 1 Angstrom where no wavelength is given).

    Raises
    ------
    FormatError
        Something is missing or not a number, or axes are not at right angles.
    """
    try:
        panels = tuple(
            _panel({**values, **panel}, i, where) for i, panel in enumerate(values["panels"])
        )
        if not panels:
            raise FormatError(f"{where} has no panel")
        root = _group({"groups": values["groups"]}, panels) if "groups" in values else Group()
        beam = _beam(values)
        numbers = [(*p.origin, *p.fast_axis, *p.slow_axis, *p.pixel_size) for p in panels]
        if not np.all(np.isfinite(numbers)):
            raise ValueError("a number is not finite")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        if isinstance(error, FormatError):
            raise
        what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"{where} is not a geometry of panels: {what}") from error
    return Detector(panels=panels, root=root), beam


def _panel(given: Mapping[str, Any], index: int, where: str) -> Panel:
    fast, slow = unit(_three(given["fast"])), unit(_three(given["slow"]))
    if abs(float(fast @ slow)) > 1e-3:
        raise FormatError(f"{where}: fast and slow of panel {index} are not at right angles")
    size = np.broadcast_to(np.asarray(given["pixel_size_mm"], dtype=np.float64), (2,))
    width, height = (int(n) for n in given["image_size_fast_slow"])
    y, x = (int(n) for n in given.get("data_origin_slow_fast", (0, 0)))
    if min(width, height) < 1 or min(x, y) < 0 or not np.all(size > 0):
        raise FormatError(f"{where}: panel {index} has no pixels, or begins outside of the frame")
    low, high = given.get("trusted_range", (-1e9, 1e9))
    return Panel(
        name=str(given.get("name", f"p{index}")),
        origin=vector(_three(given["origin"])),
        fast_axis=vector(fast + 0.0),
        slow_axis=vector(slow + 0.0),
        pixel_size=(float(size[0]), float(size[1])),
        image_size=(width, height),
        offset=(x, y),
        trusted_range=(float(low), float(high)),
        gain=float(given.get("gain", 1.0)),
    )


def _three(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    found = np.asarray(values, dtype=np.float64)
    if found.shape != (3,):
        raise ValueError(f"{values} are not three numbers")
    return found


def _beam(values: Mapping[str, Any]) -> Beam:
    along = unit(_three(values.get("beam_direction", (0.0, 0.0, -1.0))))
    electric = unit(_three(values.get("polarization_E_vector", (1.0, 0.0, 0.0))))
    return Beam(
        direction=vector(-along + 0.0),
        wavelength=float(values.get("wavelength_A", 1.0)),
        polarization_normal=vector(unit(np.cross(electric, along)) + 0.0),
    )


def _group(given: Mapping[str, Any], panels: tuple[Panel, ...]) -> Group:
    names = [p.name for p in panels]
    own = tuple(names.index(p) if isinstance(p, str) else int(p) for p in given.get("panels", ()))
    if any(not 0 <= i < len(panels) for i in own):
        raise ValueError(f"a group has panels {own} of {len(panels)}")
    return Group(
        name=str(given.get("name", "")),
        origin=vector(_three(given.get("origin", (0.0, 0.0, 0.0)))),
        groups=tuple(_group(g, panels) for g in given.get("groups", ())),
        panels=own,
    )


def json_geometry(detector: Detector, beam: Beam) -> dict[str, Any]:
    """Return the models in the same form."""

    def group(node: Group) -> dict[str, Any]:
        return {
            "name": node.name,
            "origin": list(node.origin),
            "panels": list(node.panels),
            "groups": [group(g) for g in node.groups],
        }

    electric = np.cross(np.asarray(beam.direction), np.asarray(beam.polarization_normal))
    return {
        "frame": "imgCIF/dxtbx: beam along -z, y up, mm",
        "beam_direction": [-x + 0.0 for x in beam.direction],
        "polarization_E_vector": [-x + 0.0 for x in electric],
        "wavelength_A": beam.wavelength,
        "panels": [
            {
                "name": p.name,
                "origin": list(p.origin),
                "fast": list(p.fast_axis),
                "slow": list(p.slow_axis),
                "pixel_size_mm": list(p.pixel_size),
                "image_size_fast_slow": list(p.image_size),
                "data_origin_slow_fast": [p.offset[1], p.offset[0]],
                "trusted_range": list(p.trusted_range),
                "gain": p.gain,
            }
            for p in detector.panels
        ],
        "groups": [group(g) for g in _below(detector.root)],
    }


def _below(root: Group) -> tuple[Group, ...]:
    return root.groups if root.groups and not root.panels else (root,)
