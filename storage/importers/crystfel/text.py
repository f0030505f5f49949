"""The text of CrystFEL's geometry files: assignments, numbers with units, directions.

Source: the manual page crystfel_geometry(5) of CrystFEL 0.11 and 0.12.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dxdask.errors import FormatError

MOST_BYTES = 1 << 24
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(rf"\s*([+-]?)\s*({_NUMBER})?\s*\*?\s*([xyz])")
_LENGTHS = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "um": 1e-6, "A": 1e-10}
_ENERGIES = {"eV": 1.0, "keV": 1e3, "MeV": 1e6}

# Settings of the experiment, not of a panel.
_GLOBAL = re.compile(
    r"(wavelength|photon_energy|electron_voltage|bandwidth|peak_list|peak_info_location|"
    r"detector_shift_[xy]|rigid_group_.*|group_.*|mask_file|polarization)$"
)


@dataclass
class GeometryText:
    """Contents of a geometry file, before interpretation.

    Attributes
    ----------
    settings : of the experiment. panels : settings of each panel, with the defaults that were given
    above it. bad : settings of each bad region. groups : members of each group, the innermost
    first as in the file.
    """

    path: Path
    settings: dict[str, str] = field(default_factory=dict)
    panels: dict[str, dict[str, str]] = field(default_factory=dict)
    bad: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_text(path: Path) -> GeometryText:
    """Return the contents of a .geom file.

    Raises
    ------
    FormatError
        It is too long, not text, or a line is not an assignment.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not a CrystFEL geometry: it is not text") from error
    if len(data) > MOST_BYTES:
        raise FormatError(
            f"{path} is not a CrystFEL geometry: it is longer than {MOST_BYTES} bytes"
        )
    found, defaults = GeometryText(path), dict[str, str]()
    for number, raw in enumerate(content.splitlines(), 1):
        line = raw.split(";")[0].strip()
        if not line:
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key or not value:
            raise FormatError(f"{path}, line {number}: {raw.strip()!r} is not 'name = value'")
        _assign(found, defaults, key, value)
    if not found.panels:
        raise FormatError(f"{path} is not a CrystFEL geometry: it has no panel (NAME/min_fs = ...)")
    return found


def _assign(found: GeometryText, defaults: dict[str, str], key: str, value: str) -> None:
    name, slash, setting = key.partition("/")
    if slash:
        if name.startswith("bad"):
            found.bad.setdefault(name, {})[setting] = value
        else:
            found.panels.setdefault(name, dict(defaults))[setting] = value
    elif key.startswith(("group_", "rigid_group_")) and not key.startswith("rigid_group_coll"):
        members = tuple(part.strip() for part in value.split(",") if part.strip())
        found.groups[key.removeprefix("rigid_").removeprefix("group_")] = members
    elif _GLOBAL.match(key):
        found.settings[key] = value
    else:
        defaults[key] = found.settings[key] = value


def number(path: Path, name: str, value: str) -> float:
    """Return a finite number.

    Raises
    ------
    FormatError
        It is not a finite number.
    """
    try:
        found = float(value)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise FormatError(f"{path}: {name} = {value} is not a number")
    return found


def direction(path: Path, name: str, value: str) -> tuple[float, float, float]:
    """Return the vector written as "+0.003x -1.0y"."""
    out = {"x": 0.0, "y": 0.0, "z": 0.0}
    place = 0
    while place < len(value.rstrip()):
        match = _TERM.match(value, place)
        if match is None:
            raise FormatError(f"{path}: {name} = {value} is not a direction such as -0.003x +1.0y")
        sign, size, axis = match.groups()
        out[axis] += (-1.0 if sign == "-" else 1.0) * (float(size) if size else 1.0)
        place = match.end()
    if not any(out.values()):
        raise FormatError(f"{path}: {name} = {value} has no direction")
    return out["x"], out["y"], out["z"]


def with_unit(
    path: Path, name: str, value: str, units: Mapping[str, float], default: str
) -> float | None:
    """Return a number in the base unit of `units`; None where it is a dataset in the data file."""
    parts = value.split()
    if not re.fullmatch(_NUMBER, parts[0]):
        return None
    unit = parts[1] if len(parts) > 1 else default
    if len(parts) > 2 or unit not in units:
        raise FormatError(
            f"{path}: {name} = {value} is in a unit that is not known; give {', '.join(units)}"
        )
    return float(parts[0]) * units[unit]


def length(path: Path, name: str, value: str) -> float | None:
    """Return a length in m, None where it is a dataset in the data file."""
    return with_unit(path, name, value, _LENGTHS, "m")


def energy(path: Path, name: str, value: str) -> float | None:
    """Return an energy in eV, None where it is a dataset in the data file."""
    return with_unit(path, name, value, _ENERGIES, "eV")
