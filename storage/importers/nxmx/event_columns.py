"""Columns of a file of events: number, time and wavelength of each."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.storage.importers.nxmx.fields import loaded, numbers, present

_NUMBERS = ("event_id", "eventID", "event", "trainId", "fiducial")
_TIMES = ("timestamp", "event_time", "time")


def event_columns(group: h5py.Group, n_images: int) -> dict[str, NDArray[Any]]:
    """Return the columns event_id (int64) and timestamp (s) of a group's events, where it has them.

    Datasets of another length are ignored.
    """
    out: dict[str, NDArray[Any]] = {}
    found = _first(group, _NUMBERS, n_images, "iu")
    if found is not None:
        ids = np.asarray(loaded(found)).ravel()
        if np.all(ids <= np.uint64(np.iinfo(np.int64).max)):
            out["event_id"] = ids.astype(np.int64)
    found = _first(group, _TIMES, n_images, "iuf")
    if found is not None:
        out["timestamp"] = numbers(found, "time", "s")
    return out


def _first(
    group: h5py.Group, names: tuple[str, ...], n_images: int, kinds: str
) -> h5py.Dataset | None:
    for name in names:
        found = present(group, name)
        if found is not None and found.size == n_images and found.dtype.kind in kinds:
            return found
    return None


def wavelengths(
    file: h5py.File,
    group: h5py.Group,
    n_images: int,
    *,
    wavelength: str | None = None,
    photon_energy: str | None = None,
) -> Floats | None:
    """Return the wavelength (n,) of each event, Angstrom, 0 of an event whose own is not known.

    None where the file has none.

    wavelength, photon_energy : datasets to take it from; else those of the usual names in `group`.

    Raises
    ------
    FormatError
        The dataset does not exist, has another length, or no positive value.
    """
    for place, names, is_energy in (
        (wavelength, ("incident_wavelength", "wavelength", "photon_wavelength"), False),
        (photon_energy, ("photon_energy", "incident_energy", "photon_energy_eV"), True),
    ):
        found = _first(group, names, n_images, "iuf") if place is None else file.get(place)
        if place is not None and not isinstance(found, h5py.Dataset):
            raise FormatError(f"{file.filename} has no {place}, which the geometry names")
        if found is None:
            continue
        values = numbers(found, "energy", "eV") if is_energy else numbers(found, "wavelength")
        if values.size not in (1, n_images):
            raise FormatError(
                f"{file.filename}: {found.name} has {values.size} values for {n_images} events; "
                "give geometry.beam.wavelength"
            )
        with np.errstate(divide="ignore"):
            values = KEV_ANGSTROM * 1e3 / values if is_energy else values
        values, _ = known_or_zero(values, f"{file.filename}: {found.name}")
        return np.broadcast_to(values, (n_images,)).copy()
    return None


def known_or_zero(values: Floats, where: str) -> tuple[Floats, float]:
    """Return wavelengths or energies (n,), 0 for those not known, and the mean of the others.

    Raises
    ------
    FormatError
        None is known.
    """
    known = np.isfinite(values) & (values > 0.0)
    if not known.any():
        raise FormatError(
            f"{where} has no positive wavelength or energy; give geometry.beam.wavelength"
        )
    return np.where(known, values, 0.0), float(values[known].mean())
