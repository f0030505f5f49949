"""NXmx and other HDF5 files of frames."""
