"""A run in one file: a line of JSON with models and sizes, the mask, then the frames."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from dxdask.models import ExperimentList
from dxdask.storage.formats import (
    REFERENCE,
    ChunkManifest,
    FileGroup,
    Format,
    RunSource,
    Supplement,
)

MAGIC = b"STACK1\n"


def write_stack(path: Path, run: RunSource) -> Path:
    """Write all frames of a run."""
    header = {
        "models": ExperimentList.of([run.experiment]).to_dict(),
        "shape": run.shape,
        "dtype": run.dtype.str,
        "columns": {name: values.tolist() for name, values in run.columns.items()},
    }
    frames = run.read(0, run.shape[0])
    lines = MAGIC + json.dumps(header).encode() + b"\n"
    path.write_bytes(lines + run.mask.tobytes() + frames.tobytes())
    return path


@dataclass(frozen=True, kw_only=True)
class StackReader:
    """Frames from `offset` on."""

    path: str
    offset: int
    shape: tuple[int, int, int]
    dtype: str

    def read(self, first: int, last: int) -> np.ndarray:
        """Return frames first .. last - 1."""
        n_pixels = self.shape[1] * self.shape[2]
        with open(self.path, "rb") as file:
            file.seek(self.offset + first * n_pixels * np.dtype(self.dtype).itemsize)
            found = np.fromfile(file, self.dtype, (last - first) * n_pixels)
        return found.reshape(last - first, *self.shape[1:])


def stack_manifest(reader: StackReader) -> ChunkManifest:
    """Return one chunk for each frame."""
    n, slow, fast = reader.shape
    references = np.zeros((n, 1, 1), dtype=REFERENCE)
    size = slow * fast * np.dtype(reader.dtype).itemsize
    references["offset"][:, 0, 0] = reader.offset + size * np.arange(n)
    references["length"] = size
    return ChunkManifest(
        files=(reader.path,),
        format="stack",
        compression="none",
        stored=reader.dtype,
        shape=reader.shape,
        chunk=(1, slow, fast),
        references=references,
    )


class Stack(Format):
    """One run in a file."""

    name = "stack"
    description = "a stack of frames, which begins with STACK1"
    suffixes = (".stack",)

    def has_signature(self, head: bytes) -> bool:
        return head.startswith(MAGIC)

    def read_runs(self, group: FileGroup, supplement: Supplement) -> list[RunSource]:
        return [self._run(f.path) for f in group.files]

    def _run(self, path: Path) -> RunSource:
        with path.open("rb") as file:
            file.seek(len(MAGIC))
            header = json.loads(file.readline())
            shape = tuple(header["shape"])
            mask = np.fromfile(file, np.bool_, shape[1] * shape[2]).reshape(shape[1:])
            offset = file.tell()
        reader = StackReader(path=str(path), offset=offset, shape=shape, dtype=header["dtype"])
        [experiment] = ExperimentList.from_dict(header["models"])
        return RunSource(
            name=path.stem,
            experiment=replace(experiment, run=path.stem),
            shape=shape,
            dtype=np.dtype(header["dtype"]),
            mask=mask,
            files=(path,),
            reader=reader,
            columns={name: np.array(values) for name, values in header["columns"].items()},
            locate=partial(stack_manifest, reader),
        )
