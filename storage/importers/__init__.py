"""Import of raw files: their formats, the runs in them, and geometries from other files.

read : runs in raw files of any registered format.
files : files from names, folders, globs and templates. selection : chosen events of runs.
adjust, geometry, reference_geometry, json_geometry : corrections of what the files hold.
image_format, image_header, image_reader, image_runs : formats with one image in a file.
pixel_maps : maps of values by pixel.
nxmx, crystfel, cbf, smv : formats. dials : experiments and reflections of DIALS.
"""

from dxdask.storage.formats import RunSource
from dxdask.storage.importers.parameters import ImportParameters
from dxdask.storage.importers.read import read_runs

__all__ = ["ImportParameters", "RunSource", "read_runs"]
