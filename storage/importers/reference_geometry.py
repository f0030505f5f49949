"""A geometry from a file of its own, whatever its format: CrystFEL's, plain JSON, DIALS's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dxdask.errors import FormatError, InputError
from dxdask.models import Beam, Detector
from dxdask.storage.importers.crystfel_geometry import CrystfelGeometry, Lookup, read_crystfel
from dxdask.storage.importers.dials import read_experiments
from dxdask.storage.importers.json_geometry import models_of, read_json


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a file says; `beam` is None, and `has_wavelength` false, where it says nothing of it."""

    detector: Detector
    beam: Beam | None = None
    has_wavelength: bool = False
    crystfel: CrystfelGeometry | None = None


def read_geometry(
    path: str | Path, *, n_slow: int | None = None, lookup: Lookup | None = None
) -> Geometry:
    """Return the geometry in a .geom, .json or .expt file; see `read_crystfel` for the others.

    Raises
    ------
    InputError
        There is no such file.
    FormatError
        It is none of these.
    """
    where = Path(path)
    if not where.is_file():
        raise InputError(f"input.reference_geometry={path}: there is no such file")
    if where.suffix == ".geom":
        found = read_crystfel(where, n_slow=n_slow, lookup=lookup)
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
