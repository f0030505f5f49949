"""The format of NXmx files."""

from __future__ import annotations

from pathlib import Path

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def run_name(path: Path) -> str:
    """Return the name of the run in an HDF5 file."""
    return path.stem.removesuffix("_master")


class NXmx(Format):
    """NXmx in HDF5 (.nxs, .h5, _master.h5), one run for each sweep in a file."""

    name = "nxmx"
    description = "NXmx, HDF5 with an NXentry that has an NXinstrument"
    suffixes = (".nxs", ".h5", ".hdf5", ".cxi")
    priority = 10

    def has_signature(self, head: bytes) -> bool:
        """Return True if the first bytes are those of HDF5."""
        return head.startswith(HDF5_SIGNATURE)

    def claims(self, path: Path, head: bytes) -> bool:
        """Return True if a file is HDF5 with the groups of NXmx."""
        from dxdask.storage.importers.nxmx.experiment import is_nxmx

        return self.has_signature(head) and is_nxmx(path)

    def linked_files(self, path: Path) -> set[Path]:
        """Return the files that a master file links to, or takes frames from."""
        from dxdask.storage.importers.nxmx.links import linked_files

        return linked_files(path)

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs in each file, see `read_nxmx`."""
        from dxdask.storage.importers.nxmx.experiment import read_nxmx

        return [run for f in group.files for run in read_nxmx(f.path, run_name(f.path), supplement)]
