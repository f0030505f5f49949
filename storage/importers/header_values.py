"""Values in the headers of images: numbers with units, dates, and values that may be missing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.storage.formats.missing import Missing, Value

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
_LONGEST = 200
_LARGEST = 1e20
_LARGEST_ANGLE = 1e6
_EMPTY = {"", "none", "null", "nil", "n/a", "na", "?", ".", "unknown", "undefined"}

# Factors to the unit that is used inside: mm, Angstrom, degree, second, eV, kHz ... by their names.
_LENGTH = {"m": 1e3, "cm": 10.0, "mm": 1.0, "um": 1e-3, "micron": 1e-3, "nm": 1e-6,
           "metre": 1e3, "meter": 1e3, "millimetre": 1.0, "millimeter": 1.0, "micrometre": 1e-3,
           "micrometer": 1e-3}  # fmt: skip
_ANGSTROM = {"a": 1.0, "å": 1.0, "ang": 1.0, "angstrom": 1.0, "ångström": 1.0, "ångstrom": 1.0,
             "nm": 10.0, "pm": 0.01, "m": 1e10, "um": 1e4, "mm": 1e7}  # fmt: skip
_ANGLE = {"deg": 1.0, "degree": 1.0, "°": 1.0, "rad": 180 / math.pi, "radian": 180 / math.pi,
          "mrad": 0.18 / math.pi}  # fmt: skip
_TIME = {"s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0}
_ENERGY = {"ev": 1e-3, "kev": 1.0, "mev": 1e3, "j": 6.241509074e15}
_FRACTION = {"%": 0.01, "percent": 0.01}
_UNITS = {"length": _LENGTH, "wavelength": _ANGSTROM, "angle": _ANGLE, "time": _TIME,
          "fraction": _FRACTION, "number": {}}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Needed:
    """A value that a geometry needs: its limits, and its placeholder where it is missing."""

    what: str
    low: float
    high: float
    placeholder: float


# Limits that nothing in the field exceeds, from electrons of 1 MeV to soft X-rays.
_NEEDED = {
    "wavelength": _Needed("wavelength, A", 0.005, 50.0, 1.0),
    "distance": _Needed("distance, mm", 1.0, 3e4, 100.0),
    "pixel_size": _Needed("pixel size, mm", 5e-4, 5.0, 1.0),
}


class UnreadableValue(ValueError):
    """A text that is no number, or has a unit that is not known."""


def quantity(text: str | None, kind: str = "number", default: str = "") -> float | None:
    """Return the number in `text`, in mm, Angstrom, degree or s; None where there is no value.

    Numbers may follow "=" or ":" and be in brackets or quotes; a unit may follow. A wavelength may
    be given as an energy (eV, keV).

    kind : length, wavelength, angle, time, fraction (also in %) or number. default : the unit of a
    number without one.

    Raises
    ------
    UnreadableValue
        The text is no number, or its unit is not known.
    """
    plain = (text or "")[:_LONGEST].strip(" \t\r\n:=()[]{}\"';,")
    if plain.lower() in _EMPTY:
        return None
    if re.match(r"[-+]?(nan|inf)\b", plain, re.IGNORECASE):
        raise UnreadableValue("is not a finite number")
    found = re.match(rf"({NUMBER})(?![\d.])(.*)", plain, re.DOTALL)
    if found is None:
        raise UnreadableValue("is not a number")
    value = float(found[1].lower().replace("d", "e"))
    unit = _unit_name(found[2]) or default
    if not math.isfinite(value):
        raise UnreadableValue("is not a finite number")
    if abs(value) > _LARGEST or (kind == "angle" and abs(value) > _LARGEST_ANGLE):
        raise UnreadableValue("is beyond all values of headers")
    if kind == "number" or not unit:
        return value
    if kind == "wavelength" and unit in _ENERGY:
        energy = value * _ENERGY[unit]
        return KEV_ANGSTROM / energy if energy > 0 else 0.0
    factor = _UNITS[kind].get(unit) or _UNITS[kind].get(unit.removesuffix("s"))
    if factor is None:
        raise UnreadableValue(f"has a unit that is not known ({unit})")
    return value * factor


def _unit_name(text: str) -> str:
    """Return the first word after a number, in lower case, as unit: "deg." is "deg"."""
    words = re.sub(r"[\[\](){}.,;:'\"]", " ", text).replace("µ", "u").replace("μ", "u").split()
    return words[0].lower() if words else ""


@dataclass(frozen=True, kw_only=True)
class HeaderValues:
    """Values of a header by key, with a list of those needed that are missing or unusable.

    values : text by key, in lower case. missing : needed values, for which placeholders are
    returned; the import ends with an error unless the user gives them. problems : doubtful values,
    a line each.
    """

    path: Path
    values: Mapping[str, str]
    missing: list[Missing] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self, *keys: str) -> str:
        """Return the text of the first key that the header has with a value; "" without.

        A key that begins with "*" is any key that ends so (d*TREK's, after a detector's prefix).
        """
        for key in keys:
            lower = key.lower()
            if lower.startswith("*"):
                for name, value in self.values.items():
                    if name.endswith(lower[1:]) and value.strip():
                        return value.strip()
            elif self.values.get(lower, "").strip():
                return self.values[lower].strip()
        return ""

    def number(self, *keys: str, kind: str = "number", unit: str = "") -> float | None:
        """Return an optional value; None where it is missing, or unreadable, which is a problem."""
        text = self.text(*keys)
        try:
            return quantity(text, kind, unit)
        except UnreadableValue as error:
            line = f"{keys[0]}={text[:60]} in the header {error}, and is left out"
            if line not in self.problems:
                self.problems.append(line)
            return None

    def transmission(self, *keys: str) -> float:
        """Return the transmitted fraction; 1 where there is none, or it cannot be one.

        Above 1 it is a problem: it may be in percent, but does not say so.
        """
        found = self.number(*keys, kind="fraction")
        if found is not None and found > 1.0:
            self.problems.append(
                f"{keys[0]}={found:g} in the header is no fraction; the transmission is taken as "
                "1: give geometry.beam.transmission"
            )
        return found if found is not None and 0.0 < found <= 1.0 else 1.0

    def needed(self, value: Literal["wavelength", "distance"], *keys: str, unit: str) -> float:
        """Return a value of the geometry, mm or Angstrom, or a placeholder where it is missing.

        It is missing, too, where it is 0 or beyond the limits of the field.
        """
        limits = _NEEDED[value]
        kind = "wavelength" if value == "wavelength" else "length"
        try:
            found = quantity(self.text(*keys), kind, unit)
        except UnreadableValue as error:
            self.lacks(value, keys[0], str(error))
            return limits.placeholder
        if found is not None and limits.low <= found <= limits.high:
            return found
        why = "0 means that it is not known" if found == 0 else f"{found} cannot be right"
        self.lacks(value, keys[0], "" if found is None else f"is no {limits.what}: {why}")
        return limits.placeholder

    def sizes(
        self, values: Callable[[], tuple[float, float] | None], key: str
    ) -> tuple[float, float]:
        """Return the pixel size, mm, that `values` reads, or a placeholder of 1 mm."""
        limits = _NEEDED["pixel_size"]
        try:
            found = values()
        except UnreadableValue as error:
            self.lacks("pixel_size", key, str(error))
            return (limits.placeholder, limits.placeholder)
        if found is not None and all(limits.low <= v <= limits.high for v in found):
            return found
        self.lacks("pixel_size", key, "" if found is None else f"is no {limits.what}")
        return (limits.placeholder, limits.placeholder)

    def centre(
        self, values: Callable[[], tuple[float, float] | None], key: str
    ) -> tuple[float, float]:
        """Return the beam centre, px along fast and slow, that `values` reads, or a placeholder.

        A beam centre of (0, 0) is one that is not known.
        """
        try:
            found = values()
        except UnreadableValue as error:
            self.lacks("beam_centre", key, str(error))
            return (0.0, 0.0)
        if found is not None and any(found):
            return found
        unknown = "is (0, 0), which means that it is not known"
        self.lacks("beam_centre", key, "" if found is None else unknown)
        return (0.0, 0.0)

    def lacks(self, value: Value, key: str, fault: str) -> None:
        """Record a needed value that is missing (fault "") or unusable."""
        reason = f"{self.path} has no {key} in its header"
        if fault:
            reason = f"{self.path}: {key}={self.text(key)[:60]} in the header {fault}"
        self.missing.append(Missing(value=value, reason=reason))


_DATES = ("%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S",
          "%Y/%b/%d %H:%M:%S.%f", "%Y/%b/%d %H:%M:%S", "%Y-%b-%dT%H:%M:%S.%f", "%Y-%b-%dT%H:%M:%S",
          "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S.%f %Y", "%d-%b-%Y %H:%M:%S",
          "%m/%d/%y %H:%M:%S", "%a %b %d %Y %H:%M:%S.%f", "%a %b %d %Y %H:%M:%S")  # fmt: skip


def timestamp(texts: Iterable[str]) -> float | None:
    """Return the first of the dates in `texts` that can be read, s since 1970; None without one.

    Dates without a time zone are taken as UTC.
    """
    for text in texts:
        plain = " ".join(re.sub(r"\b[A-Z]{2,4}T\b|Z$", " ", text.strip()).split())
        plain = re.sub(r"(\.\d{6})\d+", r"\1", plain)
        for form in _DATES:
            try:
                return datetime.strptime(plain, form).replace(tzinfo=UTC).timestamp()
            except ValueError:
                continue
    return None


def decimals(text: str) -> int:
    """Return the number of decimals of the number in `text`; 0 without one."""
    found = re.search(r"\d*\.(\d+)", text)
    return len(found[1]) if found else 0
