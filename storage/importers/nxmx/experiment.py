"""NXmx files: the models of an experiment from NeXus/HDF5.

Source: the NXmx application definition (Bernstein et al. 2020, IUCrJ 7, 784).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats
from dxdask.errors import FormatError
from dxdask.models import Beam, Experiment, Goniometer, Scan
from dxdask.models.attenuation import KEV_ANGSTROM
from dxdask.models.vectors import vector
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.nxmx.axes import TO_IMGCIF, axis_chain, follow, numbers, text
from dxdask.storage.importers.nxmx.detector import detector_of, pixel_mask
from dxdask.storage.importers.nxmx.event_columns import event_columns, known_or_zero
from dxdask.storage.importers.nxmx.frames import frames_of, opened

Columns = dict[str, NDArray[Any]]


def read_nxmx(path: Path, name: str) -> RunSource:
    """Return the run in an NXmx file (.nxs, .h5, _master.h5).

    Raises
    ------
    FormatError
        Truncated, not NXmx, incomplete or contradictory.
    """
    with opened(path) as file:
        entry = _entry(file)
        reader, files = frames_of(entry)
        n_images = sum(p.n_images for p in reader.parts)
        instrument = _child(entry, "NXinstrument")
        detector_group = _child(instrument, "NXdetector")
        beam = _beam(entry, instrument, n_images)
        detector = detector_of(detector_group, beam.wavelength, reader.frame_shape, reader.dtype)
        goniometer, oscillation, angles = _goniometer(entry, n_images)
        if oscillation[1] != 0.0 and 0.0 in (beam.wavelengths or ()):
            raise FormatError(f"{path} is of a sweep, and not all of its wavelengths are positive")
        exposure = _first_number(detector_group, ("count_time", "frame_time"), "s")
        columns = _columns(entry, detector_group, beam, n_images, exposure)
        columns = {**event_columns(entry, n_images), **columns}
        if angles is not None:
            columns["angle"] = angles
        scan = Scan(
            image_range=(1, n_images),
            oscillation=oscillation,
            exposure_times=() if exposure is None else (exposure,),
        )
        mask = pixel_mask(detector_group, detector, reader.frame_shape)
    experiment = Experiment(
        identifier="", run=name, beam=beam, detector=detector, goniometer=goniometer, scan=scan
    )
    return RunSource(
        name=name,
        experiment=experiment,
        shape=(n_images, *reader.frame_shape),
        dtype=np.dtype(reader.dtype),
        mask=mask,
        files=files,
        reader=reader,
        columns=columns,
        locate=reader.manifest,
    )


def is_nxmx(path: Path) -> bool:
    """Return True if an HDF5 file has an NXentry with an NXinstrument, as NXmx requires.

    Raises
    ------
    FormatError
        Not HDF5, or truncated.
    """
    with opened(path) as file:
        entries = [g for g in file.values() if is_class(g, "NXentry")]
        return any(is_class(g, "NXinstrument") for entry in entries for g in entry.values())


def _entry(file: h5py.File) -> h5py.Group:
    entries = [g for g in file.values() if isinstance(g, h5py.Group) and is_class(g, "NXentry")]
    marked = [g for g in entries if "definition" in g and text(g["definition"]) == "NXmx"]
    if not (marked or entries):
        raise FormatError(f"{file.filename} has no NXentry: it is not an NXmx file of frames")
    return (marked or entries)[0]


def is_class(item: Any, kind: str) -> bool:
    """Return True if an HDF5 object is a group of this NeXus class."""
    return isinstance(item, h5py.Group) and text(item.attrs.get("NX_class", "")) == kind


def _child(parent: h5py.Group, kind: str) -> h5py.Group:
    found = next((g for g in parent.values() if is_class(g, kind)), None)
    if found is None:
        raise FormatError(
            f"{parent.file.filename}: {parent.name} has no {kind}, which NXmx requires"
        )
    return found


def _first_number(group: h5py.Group, names: tuple[str, ...], unit: str) -> float | None:
    for name in names:
        if isinstance(group.get(name), h5py.Dataset):
            values = numbers(group[name], unit)
            if values.size and np.isfinite(values[0]):
                return float(values[0])
    return None


def _beam(entry: h5py.Group, instrument: h5py.Group, n_images: int) -> Beam:
    groups = [g for g in instrument.values() if is_class(g, "NXbeam")]
    groups += [
        g
        for s in entry.values()
        if is_class(s, "NXsample")
        for g in s.values()
        if is_class(g, "NXbeam")
    ]
    for group in groups:
        wavelengths = _wavelengths(group)
        if wavelengths is None:
            continue
        if wavelengths.size not in (1, n_images):
            raise FormatError(
                f"{group.file.filename}: {group.name} gives {wavelengths.size} wavelengths for "
                f"{n_images} images"
            )
        wavelengths, mean = known_or_zero(wavelengths, f"{group.file.filename}: {group.name}")
        normal, fraction = _polarisation(group)
        return Beam(
            wavelength=mean,
            wavelengths=tuple(wavelengths.tolist()) if wavelengths.size > 1 else None,
            polarization_normal=normal,
            polarization_fraction=fraction,
            transmission=_transmission(instrument) or 1.0,
        )
    raise FormatError(
        f"{entry.file.filename}: no NXbeam with incident_wavelength or incident_energy; "
        "add one of them to the file"
    )


def _wavelengths(group: h5py.Group) -> Floats | None:
    if isinstance(group.get("incident_wavelength"), h5py.Dataset):
        dataset = group["incident_wavelength"]
        values = numbers(dataset, "angstrom")
        if not text(dataset.attrs.get("units", "angstrom")).strip().lower().startswith("ang"):
            values = values * 1e7  # other lengths come in mm
        if dataset.ndim == 2 or "incident_wavelength_weights" in group:
            weights = numbers(group["incident_wavelength_weights"])
            if weights.size % values.size:
                raise FormatError(
                    f"{dataset.file.filename}: {group.name}: weights fit no wavelengths"
                )
            table = weights.reshape(-1, values.size)
            return np.asarray(table @ values / table.sum(axis=1))
        return values
    if isinstance(group.get("incident_energy"), h5py.Dataset):
        with np.errstate(divide="ignore"):
            return np.asarray(KEV_ANGSTROM * 1e3 / numbers(group["incident_energy"], "ev"))
    return None


def _polarisation(group: h5py.Group) -> tuple[tuple[float, float, float], float]:
    """Return the normal of the plane of polarisation and the fraction, from the Stokes vector."""
    if not isinstance(group.get("incident_polarization_stokes"), h5py.Dataset):
        return (0.0, 1.0, 0.0), 0.999
    stokes = numbers(group["incident_polarization_stokes"]).reshape(-1, 4).mean(axis=0)
    linear = float(np.hypot(stokes[1], stokes[2]))
    if not stokes[0] > 0 or linear == 0.0:
        return (0.0, 1.0, 0.0), 0.5
    # The electric vector is at half the angle of (S1, S2) from x, the normal at right angles.
    half = 0.5 * float(np.arctan2(stokes[2], stokes[1]))
    normal = TO_IMGCIF @ np.array([np.sin(half), np.cos(half), 0.0])
    return vector(normal + 0.0), min(1.0, 0.5 * (1.0 + linear / float(stokes[0])))


def _transmission(instrument: h5py.Group) -> float | None:
    for group in instrument.values():
        if is_class(group, "NXattenuator"):
            return _first_number(group, ("attenuator_transmission",), "")
    return None


def _goniometer(
    entry: h5py.Group, n_images: int
) -> tuple[Goniometer | None, tuple[float, float], Floats | None]:
    """Return the goniometer, start and width of an image (degree), and the angle of each image."""
    sample = next((g for g in entry.values() if is_class(g, "NXsample")), None)
    start = None
    if sample is not None and "depends_on" in sample:
        start = follow(sample, text(sample["depends_on"]))
    axes = [a for a in axis_chain(start) if a.is_rotation] if start is not None else []
    if not axes:
        return None, (0.0, 0.0), None
    moving = [i for i, a in enumerate(axes) if a.values.size > 1 and np.ptp(a.values) > 0]
    if len(moving) > 1:
        names = ", ".join(axes[i].path for i in moving)
        raise FormatError(f"{entry.file.filename}: several axes rotate during the scan: {names}")
    scan_axis = moving[0] if moving else len(axes) - 1
    rotating = axes[scan_axis]
    angles = rotating.values
    if angles.size not in (1, n_images):
        raise FormatError(
            f"{entry.file.filename}: {rotating.path} has {angles.size} angles for {n_images} images"
        )
    goniometer = Goniometer(
        axes=tuple(vector(TO_IMGCIF @ a.vector + 0.0) for a in axes),
        angles=tuple(float(a.values[0]) for a in axes),
        names=tuple(a.path.rsplit("/", 1)[1] for a in axes),
        scan_axis=scan_axis,
    )
    oscillation = (float(angles[0]), _width(entry, rotating.path, angles))
    return goniometer, oscillation, np.broadcast_to(angles, (n_images,)).copy()


def _width(entry: h5py.Group, path: str, angles: Floats) -> float:
    """Return the width of an image, degree; the angles must be evenly spaced."""
    if angles.size > 1:
        steps = np.diff(angles)
        width = float(steps[0])
        if np.abs(steps - width).max() > 0.1 * max(abs(width), 1e-6):
            raise FormatError(
                f"{entry.file.filename}: the angles of {path} are not evenly spaced: steps of "
                f"{steps.min():g} to {steps.max():g} degrees; split the scan"
            )
        return width
    for suffix in ("_increment_set", "_increment"):
        found = entry.file.get(path + suffix)
        if isinstance(found, h5py.Dataset):
            return float(numbers(found, "deg")[0])
    end = entry.file.get(path + "_end")
    return float(numbers(end, "deg")[0] - angles[0]) if isinstance(end, h5py.Dataset) else 0.0


def _columns(
    entry: h5py.Group, detector: h5py.Group, beam: Beam, n_images: int, exposure: float | None
) -> Columns:
    columns: Columns = {
        "wavelength": np.broadcast_to(beam.wavelengths or beam.wavelength, (n_images,)).copy()
    }
    columns["transmission"] = np.full(n_images, beam.transmission)
    if exposure is not None:
        times = (
            numbers(detector["count_time"], "s")
            if "count_time" in detector
            else np.array([exposure])
        )
        columns["exposure"] = times if times.size == n_images else np.full(n_images, exposure)
    if "start_time" in entry:
        try:
            start = datetime.fromisoformat(text(entry["start_time"]))
        except ValueError:
            return columns
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        period = _first_number(detector, ("frame_time", "count_time"), "s") or 0.0
        columns["timestamp"] = start.timestamp() + period * np.arange(n_images, dtype=np.float64)
    return columns
