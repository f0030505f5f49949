"""XDS_ASCII.HKL and INTEGRATE.HKL of XDS, as a registered format."""

from __future__ import annotations

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement


class Xds(Format):
    """Reflections of XDS: scaled (XDS_ASCII.HKL) or integrated (INTEGRATE.HKL)."""

    name = "xds"
    description = "XDS_ASCII.HKL and INTEGRATE.HKL of XDS ('!FORMAT=XDS_ASCII', '!OUTPUT_FILE=')"
    suffixes = ()  # folders of images hold results too: those are named one by one
    together = True

    def has_signature(self, head: bytes) -> bool:
        """Return True for the first lines of these files."""
        return head.startswith((b"!FORMAT=XDS_ASCII", b"!OUTPUT_FILE=INTEGRATE.HKL"))

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs of all files."""
        from dxdask.storage.importers.xds.runs import read_xds

        return [run for file in group.files for run in read_xds(file.path, supplement)]
