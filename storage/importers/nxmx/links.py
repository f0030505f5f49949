"""Files that an HDF5 file takes datasets from."""

from __future__ import annotations

from pathlib import Path

import h5py

from dxdask.storage.importers.nxmx.frames import opened

_DEEPEST = 6
_MOST = 100_000


def linked_files(path: Path) -> set[Path]:
    """Return the files that external links and virtual datasets of a file name, absolute.

    Raises
    ------
    FormatError
        Not HDF5, or damaged.
    """
    found: set[Path] = set()
    with opened(path) as file:
        pending: list[tuple[h5py.Group, int]] = [(file, 0)]
        n_seen = 0
        while pending and n_seen < _MOST:
            group, depth = pending.pop()
            for name in group:
                n_seen += 1
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.ExternalLink):
                    found.add((path.parent / link.filename).absolute())
                    continue
                if not isinstance(link, h5py.HardLink):
                    continue
                item = group[name]
                if isinstance(item, h5py.Group) and depth < _DEEPEST:
                    pending.append((item, depth + 1))
                elif isinstance(item, h5py.Dataset) and item.is_virtual:
                    names = {s.file_name for s in item.virtual_sources()} - {"."}
                    found |= {(path.parent / n).absolute() for n in names}
    return found - {path.absolute()}
