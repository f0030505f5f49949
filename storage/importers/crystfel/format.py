"""The format of raw events in HDF5, with a geometry from elsewhere."""

from __future__ import annotations

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement
from dxdask.storage.importers.nxmx.format import HDF5_SIGNATURE, run_name


class RawEvents(Format):
    """Raw events in HDF5, with a geometry of CrystFEL or in JSON, one run in a file."""

    name = "events"
    description = (
        "raw events, any other HDF5 with frames, of which input.reference_geometry (.geom of "
        "CrystFEL, .json or .expt) or JSON within has the geometry"
    )
    suffixes = (".h5", ".hdf5", ".cxi")

    def has_signature(self, head: bytes) -> bool:
        """Return True if the first bytes are those of HDF5."""
        return head.startswith(HDF5_SIGNATURE)

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return one run for each file, see `read_raw_stills`."""
        from dxdask.storage.importers.crystfel.events import read_raw_stills

        return [
            read_raw_stills(
                f.path,
                run_name(f.path),
                geometry=supplement.reference_geometry,
                dataset=supplement.dataset,
                wavelength=supplement.wavelength,
            )
            for f in group.files
        ]
