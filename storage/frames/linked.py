"""Links of a store to frames that stay in the files they were recorded to.

The array ``runs/RUN/frames`` is a zarr v3 array of one shard. Its chunks are references
(`chunk_manifest.REFERENCE`) of 20 bytes, each with a checksum. Its codec ``dxdask_link`` lists the
files by folder (absolute at the import, and relative to the array), with name, size, time of change
and a digest of the first bytes. Archive and store may therefore move together, or the store alone;
a file that shrank or changed is detected before any of its bytes are used.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dxdask.errors import FormatError, LinkedFileError, SchemaError
from dxdask.storage.codecs import COMPRESSIONS
from dxdask.storage.formats.chunk_manifest import WHOLE_FILE, ChunkManifest
from dxdask.storage.formats.registry import format_named
from dxdask.storage.frames.source_files import digest_of, head_of, open_regular

MAX_CHUNK_BYTES = 1 << 30
VERSION = 2
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
    """The files that hold the frames of a run, and the encoding of their chunks.

    Attributes
    ----------
    format, compression, stored : as of `ChunkManifest`.
    folders : (absolute, relative to the array's folder) of each.
    files : in the order of the numbers in references.
    """

    format: str
    compression: str
    stored: str
    folders: tuple[tuple[str, str], ...]
    files: tuple[LinkedFile, ...]

    @classmethod
    def to(cls, manifest: ChunkManifest, array: Path) -> Link:
        """Return the link of an array in the folder `array` to the files of a manifest as they are.

        Raises
        ------
        LinkedFileError
            A file cannot be read.
        """
        folders: dict[str, int] = {}
        files = []
        for path in manifest.files:
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
        return cls(
            format=manifest.format,
            compression=manifest.compression,
            stored=manifest.stored,
            folders=both,
            files=tuple(files),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the link as JSON; times as text, because some readers round large integers."""
        return {
            "version": VERSION,
            "format": self.format,
            "compression": self.compression,
            "stored": self.stored,
            "folders": [list(f) for f in self.folders],
            "files": [[f.folder, f.name, f.size, str(f.changed), f.digest] for f in self.files],
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Link:
        """Return the link that `to_dict` wrote.

        Raises
        ------
        SchemaError
            Something is missing, of another type, or not known.
        """
        if found.get("version") != VERSION:
            raise SchemaError(
                "the frames were linked by another version of dxdask; import them again"
            )
        try:
            link = cls(
                format=str(found["format"]),
                compression=str(found["compression"]),
                stored=np.dtype(str(found["stored"])).str,
                folders=tuple((str(a), str(b)) for a, b in found["folders"]),
                files=tuple(
                    LinkedFile(int(f), str(name), int(size), int(changed), str(digest))
                    for f, name, size, changed, digest in found["files"]
                ),
            )
            valid = (
                link.compression in (*COMPRESSIONS, WHOLE_FILE)
                and np.dtype(link.stored).kind in "iuf"
                and all(0 <= f.folder < len(link.folders) and f.size >= 0 for f in link.files)
                and all(f.name == posixpath.basename(f.name) and f.name for f in link.files)
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise SchemaError(
                f"the link to the frames is damaged ({error}); import again"
            ) from None
        if not valid:
            raise SchemaError("the link to the frames is damaged; import again")
        try:
            format_named(link.format)
        except FormatError as error:
            raise SchemaError(f"the linked frames cannot be read: {error}") from None
        return link

    def describe(self) -> str:
        """Return a description of the files: the file, or their number and folder."""
        names = [str(Path(self.folders[f.folder][0]) / f.name) for f in self.files[:2]]
        if len(self.files) == 1:
            return names[0]
        return f"{len(self.files)} files in {os.path.commonpath([f for f, _ in self.folders])}"

    def open(self, number: int, array: Path | None) -> tuple[int, str]:
        """Return descriptor and path of a file, unchanged since the import.

        array : folder of the array, None if not known.

        Raises
        ------
        LinkedFileError
            It is neither at its place at the import nor beside the store, or it has changed.
        """
        file = self.files[number]
        first, beside = (os.path.join(folder, file.name) for folder in self.folders[file.folder])
        paths = [first]
        if array is not None:
            paths.append(os.path.normpath(os.path.join(array, beside)))
        faults = []
        for path in dict.fromkeys(paths):
            try:
                return self._open_unchanged(path, file), path
            except LinkedFileError as error:
                faults.append(str(error))
        raise LinkedFileError(
            f"{'; '.join(faults)}. The frames are linked to this file: put it back as it was, keep "
            "store and files in the same places to each other, or import again with overwrite=true"
        )

    def _open_unchanged(self, path: str, file: LinkedFile) -> int:
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
            compressed = self.compression == WHOLE_FILE and head.startswith(_COMPRESSED)
            if not compressed and not format_named(self.format).has_signature(head):
                raise LinkedFileError(f"{path} is not a file of the format {self.format}")
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
        reason = getattr(error, "strerror", None) or "it is not a regular file"
        raise LinkedFileError(f"{path} cannot be opened ({reason})") from None
