"""Raw runs of an XFEL: HDF5 with frames of panels and one value an event, without geometry."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Detector, Experiment, Scan
from dxdask.storage.formats import RunSource
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES
from dxdask.storage.importers.crystfel.geometry import LARGEST, region_mask
from dxdask.storage.importers.image_runs import mask_of
from dxdask.storage.importers.json_geometry import models_of, parsed
from dxdask.storage.importers.nxmx.axes import MOST_VALUES, loaded, refuse_raw_storage, text
from dxdask.storage.importers.nxmx.event_columns import event_columns, wavelengths
from dxdask.storage.importers.nxmx.experiment import is_class, is_nxmx
from dxdask.storage.importers.nxmx.frames import Hdf5Reader, Part, frames_of, is_count, opened
from dxdask.storage.importers.reference_geometry import Geometry, check_fits, read_geometry

_FRAMES = ("entry/data/data", "entry_1/data_1/data", "data/data", "data")
_EMBEDDED = ("geometry_json", "nominal_geometry_json")


def read_raw_stills(
    path: Path,
    name: str,
    *,
    geometry: Path | None = None,
    dataset: str | None = None,
    wavelength: float | None = None,
) -> RunSource:
    """Return the run in an HDF5 file that is not NXmx.

    Parameters
    ----------
    geometry : see `read_geometry`; None: the JSON in the file.
    dataset : of the frames, (event, slow, fast) or (event, panel, slow, fast); None: the one that
        the geometry names, or one of the usual names. Panels are stored one below the other.
    wavelength : Angstrom, where the file has none.

    Raises
    ------
    FormatError
        There are no frames, no geometry or no wavelength, or a dataset has the wrong shape or type.
    InputError
        The geometry does not fit the frames.
    """
    with opened(path) as file:
        data, found = _frames_and_geometry(file, geometry, dataset)
        n_images, frame_shape = data.shape[0], (math.prod(data.shape[1:-1]), data.shape[-1])
        group = file.get("entry", file.get("entry_1", file))
        crystfel = found.crystfel
        per_event = (
            None
            if wavelength is not None
            else wavelengths(
                file,
                group,
                n_images,
                wavelength=crystfel.wavelength if crystfel else None,
                photon_energy=crystfel.photon_energy if crystfel else None,
            )
        )
        columns = event_columns(group, n_images)
        reader = Hdf5Reader(
            format="events",
            parts=(Part(file=str(path), dataset=data.name, n_images=n_images),),
            frame_shape=frame_shape,
            dtype=data.dtype.newbyteorder("=").str,
        )
        detector = _with_limits(found.detector, data.dtype)
        check_fits(detector, frame_shape, str(geometry or f"{path}'s own geometry"), name)
        mask = mask_of(detector, frame_shape) & _masks(file, found, frame_shape)
    beam = _beam(found, per_event, wavelength, path)
    columns["wavelength"] = np.array(beam.wavelengths or (beam.wavelength,) * n_images)
    scan = Scan(image_range=(1, n_images), oscillation=(0.0, 0.0))
    return RunSource(
        name=name,
        experiment=Experiment(identifier="", run=name, beam=beam, detector=detector, scan=scan),
        shape=(n_images, *frame_shape),
        dtype=np.dtype(reader.dtype),
        mask=mask,
        files=(path, *((geometry,) if geometry is not None else ())),
        reader=reader,
        columns=columns,
        locate=reader.manifest,
    )


def frames_in(path: Path, dataset: str | None = None) -> tuple[Hdf5Reader, int]:
    """Return the reader of the frames in an HDF5 file, NXmx or not, and their number.

    Used for dark runs, which need no geometry.

    Raises
    ------
    InputError
        There is no such file.
    FormatError
        There are no frames in it.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}; check its name and whether the disk is mounted")
    if dataset is None and is_nxmx(path):
        with opened(path) as file:
            entry = next(g for g in file.values() if is_class(g, "NXentry"))
            reader, _ = frames_of(entry)
        return reader, sum(p.n_images for p in reader.parts)
    with opened(path) as file:
        data = _frames(file, dataset)
        part = Part(file=str(path), dataset=data.name, n_images=data.shape[0])
        reader = Hdf5Reader(
            format="events",
            parts=(part,),
            frame_shape=(math.prod(data.shape[1:-1]), data.shape[-1]),
            dtype=data.dtype.newbyteorder("=").str,
        )
    return reader, part.n_images


def _frames_and_geometry(
    file: h5py.File, geometry: Path | None, dataset: str | None
) -> tuple[h5py.Dataset, Geometry]:
    """Return the dataset of the frames, and the geometry, which may name it or need its rows."""

    def lookup(place: str) -> float:
        item = file.get(place)
        if not isinstance(item, h5py.Dataset):
            raise FormatError(f"{file.filename} has no {place}, which {geometry} names")
        return float(np.ravel(loaded(item))[0])

    if geometry is None:
        return _frames(file, dataset), _embedded(file)
    found = read_geometry(geometry, lookup=lookup)
    named = found.crystfel.data if found.crystfel else None
    data = _frames(file, dataset or named)
    if data.ndim == 4 and found.crystfel is not None:
        found = read_geometry(geometry, n_slow=data.shape[2], lookup=lookup)
    return data, found


def _frames(file: h5py.File, name: str | None) -> h5py.Dataset:
    names = _FRAMES if name is None else (name,)
    data = next((file[n] for n in names if isinstance(file.get(n), h5py.Dataset)), None)
    if data is None:
        raise FormatError(
            f"{file.filename} has no dataset {' or '.join(names)}; name that of its frames with "
            "input.dataset"
        )
    where = f"{file.filename}: {data.name}"
    if data.ndim not in (3, 4) or 0 in data.shape or not is_count(data.dtype):
        raise FormatError(
            f"{where} is {data.dtype} {data.shape}; frames are numbers (event, slow, fast) or "
            "(event, panel, slow, fast): integers, float32 or float64"
        )
    refuse_raw_storage(data)
    n_bytes = data.dtype.itemsize * math.prod(data.shape[1:])
    if n_bytes > MAX_IMAGE_BYTES or data.shape[0] > MOST_VALUES:
        raise FormatError(
            f"{where} announces {data.shape[0]} frames of {data.shape[1:]} {data.dtype}: no "
            "detector records that"
        )
    if not data.is_virtual:
        stored = data.id.get_storage_size()
        if stored == 0 or stored > os.path.getsize(file.filename):
            raise FormatError(
                f"{where} holds no frames, or fewer than it announces: it is truncated"
            )
    return data


def _embedded(file: h5py.File) -> Geometry:
    """Return the geometry in the file itself, as JSON."""
    group = file.get("entry", file)
    for name in _EMBEDDED:
        item = group.get(name)
        if isinstance(item, h5py.Dataset) and item.shape == ():
            where = f"{file.filename}: {item.name}"
            values = parsed(text(item), where)
            detector, beam = models_of(values, where)
            return Geometry(detector=detector, beam=beam, has_wavelength="wavelength_A" in values)
    raise FormatError(
        f"{file.filename} is not an NXmx file and has no geometry of its panels; give "
        "input.reference_geometry=FILE (.geom of CrystFEL, .json or .expt)"
    )


def _beam(
    found: Geometry, per_event: NDArray[np.float64] | None, wavelength: float | None, path: Path
) -> Beam:
    beam = found.beam or Beam()
    if wavelength is not None:
        return replace(beam, wavelength=wavelength)
    if per_event is not None:
        return replace(
            beam,
            wavelength=float(per_event[per_event > 0.0].mean()),
            wavelengths=tuple(per_event.tolist()),
        )
    if not found.has_wavelength:
        raise FormatError(
            f"{path} has no wavelength or photon energy, and neither has its geometry; give "
            "geometry.beam.wavelength"
        )
    return beam


def _with_limits(detector: Detector, dtype: np.dtype[Any]) -> Detector:
    """Return the detector with the limits of the dtype where the geometry has none."""
    if dtype.kind not in "iu":
        return detector
    limits = np.iinfo(dtype)
    least = -1.0 if dtype.kind == "u" else float(limits.min)
    panels = []
    for panel in detector.panels:
        low, high = panel.trusted_range
        low = least if low <= -LARGEST else low
        high = float(limits.max) if high >= LARGEST else high
        panels.append(replace(panel, trusted_range=(low, high)))
    return replace(detector, panels=tuple(panels))


def _masks(file: h5py.File, found: Geometry, frame: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask (slow, fast), false where a mask named by the geometry marks a pixel."""
    good = np.ones(frame, dtype=np.bool_)
    if found.crystfel is None:
        return good
    good &= region_mask(found.crystfel, frame)
    for place, must, must_not in found.crystfel.masks:
        other, _, name = place.rpartition(":")
        if other:
            with opened(Path(file.filename).parent / other) as source:
                bits = _mask_bits(source, name, frame)
        else:
            bits = _mask_bits(file, place, frame)
        good &= ((bits & must_not) == 0) & ((bits & must) == must)
    return good


def _mask_bits(file: h5py.File, name: str, frame: tuple[int, int]) -> NDArray[np.int64]:
    item = file.get(name)
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "iub":
        raise FormatError(
            f"{file.filename} has no mask {name} of integers, which the geometry names"
        )
    if math.prod(item.shape) != frame[0] * frame[1]:
        raise FormatError(
            f"{file.filename}: {name} is {item.shape}, the frames are {frame} (slow, fast)"
        )
    refuse_raw_storage(item)
    return np.asarray(item[()], dtype=np.int64).reshape(frame)
