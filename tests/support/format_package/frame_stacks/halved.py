"""SMV of a camera that writes twice the distance: more specific than dxdask's own SMV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dxdask.models import Detector
from dxdask.models.vectors import vector
from dxdask.storage.importers.image_header import ImageHeader
from dxdask.storage.importers.smv.format import Smv


class HalvedSmv(Smv):
    """SMV with BEAMLINE=HALVED in the header."""

    name = "halved_smv"
    description = "SMV with BEAMLINE=HALVED in its header"
    priority = Smv.priority + 1

    def claims(self, path: Path, head: bytes) -> bool:
        return self.has_signature(head) and b"BEAMLINE=HALVED;" in head

    def read_header(self, path: Path) -> ImageHeader:
        header = super().read_header(path)
        [panel] = header.detector.panels
        x, y, z = panel.origin
        moved = replace(panel, origin=vector((x, y, z / 2)))
        return replace(header, detector=Detector(panels=(moved,)))
