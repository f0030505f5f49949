"""The beam of an NXmx file."""

from __future__ import annotations

import h5py
import numpy as np

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.models.vectors import vector
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF
from dxdask.storage.importers.nxmx.fields import (
    Findings,
    first_number,
    groups_of,
    numbers,
    present,
    where,
)
from dxdask.storage.importers.nxmx.images import ImagesOf

_WAVELENGTHS = ("incident_wavelength", "wavelength")
_ENERGIES = ("incident_energy", "energy", "photon_energy")
_WEIGHTS = ("incident_wavelength_weights", "incident_wavelength_weight")
_STOKES = ("incident_polarization_stokes", "incident_polarisation_stokes")
_DIFFERENCE = 1e-4  # relative, of the wavelengths of two beams


def beam_of(entry: h5py.Group, detector: h5py.Group, images: ImagesOf, found: Findings) -> Beam:
    """Return the beam; a wavelength that is missing is 1 Angstrom.

    The groups NXbeam of the detector's instrument are asked first, then those of others and of the
    sample, the monochromator, and the energy that the detector was set to.
    """
    known: list[tuple[h5py.Group, Floats]] = []
    faults: list[str] = []
    for group in _groups(entry, detector):
        try:
            values = _wavelengths(group, images)
        except FormatError as error:
            faults.append(str(error))
            continue
        if values is not None:
            known.append((group, values))
    transmission = _transmission(entry, found)
    if not known:
        reason = f"{entry.file.filename}: no NXbeam with incident_wavelength or incident_energy"
        found.lacks("wavelength", faults[0] if faults else reason)
        return Beam(transmission=transmission)
    group, values = known[0]
    for line in faults:
        found.note(f"{line}: the wavelength is that of {group.name}")
    mean = float(values[values > 0.0].mean())
    others = [g for g, v in known[1:] if _differs(v, mean) and _is_beam(g)]
    if others and _is_beam(group):
        names = ", ".join(g.name for g in (group, *others))
        found.lacks("wavelength", f"{entry.file.filename}: {names} have different wavelengths")
    normal, fraction = _polarisation(group, found)
    return Beam(
        wavelength=mean,
        wavelengths=tuple(values.tolist()) if values.size > 1 else None,
        polarization_normal=normal,
        polarization_fraction=fraction,
        transmission=transmission,
    )


def _is_beam(group: h5py.Group) -> bool:
    return any(present(group, n) is not None for n in ("incident_wavelength", "incident_energy"))


def _differs(values: Floats, mean: float) -> bool:
    return abs(float(values[values > 0.0].mean()) - mean) > _DIFFERENCE * mean


def _groups(entry: h5py.Group, detector: h5py.Group) -> list[h5py.Group]:
    instruments = groups_of(entry, "NXinstrument")
    own = [i for i in instruments if detector.name.startswith(f"{i.name}/")]
    instruments = own + [i for i in instruments if i not in own]
    samples = groups_of(entry, "NXsample")
    out = [b for i in own for b in groups_of(i, "NXbeam")]
    out += [b for s in samples for b in groups_of(s, "NXbeam")]
    out += groups_of(entry, "NXbeam")
    if not any(_is_beam(g) for g in out):
        out += [b for i in instruments for b in groups_of(i, "NXbeam") if i not in own]
    out += [m for i in instruments for m in groups_of(i, "NXmonochromator")]
    special = detector.get("detectorSpecific")
    return [*out, special] if isinstance(special, h5py.Group) else out


def _wavelengths(group: h5py.Group, images: ImagesOf) -> Floats | None:
    """Return the wavelength of all images (1,) or of each (n,), 0 where one is not known, Angstrom.

    Raises
    ------
    FormatError
        None is positive, or they are of another number.
    """
    for names, is_energy in ((_WAVELENGTHS, False), (_ENERGIES, True)):
        item = next((d for n in names if (d := present(group, n)) is not None), None)
        if item is None:
            continue
        if is_energy:
            with np.errstate(divide="ignore", over="ignore"):
                values = KEV_ANGSTROM * 1e3 / numbers(item, "energy", "eV")
        else:
            values = numbers(item, "wavelength", "angstrom")
            values = _averaged(group, item, values)
        values = images.of(values, f"{where(item)} gives {values.size} wavelengths")
        ok = np.isfinite(values) & (values > 0.0) & (values < 1e9)
        if not ok.any():
            raise FormatError(f"{where(item)} has no positive wavelength or energy")
        return np.where(ok, values, 0.0)
    return None


def _averaged(group: h5py.Group, item: h5py.Dataset, values: Floats) -> Floats:
    """Return the mean wavelengths of spectra by their weights, (1,) or of each image."""
    weights = next((d for n in _WEIGHTS if (d := present(group, n)) is not None), None)
    if weights is None:
        if item.ndim < 2 or 1 in item.shape:
            return values
        return np.asarray(values.reshape(item.shape[0], -1).mean(axis=1))
    table = numbers(weights, "plain")
    width = values.size if item.ndim < 2 else item.shape[-1]
    rows = values.reshape(-1, width)
    if table.size % width or (len(rows) not in (1, table.size // width) and table.size != width):
        raise FormatError(f"{where(weights)} has {table.size} weights for {width} wavelengths")
    table = table.reshape(-1, width)
    total = table.sum(axis=1)
    if not np.all(np.isfinite(total) & (total > 0.0)):
        raise FormatError(f"{where(weights)} has weights that are not positive")
    return np.asarray((table * rows).sum(axis=1) / total)


def _polarisation(group: h5py.Group, found: Findings) -> tuple[tuple[float, float, float], float]:
    """Return the normal of the plane of polarisation and the fraction, from the Stokes vector."""
    default = (0.0, 1.0, 0.0), 0.999
    item = next((d for n in _STOKES if (d := present(group, n)) is not None), None)
    if item is None:
        return default
    try:
        values = numbers(item, "plain")
    except FormatError as error:
        found.note(f"{error}: the polarisation is that of a synchrotron")
        return default
    if values.size % 4 or not np.all(np.abs(values) < 1e100):
        found.note(f"{where(item)} is no Stokes vector: the polarisation is that of a synchrotron")
        return default
    stokes = values.reshape(-1, 4).mean(axis=0)
    linear = float(np.hypot(stokes[1], stokes[2]))
    if not stokes[0] > 0 or linear == 0.0:
        return (0.0, 1.0, 0.0), 0.5
    # The electric vector is at half the angle of (S1, S2) from x, the normal at right angles.
    half = 0.5 * float(np.arctan2(stokes[2], stokes[1]))
    normal = TO_IMGCIF @ np.array([np.sin(half), np.cos(half), 0.0])
    return vector(normal + 0.0), min(1.0, 0.5 * (1.0 + linear / float(stokes[0])))


def _transmission(entry: h5py.Group, found: Findings) -> float:
    for instrument in groups_of(entry, "NXinstrument"):
        for group in groups_of(instrument, "NXattenuator"):
            try:
                value = first_number(group, ("attenuator_transmission",), "fraction")
            except FormatError as error:
                found.note(f"{error}: the transmission is taken as 1")
                continue
            if value is not None and 0.0 < value <= 1.0:
                return value
            if value is not None and value > 1.0:
                found.note(
                    f"{where(group)}: attenuator_transmission={value:g} is no fraction; the "
                    "transmission is taken as 1: give geometry.beam.transmission"
                )
    return 1.0
