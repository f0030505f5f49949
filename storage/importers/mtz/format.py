"""Unmerged MTZ files of CCP4's programs and of DIALS, as a registered format."""

from __future__ import annotations

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement


class Mtz(Format):
    """Unmerged MTZ: integrated or scaled observations with batch headers."""

    name = "mtz"
    description = "unmerged MTZ ('MTZ ')"
    suffixes = ()  # folders of images hold results too: those are named one by one
    together = True

    def has_signature(self, head: bytes) -> bool:
        """Return True for 'MTZ ' at the beginning."""
        return head[:4] == b"MTZ "

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs of all files."""
        from dxdask.storage.importers.mtz.runs import read_mtz

        return [run for file in group.files for run in read_mtz(file.path, supplement)]
