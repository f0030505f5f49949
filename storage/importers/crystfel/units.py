"""Numbers with units in geometry files, or the datasets that hold them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models.attenuation import KEV_ANGSTROM

LENGTHS = {
    "m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "pm": 1e-12, "A": 1e-10,
}  # fmt: skip
ENERGIES = {"eV": 1.0, "keV": 1e3, "MeV": 1e6}
VOLTAGES = {"V": 1.0, "kV": 1e3, "MV": 1e6}

_SPELLINGS = {
    "\u00c5": "A", "\u212b": "A", "angstrom": "A", "angstroms": "A", "Angstrom": "A", "ang": "A",
    "µm": "um", "μm": "um", "micron": "um", "microns": "um", "metre": "m", "meter": "m",
    "meters": "m", "metres": "m", "millimetre": "mm", "millimeter": "mm",
    "kev": "keV", "KeV": "keV", "KEV": "keV", "ev": "eV", "EV": "eV", "Ev": "eV",
    "kv": "kV", "KV": "kV", "v": "V", "volt": "V", "volts": "V",
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*)?")

ELECTRON_REST_ENERGY = 510998.95
"""eV (CODATA 2018)."""

Lookup = Callable[[str], "Values"]


@dataclass(frozen=True, kw_only=True)
class Values:
    """Values of a dataset in the data file.

    Attributes
    ----------
    numbers : (1,), or one for each event (n,).
    unit : by the attribute of the dataset; "" where it has none.
    """

    numbers: Floats
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number, or the dataset that holds it.

    Attributes
    ----------
    value : in the base unit; None where it is in a dataset.
    place : name of the dataset, "%" for parts that differ between events.
    scale : from the numbers of the dataset to the base unit; None where the file gives no unit.
    units, default : the units it may have, and the one of a dataset of which no unit is known.
    """

    name: str
    value: float | None = None
    place: str | None = None
    scale: float | None = None
    units: Mapping[str, float]
    default: str

    def values(self, lookup: Lookup) -> Floats:
        """Return the values of a dataset in the base unit, (1,) or (n,).

        Raises
        ------
        FormatError
            The dataset is missing, or in a unit that is not known.
        """
        found = lookup(str(self.place))
        scale = self.scale
        if scale is None:
            unit = _SPELLINGS.get(found.unit, found.unit) or self.default
            if unit not in self.units:
                raise FormatError(
                    f"{self.name} = {self.place} is in {found.unit!r}; write one of "
                    f"{', '.join(self.units)} behind it in the geometry"
                )
            scale = self.units[unit]
        return np.asarray(found.numbers * scale)


def quantity(
    path: Path,
    name: str,
    text: str,
    units: Mapping[str, float],
    *,
    default: str | None,
    of_dataset: str,
) -> Quantity:
    """Return a number with its unit, or the dataset with it.

    default : unit of a number without one; None: it must have one. of_dataset : that of a dataset
    of which neither the geometry nor the dataset itself gives the unit.

    Raises
    ------
    FormatError
        The unit is missing or not known, or the number is not finite.
    """

    def scale(unit: str) -> float:
        known = _SPELLINGS.get(unit, unit)
        if known not in units:
            raise FormatError(
                f"{path}: {name} = {text} is in a unit that is not known; give {', '.join(units)}"
            )
        return units[known]

    match = _QUANTITY.fullmatch(text)
    if match is None:
        place, *rest = text.split(None, 1)
        return Quantity(
            name=name, place=place, scale=scale(rest[0]) if rest else None, units=units,
            default=of_dataset,
        )  # fmt: skip
    unit = match[2] or default
    if unit is None:
        raise FormatError(f"{path}: {name} = {text} has no unit; give one of {', '.join(units)}")
    value = float(match[1]) * scale(unit)
    if not math.isfinite(value):
        raise FormatError(f"{path}: {name} = {text} is not a number")
    return Quantity(name=name, value=value, units=units, default=of_dataset)


def wavelength_of(name: str, values: Floats) -> Floats:
    """Return wavelengths, Angstrom, of those in m, energies in eV or voltages in V.

    name : wavelength, photon_energy or electron_voltage. The wavelength of electrons is that of
    de Broglie, relativistic: h c / sqrt(E (E + 2 m c^2)) with E = e V (e.g. Reimer & Kohl,
    Transmission Electron Microscopy, 5th ed., eq. 2.6). Values that are not positive give NaN.
    """
    good = np.where(values > 0.0, values, np.nan)
    if name == "wavelength":
        return np.asarray(good * 1e10)
    if name == "photon_energy":
        return np.asarray(KEV_ANGSTROM * 1e3 / good)
    return np.asarray(KEV_ANGSTROM * 1e3 / np.sqrt(good * (good + 2.0 * ELECTRON_REST_ENERGY)))


def electron_voltage(wavelength: float) -> float:
    """Return the voltage, V, that gives electrons a wavelength, Angstrom; see `wavelength_of`."""
    momentum = KEV_ANGSTROM * 1e3 / wavelength  # times c, eV
    # E (E + 2 m) = p^2, without the difference of nearly equal numbers
    return momentum**2 / (math.hypot(momentum, ELECTRON_REST_ENERGY) + ELECTRON_REST_ENERGY)
