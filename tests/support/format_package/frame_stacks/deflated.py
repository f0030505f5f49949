"""One image in a file: a line of JSON with models and sizes, then the pixels, deflated."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np

from dxdask.errors import FormatError
from dxdask.models import ExperimentList
from dxdask.storage.formats import RunSource
from dxdask.storage.importers.image_format import ImageFileFormat
from dxdask.storage.importers.image_header import ImageHeader

MAGIC = b"DEFLATED1\n"


def write_deflated(folder: Path, run: RunSource) -> list[Path]:
    """Write all frames of a run, one file each."""
    models = ExperimentList.of([run.experiment]).to_dict()
    start, width = run.experiment.scan.oscillation
    paths = []
    for i, frame in enumerate(run.read(0, run.shape[0])):
        header = {
            "models": models,
            "shape": frame.shape,
            "dtype": frame.dtype.str,
            "oscillation": (start + i * width, width),
        }
        path = folder / f"image_{i + 1:04d}.dfl"
        lines = MAGIC + json.dumps(header).encode() + b"\n"
        path.write_bytes(lines + zlib.compress(frame.tobytes()))
        paths.append(path)
    return paths


class Deflated(ImageFileFormat):
    """One deflated image in a file."""

    name = "deflated"
    description = "deflated images, which begin with DEFLATED1"
    suffixes = (".dfl",)

    def has_signature(self, head: bytes) -> bool:
        return head.startswith(MAGIC)

    def read_header(self, path: Path) -> ImageHeader:
        header = self._header(path)
        [experiment] = ExperimentList.from_dict(header["models"])
        return ImageHeader(
            beam=experiment.beam,
            detector=experiment.detector,
            goniometer=experiment.goniometer,
            shape=tuple(header["shape"]),
            dtype=header["dtype"],
            oscillation=tuple(header["oscillation"]),
        )

    def read_frame(self, path: Path) -> np.ndarray:
        header = self._header(path)
        try:
            pixels = zlib.decompress(path.read_bytes().split(b"\n", 2)[2])
        except zlib.error as error:
            raise FormatError(f"the pixels are damaged ({error})") from error
        return np.frombuffer(pixels, header["dtype"]).reshape(header["shape"])

    def _header(self, path: Path) -> dict:
        return json.loads(path.read_bytes().split(b"\n", 2)[1])
