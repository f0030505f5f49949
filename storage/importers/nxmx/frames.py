"""Frames in HDF5 files: their reader, and the opening of files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers bitshuffle-LZ4 and the other filters with h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import DxdaskError, FormatError, plain
from dxdask.storage.formats.chunk_manifest import ChunkManifest, joined
from dxdask.storage.frames.chunk_reading import read_frames
from dxdask.storage.frames.source_files import opened_files
from dxdask.storage.importers.nxmx.chunks import frame_manifest, manifest_of


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, without a lock, because archives are read only.

    Raises
    ------
    FormatError
        Not HDF5, truncated, or damaged where it is read inside.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise FormatError(
            f"{path} is truncated or not HDF5 ({error}); fetch the file again"
        ) from error
    with file:
        try:
            yield file
        except DxdaskError:
            raise
        except Exception as error:
            if not _is_of_hdf5(error):
                raise
            raise FormatError(
                f"{path} is damaged ({plain(error)}); fetch the file again"
            ) from error


def _is_of_hdf5(error: Exception) -> bool:
    """Return True for an error that the HDF5 library raised, of whatever type."""
    trace = error.__traceback__
    file = ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return "h5py" in file


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Frames of a dataset, from `first` on."""

    file: str
    dataset: str
    n_images: int
    first: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hdf5Reader:
    """Reads frames from datasets (n, slow, fast), (n, module, slow, fast) or (slow, fast).

    format : name of the registered format of the files.
    """

    format: str
    parts: tuple[Part, ...]
    frame_shape: tuple[int, int]
    dtype: str

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return frames first .. last - 1, (n, slow, fast); modules are stacked along slow."""
        out = np.empty((last - first, *self.frame_shape), dtype=self.dtype)
        start = 0
        for part in self.parts:
            a, b = max(first, start), min(last, start + part.n_images)
            if a < b:
                shift = part.first - start
                self._read(part, a + shift, b + shift, out[a - first : b - first])
            start += part.n_images
        return out

    def manifest(self) -> ChunkManifest:
        """Return the chunk manifest of the frames.

        Raises
        ------
        FormatError
            Some can be read through HDF5 only, or the datasets do not fit together.
        """
        found = []
        for part in self.parts:
            with opened(part.file) as file:
                whole = frame_manifest(file[part.dataset], self.format)
            found.append(whole.part(part.first, part.first + part.n_images))
        return joined(found)

    def _read(self, part: Part, first: int, last: int, out: NDArray[Any]) -> None:
        """Fill out (last - first, slow, fast) with images of a dataset."""
        try:
            manifest = manifest_of(part.file, part.dataset, self.format)
            if manifest is not None and manifest.shape[1:] == self.frame_shape:
                with opened_files(manifest.files) as open_file:
                    read_frames(manifest, first, last, out, open_file)
                return
            with opened(part.file) as file:
                found = file[part.dataset]
                frames = found[()] if found.ndim == 2 else found[first:last]
        except (OSError, KeyError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise FormatError(
                f"{part.file}: images {first} to {last - 1} of {part.dataset} cannot be read "
                f"({error}); fetch the file again"
            ) from error
        out[...] = np.asarray(frames).reshape(out.shape)


def is_count(dtype: np.dtype[Any]) -> bool:
    """Return True if frames may have this dtype: kernels accept no float16 and no long double."""
    return dtype.kind in "iu" or (dtype.kind == "f" and dtype.itemsize in (4, 8))


def frames_of(entry: h5py.Group) -> tuple[Hdf5Reader, tuple[Path, ...]]:
    """Return the reader of the frames of an NXmx file and the files they are in.

    Raises
    ------
    FormatError
        No frames, a linked file that is missing, or datasets that do not fit together.
    """
    from dxdask.storage.importers.nxmx.choice import chosen_frames
    from dxdask.storage.importers.nxmx.run_frames import reader_of

    reader, pieces = reader_of(chosen_frames(entry.file))
    return reader, tuple(dict.fromkeys((Path(entry.file.filename), *pieces.files)))
