"""DIALS's experiment lists with their tables of reflections, as a registered format."""

from __future__ import annotations

from pathlib import Path

from dxdask.storage.formats import FileGroup, Format, RunSource, Supplement

_MARK_OF_TABLE = b"dials::af::reflection_table"
_MARK_OF_MODELS = b'"ExperimentList"'


class Dials(Format):
    """Models (`.expt`) and reflections (`.refl`, or `.npz` with DIALS's names) of any step."""

    name = "dials"
    description = ".expt with .refl of DIALS (by their marks)"
    suffixes = ()  # folders of images hold results too: those are named one by one
    together = True

    def has_signature(self, head: bytes) -> bool:
        """Return True for the mark of a table or of an experiment list."""
        start = head.lstrip()
        return _MARK_OF_TABLE in head[:40] or (start[:1] == b"{" and _MARK_OF_MODELS in head)

    def claims(self, path: Path, head: bytes) -> bool:
        """Return True for the marks, and for the names of files whose mark is damaged."""
        return self.has_signature(head) or path.suffix in (".expt", ".refl", ".npz")

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        """Return the runs of all experiment lists, with the reflections that belong to them."""
        from dxdask.storage.importers.dials.runs import read_jobs

        return read_jobs([file.path for file in group.files], supplement)
