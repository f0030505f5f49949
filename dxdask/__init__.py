"""X-ray diffraction frames to merged intensities, on Dask and zarr."""

from importlib.metadata import version

__version__ = version("dxdask")
