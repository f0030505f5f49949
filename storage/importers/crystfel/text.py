"""The text of CrystFEL's geometry files: assignments, numbers, directions.

Source: the manual page crystfel_geometry(5) of CrystFEL 0.11 and 0.12.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from dxdask.errors import FormatError
from dxdask.storage.importers.crystfel.keys import (
    ALIASES,
    EXPERIMENT,
    FLAGS,
    NOT_USED,
    REGION,
    is_panel_key,
    not_known,
)

MOST_BYTES = 1 << 24
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_TERM = re.compile(rf"\s*([+-]?)\s*({_NUMBER})?\s*\*?\s*([xyz])")


@dataclass
class GeometryText:
    """Contents of a geometry file, before interpretation; older names of keys are replaced.

    Attributes
    ----------
    settings : of the experiment; of two keys that exclude each other, the last.
    panels : settings of each panel, with the defaults given above it; several values of a key are
        on lines of their own.
    bad : settings of each bad region.
    groups, rigid_groups : members of each group, the innermost first as in the file.
    notes : what is not used or doubtful, with the lines or panels it is of.
    """

    path: Path
    settings: dict[str, str] = field(default_factory=dict)
    panels: dict[str, dict[str, str]] = field(default_factory=dict)
    bad: dict[str, dict[str, str]] = field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rigid_groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def note(self, reason: str, place: str = "") -> None:
        """Take down something that is not used or doubtful, of a line or panel."""
        self.notes.setdefault(reason, []).append(place)

    def problems(self) -> tuple[str, ...]:
        """Return what was taken down, one line a reason."""
        out = []
        for reason, places in self.notes.items():
            more = f" and {len(places) - 1} more" if len(places) > 1 else ""
            out.append(f"{places[0]}{more}: {reason}" if places[0] else reason)
        return tuple(out)


def read_text(path: Path) -> GeometryText:
    """Return the contents of a .geom file.

    Raises
    ------
    FormatError
        It is too long, not text, or a line is not an assignment or has no effect.
    """
    found, defaults, unused = GeometryText(path), dict[str, str](), ""
    for number, raw in enumerate(_content(path).splitlines(), 1):
        line = raw.split(";")[0].strip()
        if not line:
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not key or not value:
            raise FormatError(f"{path}, line {number}: {raw.strip()!r} is not 'name = value'")
        name, slash, setting = key.partition("/")
        if not slash:
            if _assign(found, defaults, key, value, number):
                unused = unused or f"line {number}: {key} = {value}"
        elif name.startswith("bad"):
            _assign_to_region(found, name, setting, value, number)
        else:
            if name not in found.panels:
                found.panels[name], unused = dict(defaults), ""
            _assign_to_panel(found, found.panels[name], name, setting, value, number)
    if not found.panels:
        raise FormatError(f"{path} is not a CrystFEL geometry: it has no panel (NAME/min_fs = ...)")
    if unused:
        raise FormatError(
            f"{path}, {unused} follows the last panel and has no effect; move it above the panels"
        )
    return found


def _content(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise FormatError(
            f"{path} is not a CrystFEL geometry: it is longer than {MOST_BYTES} bytes"
        )
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = data.decode("latin-1")  # comments of older editors
    if re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]", content):
        raise FormatError(f"{path} is not a CrystFEL geometry: it is not text")
    return content


def _assign(
    found: GeometryText, defaults: dict[str, str], key: str, value: str, number: int
) -> bool:
    """Take a line without the name of a panel; return True if only panels below it have it."""
    used = ALIASES.get(key, key)
    if key.startswith("rigid_group"):
        if not key.startswith("rigid_group_collection"):
            found.rigid_groups[key.removeprefix("rigid_group_")] = _members(value)
    elif key.startswith("group_"):
        found.groups[key.removeprefix("group_")] = _members(value)
    elif used in NOT_USED:
        found.note(f"{key} is not used: {NOT_USED[used]}", f"line {number}")
    elif used in EXPERIMENT:
        if found.settings.pop(used, None) is not None:  # the last of several is last in order
            found.note(f"{used} is given again; this value is used", f"line {number}")
        found.settings[used] = value
    elif is_panel_key(used):
        _set(defaults, used, value)
        return True
    else:
        found.note(f"{key} {not_known(key)}", f"line {number}")
    return False


def _assign_to_panel(
    found: GeometryText, panel: dict[str, str], name: str, key: str, value: str, number: int
) -> None:
    used = ALIASES.get(key, key)
    if used == "rigid_group":
        found.rigid_groups[value] = (*found.rigid_groups.get(value, ()), name)
    elif used in NOT_USED:
        found.note(f"{key} is not used: {NOT_USED[used]}", f"line {number}")
    elif is_panel_key(used):
        _set(panel, used, value)
    elif used in EXPERIMENT:
        reason = f"{key} is not used: it is of the experiment, give it without the name of a panel"
        found.note(reason, f"line {number}")
    else:
        found.note(f"{key} {not_known(key)}", f"line {number}")


def _assign_to_region(found: GeometryText, name: str, key: str, value: str, number: int) -> None:
    region = found.bad.setdefault(name, {})
    if key in REGION:
        region[key] = value
    else:
        found.note(f"{key} of a bad region {not_known(key, REGION)}", f"line {number}")


def _set(settings: dict[str, str], key: str, value: str) -> None:
    if key in FLAGS and key in settings:
        value = f"{settings[key]}\n{value}"
    if key in ("adu_per_eV", "adu_per_photon"):  # the last one counts
        settings.pop("adu_per_eV", None)
        settings.pop("adu_per_photon", None)
    settings[key] = value


def _members(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


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


def whole_number(path: Path, name: str, value: str) -> int:
    """Return a whole number, which may be written as 1029.0.

    Raises
    ------
    FormatError
        It is none.
    """
    found = number(path, name, value)
    if found != int(found) or abs(found) > 1 << 31:
        raise FormatError(f"{path}: {name} = {value} is not a whole number of pixels")
    return int(found)


def bits(path: Path, name: str, value: str) -> int:
    """Return the bits of a mask, written as 7, 0x07 or 7.0; those of -1 are all.

    Raises
    ------
    FormatError
        It is no such number.
    """
    for read in (
        lambda v: int(v, 0),
        int,
        lambda v: int(float(v)),
        lambda v: int(float.fromhex(v)),
    ):
        try:
            found = read(value)
        except (ValueError, OverflowError):
            continue
        return found & 0xFFFFFFFFFFFFFFFF
    raise FormatError(f"{path}: {name} = {value} is not a number of bits, such as 0x01")


def truth(path: Path, name: str, value: str) -> bool:
    """Return a truth value: true, false, or a number, 0 for false."""
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    return number(path, name, value) != 0.0


def direction(path: Path, name: str, value: str) -> tuple[float, float, float]:
    """Return the vector written as "+0.003x -1.0y"."""
    out = {"x": 0.0, "y": 0.0, "z": 0.0}
    place = 0
    while place < len(value.rstrip()):
        match = _TERM.match(value, place)
        if match is None or (place and not match[1]):
            raise FormatError(f"{path}: {name} = {value} is not a direction such as -0.003x +1.0y")
        sign, size, axis = match.groups()
        out[axis] += (-1.0 if sign == "-" else 1.0) * (float(size) if size else 1.0)
        place = match.end()
    found = out["x"], out["y"], out["z"]
    if not any(found) or not all(map(math.isfinite, found)):
        raise FormatError(f"{path}: {name} = {value} has no direction")
    return found
