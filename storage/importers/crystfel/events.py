"""Raw runs of an XFEL: HDF5 with frames of panels and one value an event, without geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.arrays import Floats, Mask
from dxdask.errors import FormatError
from dxdask.models import Beam, Detector, Experiment, Scan
from dxdask.storage.formats import RawReader, RunSource
from dxdask.storage.importers.crystfel.frames import RawFrames, raw_frames
from dxdask.storage.importers.crystfel.geometry import LARGEST, region_mask
from dxdask.storage.importers.crystfel.layout import layout_of
from dxdask.storage.importers.crystfel.lookup import lookup_in
from dxdask.storage.importers.crystfel.masked import MaskedReader, common_mask, event_masks
from dxdask.storage.importers.crystfel.text import read_text
from dxdask.storage.importers.image_runs import mask_of
from dxdask.storage.importers.json_geometry import models_of, parsed
from dxdask.storage.importers.nxmx.axes import text
from dxdask.storage.importers.nxmx.event_columns import event_columns, wavelengths
from dxdask.storage.importers.nxmx.frames import opened
from dxdask.storage.importers.reference_geometry import (
    Geometry,
    check_fits,
    checked_file,
    read_geometry,
)

_EMBEDDED = ("geometry_json", "nominal_geometry_json")


@dataclass(frozen=True, kw_only=True)
class _Contents:
    """Content of a file: frames, geometry, wavelength and columns of the events."""

    frames: RawFrames
    geometry: Geometry
    wavelengths: Floats | None
    columns: Mapping[str, NDArray[Any]]


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
    dataset : of the frames, instead of that which the geometry names; None: that, or one of the
        usual names. Planes of panels are stored one below the other.
    wavelength : Angstrom, instead of that in the file.

    Raises
    ------
    FormatError
        There are no frames, no geometry or no wavelength, or a dataset has the wrong shape or type.
    InputError
        The geometry does not fit the frames.
    """
    with opened(path) as file:
        found = _contents(file, geometry, dataset, wavelength)
    reader = found.frames.reader
    n_images, dtype = len(found.frames.events), np.dtype(reader.dtype)
    detector = _with_limits(found.geometry.detector, dtype)
    check_fits(detector, reader.frame_shape, str(geometry or f"{path}'s own geometry"), name)
    mask = mask_of(detector, reader.frame_shape)
    masks, masked = _masked(found, path)
    beam = _beam(found.geometry, found.wavelengths, wavelength, path)
    columns = dict(found.columns)
    columns["wavelength"] = np.array(beam.wavelengths or (beam.wavelength,) * n_images)
    scan = Scan(image_range=(1, n_images), oscillation=(0.0, 0.0))
    return RunSource(
        name=name,
        experiment=Experiment(identifier="", run=name, beam=beam, detector=detector, scan=scan),
        shape=(n_images, *reader.frame_shape),
        dtype=dtype,
        mask=mask & masks,
        files=_files(path, geometry, found.geometry),
        reader=masked,
        columns=columns,
        locate=masked.manifest,  # type: ignore[attr-defined]
        problems=_problems(found, detector, mask & masks),
    )


def _contents(
    file: h5py.File, geometry: Path | None, dataset: str | None, wavelength: float | None
) -> _Contents:
    layout = None
    if geometry is not None and checked_file(geometry).suffix == ".geom":
        layout = layout_of(read_text(geometry))
    frames = raw_frames(file, layout, dataset)
    n_images = len(frames.events)
    if geometry is None:
        found = _embedded(file)
    else:
        lookup = lookup_in(file, frames.events, geometry)
        found = read_geometry(geometry, n_slow=frames.n_slow, lookup=lookup, wavelength=wavelength)
    group = file.get("entry", file.get("entry_1", file))
    columns: dict[str, NDArray[Any]] = {}
    per_event = None
    if isinstance(group, h5py.Group):
        columns = event_columns(group, n_images)
        named = found.crystfel is not None and found.crystfel.wavelengths is not None
        if wavelength is None and not named:
            per_event = wavelengths(file, group, n_images)
    if wavelength is None and found.crystfel is not None and found.crystfel.wavelengths is not None:
        per_event = np.nan_to_num(np.broadcast_to(found.crystfel.wavelengths, (n_images,)))
    return _Contents(frames=frames, geometry=found, wavelengths=per_event, columns=columns)


def _problems(found: _Contents, detector: Detector, mask: Mask) -> tuple[str, ...]:
    """Return what is doubtful in a geometry of CrystFEL and in its mask (slow, fast)."""
    crystfel = found.geometry.crystfel
    if crystfel is None:
        return ()
    out = list(crystfel.problems)
    covered = sum(p.image_size[0] * p.image_size[1] for p in detector.panels)
    common = covered - int((detector.panel_map(mask.shape) >= 0).sum())
    if common:
        out.append(
            f"{common} pixels of the data are of several panels; check min_fs, min_ss and dim0 ..."
        )
    if not mask.any():
        out.append("every pixel is masked; check the bits of the masks, bad regions and no_index")
    return tuple(out)


def _files(path: Path, geometry: Path | None, found: Geometry) -> tuple[Path, ...]:
    """Return the files that a run depends on, that of its frames first."""
    masks = found.crystfel.mask_files(path) if found.crystfel is not None else ()
    return tuple(dict.fromkeys((path, *(() if geometry is None else (geometry,)), *masks)))


def _embedded(file: h5py.File) -> Geometry:
    """Return the geometry in the file itself, as JSON."""
    group = file.get("entry", file)
    for name in _EMBEDDED:
        item = group.get(name) if isinstance(group, h5py.Group) else None
        if isinstance(item, h5py.Dataset) and item.shape == ():
            where = f"{file.filename}: {item.name}"
            values = parsed(text(item), where)
            detector, beam = models_of(values, where)
            return Geometry(detector=detector, beam=beam, has_wavelength="wavelength_A" in values)
    raise FormatError(
        f"{file.filename} is not an NXmx file and has no geometry of its panels; give "
        "input.reference_geometry=FILE (.geom of CrystFEL, .json or .expt)"
    )


def _beam(found: Geometry, per_event: Floats | None, wavelength: float | None, path: Path) -> Beam:
    beam = found.beam or Beam()
    if wavelength is not None:
        return replace(beam, wavelength=wavelength)
    if per_event is not None:
        same = len(set(per_event.tolist())) == 1
        return replace(
            beam,
            wavelength=float(per_event[per_event > 0.0].mean()),
            wavelengths=None if same and found.crystfel else tuple(per_event.tolist()),
        )
    if not found.has_wavelength:
        raise FormatError(
            f"{path} has no wavelength or photon energy, and neither has its geometry; give "
            "geometry.beam.wavelength"
        )
    return beam


def _with_limits(detector: Detector, dtype: np.dtype[Any]) -> Detector:
    """Return the detector with the limits of the dtype where the geometry has none.

    The largest integer is never trusted: it marks pixels that are invalid.
    """
    if dtype.kind not in "iu":
        return detector
    limits = np.iinfo(dtype)
    least = -1.0 if dtype.kind == "u" else float(limits.min)
    panels = []
    for panel in detector.panels:
        low, high = panel.trusted_range
        low = least if low <= -LARGEST else low
        panels.append(replace(panel, trusted_range=(low, min(high, float(limits.max)))))
    return replace(detector, panels=tuple(panels))


def _masked(found: _Contents, path: Path) -> tuple[Mask, RawReader]:
    """Return the mask (slow, fast) of the geometry, and the reader with masks of single events."""
    reader, crystfel = found.frames.reader, found.geometry.crystfel
    good = np.ones(reader.frame_shape, dtype=np.bool_)
    if crystfel is None:
        return good, reader
    good &= region_mask(crystfel, reader.frame_shape)
    if not crystfel.masks:
        return good, reader
    events: Sequence[Any] = found.frames.events
    common, single = common_mask(event_masks(crystfel, path, events, reader.frame_shape))
    good &= common
    return good, reader if single is None else MaskedReader(reader=reader, masks=single)
