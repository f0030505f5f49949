"""Units as files spell them: one table for all fields.

Source: the names and symbols of UDUNITS, to which the NeXus definitions refer, and their usual
variants: plural, upper case, without accents, in Latin-1, decoded twice.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from dxdask.errors import FormatError

Quantity: TypeAlias = Literal[
    "length", "wavelength", "angle", "time", "energy", "pixels", "fraction", "plain"
]
"""Quantity of a field: in mm, Angstrom, degree, s, eV, pixels, of 1, or a number without unit."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as `factor` times ten to the `power` of the dimension's own: mm, degree, s, eV."""

    dimension: str
    power: int = 0
    factor: float = 1.0


_PREFIXES = {
    "f": -15, "p": -12, "n": -9, "u": -6, "μ": -6, "m": -3, "c": -2, "d": -1, "": 0, "k": 3,
    "M": 6, "G": 9,
}  # fmt: skip
_PREFIX_NAMES = {
    "femto": -15, "pico": -12, "nano": -9, "micro": -6, "milli": -3, "centi": -2, "deci": -1,
    "": 0, "kilo": 3, "mega": 6, "giga": 9,
}  # fmt: skip
_RADIAN = 180.0 / np.pi
_SYMBOLS = {
    "m": Unit("length", 3), "s": Unit("time"), "eV": Unit("energy"),
    "rad": Unit("angle", 0, _RADIAN),
}  # fmt: skip
_NAMES = {
    "metre": Unit("length", 3), "meter": Unit("length", 3), "second": Unit("time"),
    "sec": Unit("time"), "electronvolt": Unit("energy"), "radian": Unit("angle", 0, _RADIAN),
}  # fmt: skip
_ALONE = {
    "micron": Unit("length", -3), "inch": Unit("length", 0, 25.4),
    "angstrom": Unit("length", -7), "angstroem": Unit("length", -7), "ang": Unit("length", -7),
    "å": Unit("length", -7),
    "deg": Unit("angle"), "degree": Unit("angle"), "°": Unit("angle"), "arcdeg": Unit("angle"),
    "arcdegree": Unit("angle"), "angulardegree": Unit("angle"),
    "arcmin": Unit("angle", 0, 1.0 / 60.0), "arcminute": Unit("angle", 0, 1.0 / 60.0),
    "arcsec": Unit("angle", 0, 1.0 / 3600.0), "arcsecond": Unit("angle", 0, 1.0 / 3600.0),
    "turn": Unit("angle", 0, 360.0), "revolution": Unit("angle", 0, 360.0),
    "min": Unit("time", 0, 60.0), "minute": Unit("time", 0, 60.0), "h": Unit("time", 0, 3600.0),
    "hour": Unit("time", 0, 3600.0), "hr": Unit("time", 0, 3600.0),
    "joule": Unit("energy", 0, 1.0 / 1.602176634e-19),
    "j": Unit("energy", 0, 1.0 / 1.602176634e-19),
    "pixel": Unit("pixels"), "px": Unit("pixels"), "pix": Unit("pixels"),
}  # fmt: skip
_POWER_OF_TEN = re.compile(r"(?:10\^|1[eE]|10\*\*)([+-]?\d{1,2})\s*[*·]?\s*([^\d\s].*)")
_TARGETS = {
    "length": ("length", 0), "wavelength": ("length", -7), "angle": ("angle", 0),
    "time": ("time", 0), "energy": ("energy", 0), "pixels": ("pixels", 0),
}  # fmt: skip
_PERCENT = ("%", "percent", "per cent", "pct")
_ACCENTS = "\u0308\u030a"
_OTHERS = {
    "A": "A is the ampere; an angstrom is written 'angstrom' or 'Å'",
    "a": "a is the year; an angstrom is written 'angstrom' or 'Å'",
    "C": "C is the coulomb; a degree is written 'deg'",
}


class UnitError(FormatError):
    """A unit that is not known, or is of another quantity."""


def converted(
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], name: str, quantity: Quantity
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return values in mm, Angstrom, degree, s, eV, pixels or parts of 1, as `quantity` says.

    name : of their unit, as in a file; one that is empty is that of the quantity itself.

    Raises
    ------
    UnitError
        The unit is not known, or of another quantity; the message is the end of a sentence.
    """
    if quantity == "plain" or not name.strip():
        return values
    if quantity == "fraction":
        return values / 100.0 if name.strip().lower() in _PERCENT else values
    unit = unit_of(name)
    dimension, power = _TARGETS[quantity]
    if unit is None:
        hint = _OTHERS.get(name.strip())
        raise UnitError(
            f"is in {name!r}, a unit that is not known" + (f" ({hint})" if hint else "")
        )
    if unit.dimension != dimension:
        raise UnitError(f"is in {name!r}, a unit of {unit.dimension}, not of {dimension}")
    shift = unit.power - power
    # Dividing where the factor is below one keeps 7.5e-05 m at 0.075 mm to the last bit.
    scaled = values * 10.0**shift if shift >= 0 else values / 10.0**-shift
    return scaled * unit.factor if unit.factor != 1.0 else scaled


@lru_cache(maxsize=256)
def unit_of(name: str) -> Unit | None:
    """Return the unit of this name or symbol, None where it is not known."""
    for like_degree in "º˚":
        name = name.replace(like_degree, "°")
    text = unicodedata.normalize("NFKC", _repaired(name)).strip().rstrip(".").strip()
    scaled = _POWER_OF_TEN.fullmatch(text)
    if scaled is not None:
        unit, power = unit_of(scaled[2]), int(scaled[1])
        return unit and Unit(unit.dimension, unit.power + power, unit.factor)
    return _symbol(text) or _word(text.casefold()) or _symbol(text.lower(), upper=True)


def _symbol(text: str, *, upper: bool = False) -> Unit | None:
    """Return the unit of a symbol; `upper`: it was not written as it should be."""
    for symbol, unit in _SYMBOLS.items():
        tail = symbol.lower() if upper else symbol
        prefix = text.removesuffix(tail)
        # "MM" is no megametre, and "mev" may be two units.
        if not text.endswith(tail) or prefix not in _PREFIXES or (upper and text == "mev"):
            continue
        if prefix not in ("M", "G") or unit.dimension == "energy":
            return Unit(unit.dimension, unit.power + _PREFIXES[prefix], unit.factor)
    return None


def _word(text: str) -> Unit | None:
    """Return the unit of a name, in lower case, also in the plural."""
    bare = re.sub(r"[\s_\-()]", "", text)
    if len(bare) > 1:
        bare = "".join(c for c in unicodedata.normalize("NFD", bare) if c not in _ACCENTS)
    for word in (bare, bare.removesuffix("s")):
        if word in _ALONE:
            return _ALONE[word]
        for name, unit in _NAMES.items():
            prefix = word.removesuffix(name)
            if word.endswith(name) and prefix in _PREFIX_NAMES:
                return Unit(unit.dimension, unit.power + _PREFIX_NAMES[prefix], unit.factor)
    return None


def _repaired(name: str) -> str:
    """Return a name that was decoded as Latin-1, and is UTF-8, as it was meant ("Âµm")."""
    try:
        return name.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return name
