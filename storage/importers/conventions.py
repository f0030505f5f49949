"""Conventions of detectors and beamlines that CBF, SMV and HDF5 files do not give.

The table is `conventions.toml` beside this module, with its sources. A beamline adds entries by a
file of the same form, `input.conventions=FILE`, or by a package with an entry point in the group
``dxdask.conventions`` that is the path of such a file::

    [project.entry-points."dxdask.conventions"]
    mine = "my_package:CONVENTIONS"
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dxdask.errors import ParameterError
from dxdask.models.vectors import Vector, unit, vector
from dxdask.storage.importers.header_values import HeaderValues

GROUP = "dxdask.conventions"
_BUILT_IN = Path(__file__).with_name("conventions.toml")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Period(_Model):
    """Dates (UTC) from `first` on, before `end`; images without a date count as recorded today."""

    first: date | None = Field(None, alias="from")
    end: date | None = Field(None, alias="until")

    def holds(self, timestamp: float | None) -> bool:
        """Return True if an image of this time, s since 1970, is of the period."""
        when = datetime.now(UTC) if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        day = when.date()
        return (self.first is None or self.first <= day) and (self.end is None or day < self.end)


class Kappa(_Model):
    """A kappa goniometer: phi and omega along x at datum, kappa at `alpha` from them.

    alpha : degree, or the key of the header that has it. direction : in which kappa leaves x.
    """

    alpha: float | str
    direction: Literal["+y", "-y", "+z", "-z"]

    def axes(self, header: HeaderValues) -> tuple[Vector, ...]:
        """Return the axes phi, kappa and omega."""
        alpha = (
            header.number(self.alpha, kind="angle") if isinstance(self.alpha, str) else self.alpha
        )
        angle = math.radians(alpha or 0.0)
        along = math.sin(angle) * (-1.0 if self.direction[0] == "-" else 1.0)
        y, z = (along, 0.0) if self.direction[1] == "y" else (0.0, along)
        return ((1.0, 0.0, 0.0), (math.cos(angle), y, z), (1.0, 0.0, 0.0))


class BeamCentre(_Model):
    """Convention of the beam centre in a header.

    keys : two keys, or one with two numbers. order : which comes first. unit : of the numbers.
    fast_from_end, slow_from_end : counted from the last pixel. shift : px, added along fast, slow.
    """

    keys: tuple[str, ...] = Field(min_length=1, max_length=2)
    order: Literal["fast_slow", "slow_fast"]
    unit: Literal["mm", "px"]
    fast_from_end: bool = False
    slow_from_end: bool = False
    shift: tuple[float, float] = (0.0, 0.0)


class Barrel(_Model):
    """Rows of modules on a cylinder about the spindle; lengths in mm, angles in degree."""

    fast_axis: tuple[float, float, float]
    slow_axis: tuple[float, float, float]
    beam_centre: tuple[float, float]
    rows: int = Field(gt=0)
    row_pixels: int = Field(gt=0)
    row_gap: int = Field(ge=0)
    columns: int = Field(gt=0)
    radius: float
    first_angle: float
    angle_step: float
    shift_fast: float
    shift_slow: float


class BadPixels(Period):
    """Rectangles (panel, x0, y0, x1, y1), px, half open, that are masked in a period."""

    rectangles: tuple[tuple[int, int, int, int, int], ...]


class Convention(Period):
    """Conventions of a detector; None where the entry has no value. Units as of the models.

    match : expressions by key of the header, all of which have to be found; a key that begins with
        "*" is any that ends so. axis : the spindle. reverse_axis : it is opposite to that of an
        HDF5 file without depends_on. axes, names : of several axes, from the crystal outwards.
        two_theta_axis : about which the detector swings. turn_about_beam : degree, of a d*TREK
        detector; use_distortion : of its vectors.
    """

    name: str = ""
    source: str = ""
    format: Literal["", "cbf", "smv", "nxmx"] = ""
    match: dict[str, str] = Field(default_factory=dict)
    axis: tuple[float, float, float] | None = None
    reverse_axis: bool | None = None
    axes: tuple[tuple[float, float, float], ...] | None = None
    kappa: Kappa | None = None
    names: tuple[str, ...] | None = None
    two_theta_axis: tuple[float, float, float] | None = None
    beam_centre: BeamCentre | None = None
    barrel: Barrel | None = None
    bad_pixels: tuple[BadPixels, ...] | None = None
    pedestal: float | None = None
    gain: float | None = Field(None, gt=0)
    count_cutoff: float | None = None
    sensor: Literal["SENSOR_PAD", "SENSOR_CCD", "SENSOR_IMAGE_PLATE"] | None = None
    material: str | None = None
    thickness: float | None = None
    parallax: bool | None = None
    probe: Literal["x-ray", "electron", "neutron"] | None = None
    polarization_fraction: float | None = None
    turn_about_beam: float | None = None
    use_distortion: bool | None = None

    @field_validator("match")
    @classmethod
    def _are_expressions(cls, value: dict[str, str]) -> dict[str, str]:
        for text in value.values():
            try:
                re.compile(text)
            except re.error as error:
                raise ValueError(f"{text!r} is no regular expression: {error}") from error
        return value

    @field_validator("axis", "two_theta_axis")
    @classmethod
    def _is_direction(cls, value: Vector | None) -> Vector | None:
        if value is not None and not any(value):
            raise ValueError("an axis of three zeros has no direction")
        return value if value is None else vector(unit(value))

    def applies(self, file_format: str, header: HeaderValues, timestamp: float | None) -> bool:
        """Return True if an image with this header and time (s since 1970) is of the entry."""
        return (
            self.format in ("", file_format)
            and all(re.search(e, header.text(k), re.IGNORECASE) for k, e in self.match.items())
            and self.holds(timestamp)
        )


# One entry decides about the whole of these: an axis of one is not combined with axes of another.
_GONIOMETER = ("axis", "axes", "kappa", "names")
_DESCRIPTIVE = {"name", "source", "format", "match", "first", "end"}


def convention_of(
    file_format: str, header: HeaderValues, timestamp: float | None, own: Path | None
) -> Convention:
    """Return what the entries that apply to an image say together, the first of each field.

    timestamp : of the image, s since 1970. own : path of the user's file of conventions.

    Raises
    ------
    ParameterError
        A file of conventions cannot be read.
    """
    mine = () if own is None else _read(own, own.stat().st_mtime_ns if own.exists() else 0)
    found: dict[str, Any] = {}
    for entry in (*mine, *_installed(), *_read(_BUILT_IN, 0)):
        if not entry.applies(file_format, header, timestamp):
            continue
        has_goniometer = any(name in found for name in _GONIOMETER)
        for name in entry.model_fields_set - _DESCRIPTIVE:
            if name in found or (name in _GONIOMETER and has_goniometer):
                continue
            found[name] = getattr(entry, name)
    return Convention.model_construct(**found)


@lru_cache(maxsize=16)
def _read(path: Path, changed: int) -> tuple[Convention, ...]:
    """Return the entries of a file; `changed` is the time of its last change."""
    del changed
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"input.conventions={path} cannot be read: {error}") from error
    rows = content.get("convention")
    if not isinstance(rows, list) or not all(isinstance(r, Mapping) for r in rows):
        raise ParameterError(f"input.conventions={path} has no entries: begin each [[convention]]")
    entries = []
    for i, row in enumerate(rows):
        try:
            entries.append(Convention(**row))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ParameterError(
                f"input.conventions={path}: entry {i + 1} ({row.get('name', 'without a name')}), "
                f"{where}: {first['msg']}"
            ) from error
    return tuple(entries)


@lru_cache(maxsize=1)
def _installed() -> tuple[Convention, ...]:
    out: list[Convention] = []
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: p.name):
        try:
            path = Path(point.load())
        except Exception as error:
            raise ParameterError(
                f"the conventions {point.name!r} ({point.value}) cannot be loaded "
                f"({type(error).__name__}: {error}); update or uninstall their package"
            ) from error
        out.extend(_read(path, 0))
    return tuple(out)
