"""Absorption of X-rays by the material of a sensor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dxdask.errors import InputError

# h c in keV Angstrom, from the exact SI values of h, c and e.
KEV_ANGSTROM = 6.62607015 * 2.99792458 / 1.602176634

# NIST X-ray mass attenuation coefficients (Hubbell & Seltzer, NISTIR 5632, 1995/2004): energy in
# keV, mu/rho in cm^2/g, 1 to 150 keV; an edge is an energy given twice. Density in g/cm^3.
_TABLES: Mapping[str, tuple[float, str]] = {
    "Si": (
        2.33,
        """1.0 1570 1.5 535.5 1.8389 309.2 1.8389 3192 2.0 2777 3.0 978.4 4.0 452.9 5.0 245.0
        6.0 147.0 8.0 64.68 10.0 33.89 15.0 10.34 20.0 4.464 30.0 1.436 40.0 0.7012 50.0 0.4385
        60.0 0.3207 80.0 0.2228 100.0 0.1835 150.0 0.1448""",
    ),
    "CdTe": (
        6.2,
        """1.0 7927 1.003 7875 1.006 7824 1.006 8014 1.5 3291 2.0 1664 3.0 614.6 3.537 406.4
        3.537 778.7 3.631 730.0 3.727 684.0 3.727 860.1 4.0 723.0 4.018 715.1 4.018 793.4
        4.177 722.1 4.341 656.2 4.341 932.8 4.475 873.9 4.612 813.5 4.612 943.8 4.773 870.2
        4.939 799.9 4.939 865.3 5.0 839.2 6.0 528.6 8.0 249.2 10.0 138.1 15.0 46.57 20.0 21.44
        26.711 9.834 26.711 29.43 30.0 21.82 31.814 18.73 31.814 34.92 40.0 19.3 50.0 10.67
        60.0 6.542 80.0 3.019 100.0 1.671 150.0 0.6071""",
    ),
    "GaAs": (
        5.32,
        """1.0 1917 1.05613 1685 1.1154 1481 1.1154 2772 1.12877 3180 1.1423 3532 1.1423 4372
        1.21752 4130 1.2977 3657 1.2977 4066 1.31034 3971 1.3231 3879 1.3231 5652 1.34073 5525
        1.3586 5415 1.3586 6266 1.5 5159 1.5265 4939 1.5265 5278 2.0 2731 3.0 970.2 4.0 453.9
        5.0 249.5 6.0 152.4 8.0 69.6 10.0 37.8 10.3671 34.25 10.3671 126.0 11.0916 105.9
        11.8667 88.99 11.8667 168.5 15.0 92.2 20.0 42.58 30.0 13.97 40.0 6.262 50.0 3.365
        60.0 2.042 80.0 0.9587 100.0 0.5598 150.0 0.2509""",
    ),
    "Ge": (
        5.323,
        """1.0 1893 1.10304 1502 1.2167 1190 1.2167 4389 1.23215 4734 1.2478 4974 1.2478 6698
        1.32844 6348 1.4143 5554 1.4143 6287 1.5 5475 2.0 2711 3.0 961.3 4.0 449.7 5.0 247.2
        6.0 150.9 8.0 68.9 10.0 37.42 11.1031 28.11 11.1031 198.1 15.0 91.52 20.0 42.22
        30.0 13.85 40.0 6.207 50.0 3.335 60.0 2.023 80.0 0.9501 100.0 0.555 150.0 0.2491""",
    ),
}
_NAMES = {
    "si": "Si", "silicon": "Si", "cdte": "CdTe", "cadmium telluride": "CdTe", "cd-te": "CdTe",
    "gaas": "GaAs", "gallium arsenide": "GaAs", "ge": "Ge", "germanium": "Ge",
}  # fmt: skip


def material_name(text: str) -> str:
    """Return the name of a sensor's material ("Si", "CdTe", "GaAs", "Ge") for the text in a file.

    Raises
    ------
    InputError
        There is no table for the material.
    """
    name = _NAMES.get(text.strip().lower())
    if name is None:
        raise InputError(
            f"sensor material {text!r} is not known; give one of {', '.join(_TABLES)} "
            "as geometry.detector.panel.material"
        )
    return name


def absorption(material: str, wavelength: float) -> float:
    """Return the linear absorption coefficient mu, 1/mm, of a material at a wavelength (Angstrom).

    Interpolated between the entries of the NIST tables, both axes logarithmic, as cctbx does.

    Raises
    ------
    InputError
        No table for the material, or the photon energy is beyond it (1 to 150 keV).
    """
    name = material_name(material)
    return interpolated(name, *_TABLES[name], wavelength)


def interpolated(material: str, density: float, table: str, wavelength: float) -> float:
    """Return the linear absorption coefficient mu, 1/mm, by a table of a material.

    table : energies (keV) and mass attenuation coefficients (cm^2/g) by turns. density : g/cm^3.

    Raises
    ------
    InputError
        The photon energy is beyond the table.
    """
    energy, mass = np.array(table.split(), dtype=np.float64).reshape(-1, 2).T
    kev = KEV_ANGSTROM / wavelength
    if not energy[0] <= kev <= energy[-1]:
        raise InputError(
            f"wavelength {wavelength} A ({kev:.4g} keV) is beyond the absorption table of "
            f"{material} ({energy[0]:g} to {energy[-1]:g} keV); check geometry.beam.wavelength"
        )
    return float(np.exp(np.interp(np.log(kev), np.log(energy), np.log(mass))) * density / 10.0)
