"""Write frames as NXmx files, the NeXus definition for macromolecular crystallography."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dxdask.errors import InputError
from dxdask.models import Experiment, Goniometer, Panel, Scan
from dxdask.models.vectors import IDENTITY
from dxdask.storage.exporters.whole_file import whole_file

# NeXus has the axes of McStas: x and z are opposite to imgCIF and dxtbx.
TO_NEXUS = np.array([-1.0, 1.0, -1.0])
DETECTOR = "/entry/instrument/detector"
AXES = "/entry/sample/transformations"


def write_nxmx(
    path: str | Path,
    experiment: Experiment,
    images: Iterable[NDArray[Any]],
    *,
    shape: tuple[int, int, int],
    dtype: Any,
    pixel_mask: NDArray[np.uint32],
    columns: Mapping[str, NDArray[Any]] | None = None,
    origin: str = "simulated by dxdask",
    start_time: str | None = "2024-01-01T00:00:00Z",
) -> None:
    """Write one run as an NXmx file: bitshuffle-LZ4, one image a chunk, one module a panel.

    images: (slow, fast) each, shape[0] of them. shape: images, slow, fast.
    pixel_mask: (slow, fast) uint32, 0 is good. columns: of one value an image, such as event_id.
    origin: of the frames, for title, source and instrument. start_time: ISO 8601; None if not
    known.

    Raises
    ------
    InputError
        The images do not fit `shape`, or the goniometer has rotations that NXmx has no axis for.
    """
    with whole_file(path) as aside, h5py.File(aside, "w") as file:
        entry = _group(file, "entry", "NXentry", default="data")
        entry["definition"] = "NXmx"
        entry["definition"].attrs["version"] = "1.0"
        entry["title"] = f"{experiment.run}, {origin}"
        if start_time is not None:
            entry["start_time"] = start_time
            entry["end_time_estimated"] = start_time
        _group(entry, "source", "NXsource")["name"] = origin
        instrument = _group(entry, "instrument", "NXinstrument")
        instrument["name"] = origin
        _write_beam(instrument, experiment)
        _write_detector(instrument, experiment, pixel_mask, np.dtype(dtype))
        sample = _group(entry, "sample", "NXsample")
        sample["name"] = experiment.run
        sample["depends_on"] = "."
        if experiment.goniometer is not None and experiment.scan is not None:
            _write_axes(sample, experiment.goniometer, experiment.scan)
        data = _group(entry, "data", "NXdata", signal="data")
        _write_images(data, images, shape, dtype)
        for name, values in (columns or {}).items():
            entry[name] = values


def _write_images(
    data: h5py.Group, images: Iterable[NDArray[Any]], shape: tuple[int, int, int], dtype: Any
) -> None:
    chunks = (1, *shape[1:])
    filters = hdf5plugin.Bitshuffle(cname="lz4")
    stored = data.create_dataset("data", shape=shape, dtype=dtype, chunks=chunks, **filters)
    n = 0
    for image in images:
        if image.shape != shape[1:] or n == shape[0]:
            raise InputError(
                f"image {n + 1} is {image.shape}; {shape[0]} images of {shape[1:]} are required"
            )
        stored[n] = image
        n += 1
    if n != shape[0]:
        raise InputError(f"{n} images were given; {shape[0]} are required")


def _write_beam(instrument: h5py.Group, experiment: Experiment) -> None:
    beam = experiment.beam
    group = _group(instrument, "beam", "NXbeam")
    wavelength = beam.wavelength if beam.wavelengths is None else np.array(beam.wavelengths)
    _quantity(group, "incident_wavelength", wavelength, "angstrom")
    stokes = [1.0, 2 * beam.polarization_fraction - 1, 0.0, 0.0]
    group["incident_polarization_stokes"] = np.array(stokes)
    attenuator = _group(instrument, "attenuator", "NXattenuator")
    attenuator["attenuator_transmission"] = beam.transmission


def _write_detector(
    instrument: h5py.Group,
    experiment: Experiment,
    pixel_mask: NDArray[np.uint32],
    dtype: np.dtype[Any],
) -> None:
    panels, scan = experiment.detector.panels, experiment.scan
    first = panels[0]
    group = _group(instrument, "detector", "NXdetector")
    group["type"] = "Pixel"
    group["depends_on"] = f"{DETECTOR}/transformations/det_z"
    centre = first.ray_intersection(experiment.beam.s0[None])[0] / first.pixel_size
    for axis, value in zip("xy", centre.tolist(), strict=True):
        _quantity(group, f"beam_center_{axis}", value, "pixel")
    for axis, value in zip("xy", first.pixel_size, strict=True):
        _quantity(group, f"{axis}_pixel_size", value * 1e-3, "m")
    _quantity(group, "distance", first.distance * 1e-3, "m")
    # Required by dxtbx; invented values would be mistaken for those of the experiment.
    if first.material:
        _quantity(group, "sensor_thickness", first.thickness * 1e-3, "m")
        group["sensor_material"] = first.material
    if scan is not None and scan.exposure_times:
        for name in ("count_time", "frame_time"):
            _quantity(group, name, scan.exposure_times[0], "s")
    # dxtbx trusts counts above underload - 1 and below the saturation value.
    group["underload_value"] = int(first.trusted_range[0]) + 1
    group["saturation_value"] = int(first.trusted_range[1])
    # dxtbx treats the two largest values of this number of bits as masked
    if dtype.kind in "iu":
        group["bit_depth_readout"] = 8 * dtype.itemsize
    group["pixel_mask_applied"] = False
    group.create_dataset(
        "pixel_mask", data=pixel_mask, chunks=pixel_mask.shape, **hdf5plugin.Bitshuffle(cname="lz4")
    )
    transformations = _group(group, "transformations", "NXtransformations")
    _axis(transformations, "det_z", first.distance, "translation", "mm", (0.0, 0.0, 1.0), ".")
    for index, panel in enumerate(panels):
        name = "module" if len(panels) == 1 else f"module_{index}"
        _write_module(_group(group, name, "NXdetector_module"), panel, first.distance)


def _write_module(module: h5py.Group, panel: Panel, distance: float) -> None:
    (x, y), (width, height) = panel.offset, panel.image_size
    module["data_origin"] = np.array([y, x])
    module["data_size"] = np.array([height, width])
    offset = TO_NEXUS * panel.origin - (0.0, 0.0, distance)
    carrier, own = f"{DETECTOR}/transformations/det_z", f"{module.name}/module_offset"
    _axis(module, "module_offset", 0.0, "translation", "mm", (1.0, 0.0, 0.0), carrier, offset)
    directions = (
        ("fast_pixel_direction", panel.fast_axis, panel.pixel_size[0]),
        ("slow_pixel_direction", panel.slow_axis, panel.pixel_size[1]),
    )
    for name, axis, size in directions:
        vector = TO_NEXUS * axis
        _axis(module, name, size, "translation", "mm", vector, own, (0.0, 0.0, 0.0))


def _write_axes(sample: h5py.Group, goniometer: Goniometer, scan: Scan) -> None:
    if goniometer.setting != IDENTITY or goniometer.fixed != IDENTITY:
        raise InputError(
            "NXmx has axes only: write a goniometer without further setting or fixed rotation"
        )
    group = _group(sample, "transformations", "NXtransformations")
    del sample["depends_on"]
    sample["depends_on"] = f"{AXES}/{goniometer.names[0]}"
    start, width = scan.oscillation
    starts = start + width * np.arange(scan.n_images)
    ends = starts + width
    if scan.angles:
        starts, ends = np.array(scan.angles[:-1]), np.array(scan.angles[1:])
    for i, (name, axis) in enumerate(zip(goniometer.names, goniometer.axes, strict=True)):
        outer = f"{AXES}/{goniometer.names[i + 1]}" if i + 1 < len(goniometer.names) else "."
        scanned = i == goniometer.scan_axis
        value = starts if scanned else goniometer.angles[i]
        _axis(group, name, value, "rotation", "deg", TO_NEXUS * axis, outer)
        if scanned:
            _quantity(group, f"{name}_end", ends, "deg")
            _quantity(group, f"{name}_increment_set", width, "deg")


def _group(parent: h5py.Group, name: str, kind: str, **attributes: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    group.attrs.update(attributes)
    return group


def _quantity(group: h5py.Group, name: str, value: ArrayLike, unit: str) -> None:
    group[name] = value
    group[name].attrs["units"] = unit


def _axis(
    group: h5py.Group,
    name: str,
    value: ArrayLike,
    kind: str,
    unit: str,
    vector: ArrayLike,
    depends_on: str,
    offset: ArrayLike | None = None,
) -> None:
    _quantity(group, name, np.atleast_1d(np.asarray(value, dtype=np.float64)), unit)
    attributes = group[name].attrs
    attributes["transformation_type"] = kind
    attributes["vector"] = np.asarray(vector, dtype=np.float64)
    attributes["depends_on"] = depends_on
    if offset is not None:
        attributes["offset"] = np.asarray(offset, dtype=np.float64)
        attributes["offset_units"] = "mm"
