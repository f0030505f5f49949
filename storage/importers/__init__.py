"""Import of raw files: their formats, the runs in them, and geometries from other files.

read : runs in raw files of any registered format.
files : files from names, folders, globs and templates. selection : chosen events of runs.
adjust, geometry, reference_geometry, json_geometry : corrections of what the files hold.
image_format, image_header, image_reader, image_runs : formats with one image in a file.
pixel_maps : maps of values by pixel.
nxmx, crystfel, cbf, smv : formats of frames.
dials, mtz, xds : models and reflections of other programs. observations, fitted, laboratory : their
intensities, and their frames of coordinates, as dxdask's.

The names exported here are imported on first use: workers that read linked frames import the
modules of formats, and need none of the libraries that the import of files needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dxdask.storage.formats import RunSource
    from dxdask.storage.importers.parameters import ImportParameters
    from dxdask.storage.importers.read import read_runs

__all__ = ["ImportParameters", "RunSource", "read_runs"]

_MODULES = {
    "ImportParameters": "dxdask.storage.importers.parameters",
    "RunSource": "dxdask.storage.formats",
    "read_runs": "dxdask.storage.importers.read",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
