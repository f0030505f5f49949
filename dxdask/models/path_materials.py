"""Absorption of X-rays by what they pass from the sample to the sensor: air and windows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dxdask.errors import InputError
from dxdask.models.attenuation import interpolated

_ENERGIES = "4 5 6 8 10 15 20 30 40 50 60 80 100 150"  # keV
# NIST X-ray mass attenuation coefficients (Hubbell & Seltzer, NISTIR 5632, 1995/2004), cm^2/g, at
# these energies; no edges are between them.
_ELEMENTS: Mapping[str, str] = {
    "H": """0.4546 0.4193 0.4042 0.3914 0.3854 0.3764 0.3695 0.3570
        0.3458 0.3355 0.3260 0.3091 0.2944 0.2651""",
    "Be": """8.685 4.369 2.527 1.124 0.6466 0.3070 0.2251 0.1792
        0.1640 0.1554 0.1493 0.1401 0.1328 0.1190""",
    "C": """37.78 19.12 10.95 4.576 2.373 0.8071 0.4420 0.2562
        0.2076 0.1871 0.1753 0.1610 0.1514 0.1347""",
    "N": """61.66 31.44 18.09 7.562 3.879 1.236 0.6178 0.3066
        0.2288 0.1980 0.1817 0.1639 0.1529 0.1353""",
    "O": """93.15 47.90 27.70 11.63 5.952 1.836 0.8651 0.3779
        0.2585 0.2132 0.1907 0.1678 0.1551 0.1361""",
    "Al": """360.5 193.4 115.3 50.33 26.23 7.955 3.441 1.128
        0.5685 0.3681 0.2778 0.2018 0.1704 0.1378""",
    "air": """77.88 40.27 23.41 9.921 5.120 1.614 0.7779 0.3538
        0.2485 0.2080 0.1875 0.1662 0.1541 0.1356""",
}
# density in g/cm^3, fractions by weight
_MATERIALS: Mapping[str, tuple[float, Mapping[str, float]]] = {
    "air": (1.205e-3, {"air": 1.0}),
    "Be": (1.848, {"Be": 1.0}),
    "Al": (2.699, {"Al": 1.0}),
    "Kapton": (1.42, {"C": 0.691133, "H": 0.026362, "N": 0.073270, "O": 0.209235}),
    "Mylar": (1.38, {"C": 0.625016, "H": 0.041960, "O": 0.333024}),
}
WINDOWS = tuple(_MATERIALS)[1:]
"""Materials of windows."""


def path_absorption(material: str, wavelength: float) -> float:
    """Return the linear absorption coefficient mu, 1/mm, at a wavelength (Angstrom).

    material : "air" (dry, 20 C, 101.325 kPa) or one of `WINDOWS`; of compounds, the sum of their
    elements by weight.

    Raises
    ------
    InputError
        The photon energy is not between 4 and 150 keV.
    """
    density, parts = _MATERIALS[material]
    mass = sum(
        part * np.array(_ELEMENTS[element].split(), dtype=np.float64)
        for element, part in parts.items()
    )
    pairs = zip(_ENERGIES.split(), np.atleast_1d(mass).tolist(), strict=True)
    table = " ".join(f"{energy} {value!r}" for energy, value in pairs)
    return interpolated(material, density, table, wavelength)


def window_of(text: str) -> tuple[str, float]:
    """Return material and thickness (mm) of a window "MATERIAL:THICKNESS".

    Raises
    ------
    InputError
        The material is not one of `WINDOWS`, or the thickness is no positive number.
    """
    name, _, thickness = text.partition(":")
    names = {w.lower(): w for w in WINDOWS}
    try:
        value = float(thickness)
    except ValueError:
        value = -1.0
    if name.strip().lower() not in names or not 0.0 < value < np.inf:
        raise InputError(
            f"window {text!r} is not MATERIAL:THICKNESS with a thickness in mm and one of "
            f"{', '.join(WINDOWS)}; for example Al:0.1"
        )
    return names[name.strip().lower()], value
