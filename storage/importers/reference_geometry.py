"""Reference geometries: files of CrystFEL (.geom), of panels in JSON, and of DIALS (.expt)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Detector, Panel
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.crystfel.geometry import (
    LARGEST,
    CrystfelGeometry,
    Lookup,
    read_crystfel,
    region_mask,
)
from dxdask.storage.importers.crystfel.lookup import lookup_in
from dxdask.storage.importers.crystfel.masked import mask_of_images
from dxdask.storage.importers.dials.files import read_experiments
from dxdask.storage.importers.geometry import with_absorption
from dxdask.storage.importers.image_runs import mask_of
from dxdask.storage.importers.json_geometry import models_of, read_json
from dxdask.storage.importers.missing import without
from dxdask.storage.importers.nxmx.frames import opened
from dxdask.storage.importers.parameters import InputParameters


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Contents of a geometry file; `beam` is None, `has_wavelength` false, where it has none."""

    detector: Detector
    beam: Beam | None = None
    has_wavelength: bool = False
    crystfel: CrystfelGeometry | None = None


def read_geometry(
    path: str | Path,
    *,
    n_slow: int | None = None,
    lookup: Lookup | None = None,
    wavelength: float | None = None,
) -> Geometry:
    """Return the geometry in a .geom, .json or .expt file; arguments as of `read_crystfel`.

    Raises
    ------
    InputError
        The file does not exist.
    FormatError
        It is in none of these formats.
    """
    where = checked_file(path)
    if where.suffix == ".geom":
        found = read_crystfel(where, n_slow=n_slow, lookup=lookup, wavelength=wavelength)
        return Geometry(
            detector=found.detector,
            beam=found.beam,
            has_wavelength=found.beam is not None,
            crystfel=found,
        )
    if where.suffix not in (".json", ".expt"):
        raise FormatError(
            f"input.reference_geometry={path}: give CrystFEL's .geom, a .json of panels or a .expt "
            "of DIALS"
        )
    values = read_json(where)
    if values.get("__id__") == "ExperimentList":
        experiment = read_experiments(where)[0]
        return Geometry(detector=experiment.detector, beam=experiment.beam, has_wavelength=True)
    detector, beam = models_of(values, str(where))
    return Geometry(detector=detector, beam=beam, has_wavelength="wavelength_A" in values)


def checked_file(path: str | Path) -> Path:
    """Return the path of a geometry file, after a check that it is a file.

    Raises
    ------
    InputError
        It is not.
    """
    where = Path(path)
    if where.suffix == ".zarr":
        raise InputError(
            f"input.reference_geometry={path} is a store, which is for files that have a geometry; "
            f"write its geometry to a file: dxdask export {path} format=dials, or of stills dxdask "
            f"refine_metrology {path} output.geometry=refined.geom"
        )
    if not where.is_file():
        raise InputError(f"input.reference_geometry={path}: there is no such file")
    return where


def with_reference(run: RunSource, given: InputParameters) -> RunSource:
    """Return the run with the models of `reference_geometry`, where one is given.

    Values missing in the geometry stay as in the files: the sensor, the trusted range, and the
    wavelength where each image has its own.

    Raises
    ------
    InputError
        The file does not exist, or does not fit the frames.
    FormatError
        It cannot be read.
    """
    path = given.reference_geometry
    if path is None or path in run.files:
        return run
    found = _geometry_for(run, path)
    experiment, frame = run.experiment, run.shape[1:]
    columns, mask, beam = dict(run.columns), run.mask, experiment.beam
    detector, missing, problems = experiment.detector, run.missing, run.problems
    if given.use_beam_reference and found.beam is not None:
        other = found.beam
        if found.crystfel is None:
            beam = replace(
                beam,
                direction=other.direction,
                polarization_normal=other.polarization_normal,
                polarization_fraction=other.polarization_fraction,
            )
        if found.has_wavelength and beam.wavelengths is None:
            probe = other.probe if found.crystfel is not None else beam.probe
            beam = replace(beam, wavelength=other.wavelength, probe=probe)
            columns["wavelength"] = np.full(run.shape[0], other.wavelength)
            detector = with_absorption(detector, other.wavelength)
            missing = without(missing, "beam")
    if given.use_detector_reference:
        missing = without(missing, "detector")
        check_fits(found.detector, frame, f"input.reference_geometry={path}", run.name)
        detector = _taken(found.detector, detector)
        mask = mask & mask_of(detector, frame)
        if found.crystfel is not None:
            mask &= region_mask(found.crystfel, frame)
            masked, lines = mask_of_images(found.crystfel, _hdf5_of(run), run.shape[0], frame)
            mask &= masked
            problems = (*problems, *found.crystfel.problems, *lines)
    return replace(
        run,
        missing=missing,
        experiment=replace(experiment, beam=beam, detector=detector),
        columns=columns,
        mask=mask,
        files=(*run.files, path),
        problems=problems,
    )


def _geometry_for(run: RunSource, path: Path) -> Geometry:
    """Return the geometry in a file, with values that it names in the HDF5 file of the frames.

    Gains in counts per eV of a geometry without a wavelength are for that of the run.
    """
    frames = _hdf5_of(run)
    if path.suffix != ".geom" or frames is None:
        found = _with_gains_of(run, lambda own: read_geometry(path, wavelength=own))
    else:
        with opened(frames) as file:
            lookup = lookup_in(file, None, path)
            found = _with_gains_of(
                run, lambda own: read_geometry(path, lookup=lookup, wavelength=own)
            )
    return found


def _with_gains_of(run: RunSource, read: Callable[[float | None], Geometry]) -> Geometry:
    """Return the geometry that `read` returns for a wavelength, or for its own (None)."""
    found = read(None)
    if found.crystfel is None or found.beam is not None:
        return found
    if any(m.value == "wavelength" for m in run.missing):
        return found
    return replace(read(run.experiment.beam.wavelength), beam=None, has_wavelength=False)


def _hdf5_of(run: RunSource) -> Path | None:
    """Return the HDF5 file of a run, None where its frames are in none."""
    first = run.files[0] if run.files else None
    return first if first is not None and h5py.is_hdf5(first) else None


def _taken(reference: Detector, own: Detector) -> Detector:
    """Return the reference with the sensors, and limits where it has none, of `own`."""
    panels = [_with_sensor(p, _around(p, own)) for p in reference.panels]
    return Detector(panels=tuple(panels), root=reference.root)


def _around(panel: Panel, own: Detector) -> Panel:
    """Return the panel of `own` that has another one's pixels of the frame, or else its first."""
    (x, y), (width, height) = panel.offset, panel.image_size
    for p in own.panels:
        (x0, y0), (w, h) = p.offset, p.image_size
        if x0 <= x and y0 <= y and x + width <= x0 + w and y + height <= y0 + h:
            return p
    return own[0]


def _with_sensor(panel: Panel, own: Panel) -> Panel:
    low, high = panel.trusted_range
    sensor = own if panel.thickness == 0.0 else panel
    return replace(
        panel,
        trusted_range=(
            low if low > -LARGEST else own.trusted_range[0],
            high if high < LARGEST else own.trusted_range[1],
        ),
        thickness=sensor.thickness,
        material=sensor.material,
        mu=sensor.mu,
        use_parallax=sensor.use_parallax,
        parallax_law=sensor.parallax_law,
        gain=panel.gain if panel.gain != 1.0 else own.gain,
        pedestal=panel.pedestal or own.pedestal,
    )


def check_fits(detector: Detector, frame: tuple[int, int], geometry: str, run: str) -> None:
    """Check that a geometry fits frames (slow, fast) of this size.

    Raises
    ------
    InputError
        Its panels reach beyond the frame, or cover less than half of it.
    """
    rows, columns = detector.frame_shape
    covered = sum(p.image_size[0] * p.image_size[1] for p in detector.panels)
    if rows > frame[0] or columns > frame[1] or 2 * covered < frame[0] * frame[1]:
        raise InputError(
            f"{geometry} is of frames of {(rows, columns)} (slow, fast) with {len(detector)} "
            f"panels, run {run} has frames of {frame}; give the geometry of this detector"
        )
