"""Sensor and trusted range of the detector in an NXmx file."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from dxdask.errors import FormatError, InputError
from dxdask.models.attenuation import absorption, material_name
from dxdask.storage.importers.nxmx.fields import Findings, first_number, present, text, where

_SATURATION = (
    "saturation_value",
    "detectorSpecific/saturation_value",
    "detectorSpecific/countrate_correction_count_cutoff",
    "detectorSpecific/detectorModule_000/countrate_correction_count_cutoff",
)
_MOST = 1e38  # of a range without a limit: a number that JSON holds


def sensor_of(group: h5py.Group, wavelength: float, found: Findings) -> dict[str, Any]:
    """Return the fields of a panel on its sensor."""
    material = present(group, "sensor_material")
    try:
        thickness = first_number(group, ("sensor_thickness",), "length", "m")
    except FormatError as error:
        found.lacks("thickness", error)
        thickness = None
    if material is None:
        return {}
    name = text(material)
    try:
        known = material_name(name)
    except InputError:
        found.lacks("material", f"{where(material)} is {name!r}, a material that is not known")
        known = "Si"
    if thickness is None or not thickness > 0.0:
        return {"material": known}
    try:
        mu = absorption(known, wavelength)
    except InputError:
        mu = 0.0  # until the wavelength is known
    return {"material": known, "thickness": thickness, "mu": mu, "use_parallax": True}


def trusted_range_of(group: h5py.Group, dtype: str, found: Findings) -> tuple[float, float]:
    """Return the trusted range, without its ends.

    As in dxtbx 3.12, the saturation value is the first count above the range, and the underload
    value the lowest within. Without an underload value counts below zero are data where the dtype
    has them. Without a saturation value the two highest counts of an unsigned dtype are those that
    detectors give to pixels without data and to those that overflowed (EIGER, SIMPLON API).
    """
    kind = np.dtype(dtype)
    low = high = None
    try:
        low = first_number(group, ("underload_value",), "plain")
        high = first_number(group, _SATURATION, "plain")
    except FormatError as error:
        found.lacks("trusted_range", error)
    least = {"u": -1.0, "i": float(np.iinfo(kind).min) if kind.kind == "i" else 0.0}
    low = least.get(kind.kind, -_MOST) if low is None else low - 1.0
    if high is None or not high > low:
        high = float(np.iinfo(kind).max) if kind.kind in "iu" else float("inf")
        high -= 1.0 if kind.kind == "u" else 0.0
    return float(low), float(high)
