"""Frames that stay in the files they were recorded to: what a store holds of them.

The array ``runs/RUN/frames`` is a zarr v3 array as any other, of one shard; its chunks are
references (`places.REFERENCE`) of 20 bytes, each with a checksum, and its codec ``dxdask_link`` has
the list of files: by folder, as it was at the import and relative to the array, with name, size,
time of change and a digest of the first bytes. So archive and store may move, together or the store
alone; a file that shrank or changed is found out before anything of it is believed.
"""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from dxdask.errors import LinkedFileError, SchemaError
from dxdask.storage.codecs import PACKINGS
from dxdask.storage.frames.places import (
    MAX_CHUNK_BYTES,
    REFERENCE,
    WHOLE_FILE,
    digest_of,
    head_of,
    kind_of_head,
    open_regular,
)

KINDS = ("hdf5", "cbf", "smv")
VERSION = 1
_COMPRESSED = (b"\x1f\x8b", b"BZh")  # gzip and bzip2


class LinkedFile(NamedTuple):
    """A file as it was at the import; `folder` is a number in the list of folders."""

    folder: int
    name: str
    size: int
    changed: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """The files that the frames of a run lie in, and how their chunks are packed.

    Attributes
    ----------
    kind, packing, stored : as of `places.FramePlaces`.
    folders : (absolute, relative to the array's folder) of each.
    files : in the order of the numbers in references.
    """

    kind: str
    packing: str
    stored: str
    folders: tuple[tuple[str, str], ...]
    files: tuple[LinkedFile, ...]

    @classmethod
    def to(cls, paths: Sequence[str], kind: str, packing: str, stored: str, array: Path) -> Link:
        """Return the link of an array in the folder `array` to these files, as they are now.

        Raises
        ------
        LinkedFileError
            One cannot be read.
        """
        folders: dict[str, int] = {}
        files = []
        for path in paths:
            folder, name = os.path.split(os.path.abspath(path))
            number = folders.setdefault(folder, len(folders))
            fd = _opened(path)
            try:
                status, head = os.fstat(fd), head_of(fd)
            finally:
                os.close(fd)
            file = LinkedFile(number, name, status.st_size, status.st_mtime_ns, digest_of(head))
            files.append(file)
        both = tuple((f, os.path.relpath(f, array)) for f in folders)
        return cls(kind=kind, packing=packing, stored=stored, folders=both, files=tuple(files))

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds; times as text, as they are beyond what some readers take."""
        return {
            "version": VERSION,
            "kind": self.kind,
            "packing": self.packing,
            "stored": self.stored,
            "folders": [list(f) for f in self.folders],
            "files": [[f.folder, f.name, f.size, str(f.changed), f.digest] for f in self.files],
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Link:
        """Return the link that `to_dict` made this of.

        Raises
        ------
        SchemaError
            Something is missing, of another type, or not known.
        """
        try:
            link = cls(
                kind=found["kind"],
                packing=found["packing"],
                stored=np.dtype(str(found["stored"])).str,
                folders=tuple((str(a), str(b)) for a, b in found["folders"]),
                files=tuple(
                    LinkedFile(int(f), str(name), int(size), int(changed), str(digest))
                    for f, name, size, changed, digest in found["files"]
                ),
            )
            known = (
                found["version"] == VERSION
                and link.kind in KINDS
                and link.packing in (*PACKINGS, WHOLE_FILE)
                and np.dtype(link.stored).kind in "iuf"
                and all(0 <= f.folder < len(link.folders) and f.size >= 0 for f in link.files)
                and all(f.name == posixpath.basename(f.name) and f.name for f in link.files)
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SchemaError(
                f"the link to the frames is damaged ({error}); import again"
            ) from None
        if not known:
            raise SchemaError("the link to the frames is not one this dxdask reads; import again")
        return link

    def describe(self) -> str:
        """Return where the frames are: the file, or how many in which folder."""
        names = [str(Path(self.folders[f.folder][0]) / f.name) for f in self.files[:2]]
        if len(self.files) == 1:
            return names[0]
        return f"{len(self.files)} files in {os.path.commonpath([f for f, _ in self.folders])}"

    def open(self, number: int, array: Path | None) -> tuple[int, str]:
        """Return the descriptor and the path of a file that is as it was at the import.

        array : folder of the array, None where it is not known.

        Raises
        ------
        LinkedFileError
            It is not there, neither where it was nor beside the store, or it has changed.
        """
        file = self.files[number]
        first, beside = (os.path.join(folder, file.name) for folder in self.folders[file.folder])
        paths = [first]
        if array is not None:
            paths.append(os.path.normpath(os.path.join(array, beside)))
        faults = []
        for path in dict.fromkeys(paths):
            try:
                return self._open_as_it_was(path, file), path
            except LinkedFileError as error:
                faults.append(str(error))
        raise LinkedFileError(
            f"{'; '.join(faults)}. The frames are linked to this file: put it back as it was, keep "
            "store and files in the same places to each other, or import again with overwrite=true"
        )

    def _open_as_it_was(self, path: str, file: LinkedFile) -> int:
        fd = _opened(path)
        try:
            status = os.fstat(fd)
            if status.st_size != file.size:
                raise LinkedFileError(
                    f"{path} has {status.st_size} bytes, and had {file.size} at the import"
                )
            head = head_of(fd)
            if status.st_mtime_ns != file.changed or digest_of(head) != file.digest:
                raise LinkedFileError(f"{path} has changed since the import")
            packed = self.packing == WHOLE_FILE and head.startswith(_COMPRESSED)
            if not packed and kind_of_head(head) != self.kind:
                raise LinkedFileError(f"{path} is no {self.kind} file")
        except BaseException:
            os.close(fd)
            raise
        return fd


def _opened(path: str) -> int:
    try:
        return open_regular(path)
    except FileNotFoundError:
        raise LinkedFileError(f"{path} is not there") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no regular file"
        raise LinkedFileError(f"{path} cannot be opened ({reason})") from None


def pack_references(references: NDArray[np.void]) -> bytes:
    """Return the shard of references (chunks of images, of slow, of fast): with their index.

    Chunks that were never written (length 0) are left out, as in any shard.
    """
    flat = references.ravel()
    there = np.flatnonzero(flat["length"])
    size = REFERENCE.itemsize + 4
    index = np.full((flat.size, 2), 2**64 - 1, dtype="<u8")
    index[there, 0] = np.arange(len(there), dtype=np.uint64) * np.uint64(size)
    index[there, 1] = size
    chunks = [with_checksum(flat[i].tobytes()) for i in there]
    return b"".join([*chunks, with_checksum(index.tobytes())])


def unpack_references(
    data: bytes, grid: tuple[int, ...], link: Link, chunk_bytes: int
) -> NDArray[np.void]:
    """Return the references (grid) in a shard, each checked against the files of the link.

    Raises
    ------
    SchemaError
        The shard is damaged, or a reference points outside of the files.
    """
    n, size = math.prod(grid), REFERENCE.itemsize + 4
    n_index = 16 * n + 4
    if not n_index <= len(data) <= n_index + size * n:
        raise SchemaError(f"has {len(data)} bytes, which are not those of {n} references")
    index = np.frombuffer(without_checksum(data[-n_index:]), dtype="<u8").reshape(-1, 2)
    out = np.zeros(n, dtype=REFERENCE)
    there = np.flatnonzero((index != 2**64 - 1).any(axis=1))
    if bool(((index[there, 0] > len(data)) | (index[there, 1] != size)).any()):
        raise SchemaError("has an index that is damaged")
    for i, start in zip(there.tolist(), index[there, 0].tolist(), strict=True):
        out[i] = np.frombuffer(without_checksum(data[start : start + size]), dtype=REFERENCE)[0]
    _check_references(out[there], link, chunk_bytes)
    return out.reshape(grid)


def check_reference(reference: NDArray[np.void], link: Link, chunk_bytes: int) -> None:
    """Check one reference, see `unpack_references`."""
    _check_references(reference.reshape(1), link, chunk_bytes)


def _check_references(found: NDArray[np.void], link: Link, chunk_bytes: int) -> None:
    if not len(found):
        return
    if int(found["file"].max()) >= len(link.files):
        raise SchemaError(f"refers to file {found['file'].max()} of {len(link.files)}")
    sizes = np.array([f.size for f in link.files], dtype=np.uint64)[found["file"]]
    offsets, lengths = found["offset"], found["length"]
    if bool(((offsets > sizes) | (lengths > sizes - np.minimum(offsets, sizes))).any()):
        raise SchemaError("refers to bytes behind the end of a file")
    # Nothing that packs counts makes them much longer.
    most = MAX_CHUNK_BYTES if link.packing == WHOLE_FILE else 2 * chunk_bytes + 65536
    if int(lengths.max()) > most:
        raise SchemaError(f"refers to {lengths.max()} bytes for a chunk of {chunk_bytes}")


def with_checksum(data: bytes) -> bytes:
    """Return data with the checksum of zarr's ``crc32c`` codec."""
    return data + int(google_crc32c.value(data)).to_bytes(4, "little")


def without_checksum(data: bytes) -> bytes:
    """Return what `with_checksum` was given.

    Raises
    ------
    SchemaError
        The checksum is another.
    """
    body, found = data[:-4], data[-4:]
    if len(found) < 4 or google_crc32c.value(body) != int.from_bytes(found, "little"):
        raise SchemaError("has a wrong checksum")
    return body
