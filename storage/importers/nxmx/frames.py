"""Frames in HDF5 files: the datasets that hold them, and their reader."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  registers bitshuffle-LZ4 and the other filters with h5py
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import FormatError
from dxdask.storage.formats.chunk_manifest import ChunkManifest, joined
from dxdask.storage.formats.file_bytes import MAX_IMAGE_BYTES
from dxdask.storage.frames.chunk_reading import read_frames
from dxdask.storage.frames.source_files import opened_files
from dxdask.storage.importers.nxmx.axes import MOST_VALUES, refuse_raw_storage, text
from dxdask.storage.importers.nxmx.chunks import frame_manifest, manifest_of
from dxdask.storage.importers.nxmx.virtual import source_parts


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading, without a lock, because archives are read only.

    Raises
    ------
    FormatError
        Not HDF5, or truncated.
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
        yield file


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Frames of a dataset, from `first` on."""

    file: str
    dataset: str
    n_images: int
    first: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hdf5Reader:
    """Reads frames from one or more datasets (n, slow, fast) or (n, module, slow, fast).

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
                frames = file[part.dataset][first:last]
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
    """Return the reader of an entry's frames and the files they are in.

    Raises
    ------
    FormatError
        No frames, a linked file that is missing, or datasets that do not fit together.
    """
    datasets = _datasets(entry)
    shapes = {(d.shape[1:], d.dtype.str) for d in datasets}
    first = datasets[0]
    where = f"{first.file.filename}: {first.name}"
    if len(shapes) > 1:
        raise FormatError(f"{where}: the datasets of frames differ in shape or type: {shapes}")
    if first.ndim not in (3, 4) or 0 in first.shape or not is_count(first.dtype):
        raise FormatError(
            f"{where} is {first.dtype} {first.shape}; frames are numbers (image, slow, fast): "
            "integers, float32 or float64"
        )
    files: dict[Path, None] = {Path(entry.file.filename): None}
    parts = []
    for dataset in datasets:
        _check_written(dataset)
        whole = Part(file=dataset.file.filename, dataset=dataset.name, n_images=dataset.shape[0])
        parts += [Part(**source._asdict()) for source in source_parts(dataset)] or [whole]
        files[Path(dataset.file.filename)] = None
        files |= dict.fromkeys(_virtual_sources(dataset))
    n_images = sum(d.shape[0] for d in datasets)
    if first.dtype.itemsize * math.prod(first.shape[1:]) > MAX_IMAGE_BYTES or (
        n_images > MOST_VALUES
    ):
        raise FormatError(
            f"{where} announces {n_images} frames of {first.shape[1:]} {first.dtype}: no detector "
            "records that"
        )
    slow, fast = math.prod(first.shape[1:-1]), int(first.shape[-1])
    dtype = first.dtype.newbyteorder("=").str
    reader = Hdf5Reader(format="nxmx", parts=tuple(parts), frame_shape=(slow, fast), dtype=dtype)
    return reader, tuple(files)


def _datasets(entry: h5py.Group) -> list[h5py.Dataset]:
    groups = [g for g in entry.values() if _nx_class(g) == "NXdata"]
    groups += [entry["data"]] if not groups and isinstance(entry.get("data"), h5py.Group) else []
    for group in groups:
        numbered = sorted(n for n in group if re.fullmatch(r"data_\d+", n))
        names = numbered or [text(group.attrs.get("signal", "data"))]
        found = [_linked(group, n) for n in names if n in group]
        if found:
            return found
    raise FormatError(
        f"{entry.file.filename}: no frames in {entry.name} (NXdata with data or data_000001)"
    )


def _linked(group: h5py.Group, name: str) -> h5py.Dataset:
    link = group.get(name, getlink=True)
    try:
        found = group[name]
    except (KeyError, OSError) as error:
        target = f", a link to {link.filename}," if isinstance(link, h5py.ExternalLink) else ""
        raise FormatError(
            f"{group.file.filename}: {group.name}/{name}{target} cannot be opened; "
            "put the data files beside the master file"
        ) from error
    if not isinstance(found, h5py.Dataset):
        raise FormatError(f"{group.file.filename}: {group.name}/{name} is not a dataset")
    return found


def _virtual_sources(dataset: h5py.Dataset) -> list[Path]:
    """Return the files of a virtual dataset; HDF5 would fill in zeros for one that is missing."""
    if not dataset.is_virtual:
        return []
    folder = Path(dataset.file.filename).parent
    names = {s.file_name for s in dataset.virtual_sources() if s.file_name != "."}
    paths = [folder / n for n in sorted(names)]
    missing = [str(p) for p in paths if not p.exists()]
    if missing:
        raise FormatError(
            f"{dataset.file.filename}: {dataset.name} refers to files that are missing: "
            f"{', '.join(missing)}; put them beside it"
        )
    return paths


def _check_written(dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose frames were never written or are beyond the end of the file."""
    refuse_raw_storage(dataset)
    if dataset.is_virtual:
        return
    where = f"{dataset.file.filename}: {dataset.name}"
    stored = dataset.id.get_storage_size()
    if stored == 0:
        raise FormatError(f"{where} announces {dataset.shape[0]} frames, and none was written")
    size = os.path.getsize(dataset.file.filename)
    if stored > size:
        raise FormatError(f"{where} needs {stored} bytes in a file of {size}: it is truncated")


def _nx_class(item: Any) -> str:
    return text(item.attrs.get("NX_class", "")) if item is not None else ""
