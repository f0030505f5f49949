"""Panels of a geometry: place, limits of the counts, gain, pixels without use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import Panel
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.models.vectors import unit, vector
from dxdask.storage.importers.crystfel.text import (
    GeometryText,
    direction,
    number,
    truth,
    whole_number,
)
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF

LARGEST = 1e9
"""A limit of trusted values where the file gives none."""

_SKEW = 1e-2  # cosine of the angle between fs and ss


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Values that panels share.

    Attributes
    ----------
    clen : m, to which coffset is added; of each panel.
    shift : of the detector along x and y of CrystFEL's frame, m.
    wavelength : Angstrom, None where it is not known. is_electron : of electrons.
    """

    clen: Mapping[str, float]
    shift: tuple[float, float]
    wavelength: float | None
    is_electron: bool


def panel_of(file: GeometryText, name: str, row: int, around: Surroundings) -> Panel:
    """Return a panel; `row` is where its plane of the data begins in the stored frame.

    Raises
    ------
    FormatError
        A value is missing or invalid.
    """
    given = file.panels[name]
    left, right, top, bottom = (
        whole_number(file.path, f"{name}/{key}", _text(file, name, key))
        for key in ("min_fs", "max_fs", "min_ss", "max_ss")
    )
    if right < left or bottom < top or left < 0 or top < 0:
        raise FormatError(f"{file.path}: panel {name} ends before it begins, or begins below 0")
    size = (right - left + 1, bottom - top + 1)
    resolution = _number(file, name, "res")
    if not resolution > 0.0:
        raise FormatError(f"{file.path}: panel {name} has res = {given['res']}; pixels a metre")
    pixel = 1e3 / resolution
    fast, slow = (
        TO_IMGCIF @ np.array(direction(file.path, f"{name}/{k}", given.get(k, d)))
        for k, d in (("fs", "x"), ("ss", "y"))
    )
    if abs(float(unit(fast) @ unit(slow))) > _SKEW:
        raise FormatError(f"{file.path}: fs and ss of panel {name} are not at right angles")
    lengths = tuple(float(np.linalg.norm(v)) for v in (fast, slow))
    return Panel(
        name=name,
        origin=vector(TO_IMGCIF @ _corner(file, name, pixel, around) + 0.0),
        fast_axis=vector(unit(fast) + 0.0),
        slow_axis=vector(unit(slow) + 0.0),
        pixel_size=(pixel * lengths[0], pixel * lengths[1]),
        image_size=size,
        offset=(left, top + row),
        trusted_range=_trusted(file, name),
        invalid_values=tuple(sorted(set(_flags(file, name, "flag_equal")))),
        gain=_gain(file, name, around),
        mask=_unused(file, name, size),
    )


def _text(file: GeometryText, name: str, key: str) -> str:
    if key not in file.panels[name]:
        raise FormatError(f"{file.path}: panel {name} has no {key}; add {name}/{key} = ...")
    return file.panels[name][key]


def _number(file: GeometryText, name: str, key: str, default: float | None = None) -> float:
    if default is not None and key not in file.panels[name]:
        return default
    return number(file.path, f"{name}/{key}", _text(file, name, key))


def _corner(
    file: GeometryText, name: str, pixel: float, around: Surroundings
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the corner of a panel in CrystFEL's frame, mm.

    In files of CrystFEL before 0.10 the detector may move along a rail, rail_direction, away from
    the camera length at which its corners are right, clen_for_centering.
    """
    x, y = (_number(file, name, key) * pixel for key in ("corner_x", "corner_y"))
    z = around.clen[name]
    given = file.panels[name]
    if "rail_direction" in given:
        rail = direction(file.path, f"{name}/rail_direction", given["rail_direction"])
        centred = _number(file, name, "clen_for_centering")
        moved = z - centred
        x, y = x + 1e3 * rail[0] * moved, y + 1e3 * rail[1] * moved
        z = centred + rail[2] * moved
    z += _number(file, name, "coffset", 0.0)
    return np.array([x + 1e3 * around.shift[0], y + 1e3 * around.shift[1], 1e3 * z])


def _flags(file: GeometryText, name: str, key: str) -> list[float]:
    """Return the values of a key that may be given several times."""
    text = file.panels[name].get(key, "").replace(",", "\n")
    return [number(file.path, f"{name}/{key}", v.strip()) for v in text.splitlines() if v.strip()]


def _trusted(file: GeometryText, name: str) -> tuple[float, float]:
    """Return the trusted range, from the limits at which values are flagged."""
    low = max(_flags(file, name, "flag_lessthan"), default=-LARGEST)
    above = [*_flags(file, name, "flag_morethan"), _number(file, name, "max_adu", LARGEST)]
    high = min(above)
    if low > high:
        raise FormatError(
            f"{file.path}: panel {name} flags all values: less than {low:g}, more than {high:g}"
        )
    return float(np.nextafter(low, -np.inf)), float(np.nextafter(high, np.inf))


def _gain(file: GeometryText, name: str, around: Surroundings) -> float:
    """Return the counts per photon, or per electron."""
    given, gain = file.panels[name], 1.0
    if "adu_per_photon" in given:
        gain = _number(file, name, "adu_per_photon")
    elif "adu_per_eV" in given and around.is_electron:
        file.note(
            "adu_per_eV is not used: it is of photons; give adu_per_photon, the counts per "
            "electron; 1 is taken",
            f"panel {name}",
        )
    elif "adu_per_eV" in given and around.wavelength is not None:
        gain = _number(file, name, "adu_per_eV") * KEV_ANGSTROM * 1e3 / around.wavelength
    else:
        why = (
            "adu_per_eV is not used: the photon energy is not known"
            if "adu_per_eV" in given
            else "neither adu_per_photon nor adu_per_eV is given"
        )
        file.note(f"{why}; 1 count per photon is taken", f"panel {name}")
    if not gain > 0.0:
        raise FormatError(f"{file.path}: panel {name} has a gain of {gain:g} ADU a photon")
    return gain


def _unused(
    file: GeometryText, name: str, size: tuple[int, int]
) -> tuple[tuple[int, int, int, int], ...]:
    """Return the rectangles of a panel that no_index and mask_edge_pixels mask."""
    given, (width, height) = file.panels[name], size
    if truth(file.path, f"{name}/no_index", given.get("no_index", "false")):
        return ((0, 0, width, height),)
    edge = whole_number(file.path, f"{name}/mask_edge_pixels", given.get("mask_edge_pixels", "0"))
    if edge <= 0:
        return ()
    if 2 * edge >= min(size):
        return ((0, 0, width, height),)
    return (
        (0, 0, width, edge),
        (0, height - edge, width, height),
        (0, edge, edge, height - edge),
        (width - edge, edge, width, height - edge),
    )
