"""Geometry of a detector as a file, for other programs and for the import of other runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from dxdask.errors import FormatError
from dxdask.models import Experiment, ExperimentList
from dxdask.models.parallax_law import detector_with_law
from dxdask.storage.exporters.crystfel_geometry import write_crystfel_geometry
from dxdask.storage.exporters.dials import write_experiments
from dxdask.storage.exporters.whole_file import whole_file
from dxdask.storage.importers.json_geometry import json_geometry

SUFFIXES = (".geom", ".expt", ".json")


def write_geometry(
    path: str | Path,
    experiment: Experiment,
    *,
    data: str = "/entry/data/data",
    wavelength: str | None = None,
) -> None:
    """Write beam and detector as .geom of CrystFEL, .expt of DIALS or .json of panels, by suffix.

    data, wavelength : datasets that a .geom names; see `crystfel_text`.

    Raises
    ------
    FormatError
        The suffix is another one.
    StoreWriteError
        The file cannot be written.
    """
    where = Path(path)
    beam, detector = replace(experiment.beam, wavelengths=None), experiment.detector
    if where.suffix != ".expt":  # no law of parallax is in the others: "absorbed", as in headers
        detector = detector_with_law(detector, "absorbed")
    if where.suffix == ".geom":
        write_crystfel_geometry(where, detector, beam, data=data, wavelength=wavelength)
    elif where.suffix == ".expt":
        alone = Experiment(
            identifier=experiment.identifier, run=experiment.run, beam=beam, detector=detector
        )
        write_experiments(where, ExperimentList.of([alone]), refined=True)
    elif where.suffix == ".json":
        with whole_file(where) as aside:
            aside.write_text(json.dumps(json_geometry(detector, beam), indent=1) + "\n")
    else:
        raise FormatError(f"cannot write a geometry to {path}; call it {', '.join(SUFFIXES)}")
