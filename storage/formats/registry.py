"""Registry of raw file formats, filled by the entry points of installed packages."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from dxdask.errors import FormatError
from dxdask.storage.formats.file_bytes import HEAD_BYTES, read_bytes
from dxdask.storage.formats.format import Format

GROUP = "dxdask.formats"
_MOST_KEPT = 256

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the entry points by name; once for each process.

    Raises
    ------
    FormatError
        Two packages declare a format of the same name.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for point in metadata.entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise FormatError(
                f"the format {point.name!r} is declared by two packages, as {other.value} and as "
                f"{point.value}; uninstall one of them"
            )
    return found


def format_named(name: str) -> Format:
    """Return the format that is registered by this name.

    Raises
    ------
    FormatError
        There is none, or it cannot be loaded.
    """
    point = _entry_points().get(name)
    if point is None:
        raise FormatError(
            f"the format {name!r} is not installed ({', '.join(sorted(_entry_points()))} are); "
            "install the package that reads it"
        )
    return _loaded(point)


@lru_cache(maxsize=_MOST_KEPT)
def _loaded(point: metadata.EntryPoint) -> Format:
    try:
        made = point.load()()
    except Exception as error:
        raise FormatError(
            f"the format {point.name!r} ({point.value}) cannot be loaded "
            f"({type(error).__name__}: {error}); update or uninstall its package"
        ) from error
    if not isinstance(made, Format) or made.name != point.name:
        raise FormatError(
            f"the format {point.name!r} ({point.value}) is not a dxdask.storage.formats.Format "
            "of that name; update or uninstall its package"
        )
    return made


def formats() -> tuple[Format, ...]:
    """Return all formats by descending priority, then by name.

    A format that cannot be loaded is left out, with one warning in the log.
    """
    return _formats_and_faults()[0]


@lru_cache(maxsize=1)
def _formats_and_faults() -> tuple[tuple[Format, ...], tuple[str, ...]]:
    found, faults = [], []
    for point in _entry_points().values():
        try:
            found.append(_loaded(point))
        except FormatError as error:
            log.warning("%s", error)
            faults.append(str(error))
    return tuple(sorted(found, key=lambda f: (-f.priority, f.name))), tuple(faults)


def format_of(path: Path) -> Format:
    """Return the format of a file: of those that claim it, the one of highest priority.

    Raises
    ------
    FormatError
        No format claims it, or it is damaged.
    """
    head = read_bytes(path, HEAD_BYTES)
    known, faults = _formats_and_faults()
    for one in known:
        if one.claims(path, head):
            return one
    listed = "; ".join([*(f"{one.name}: {one.description}" for one in known), *faults])
    raise FormatError(
        f"{path} is of no known format; those known, also compressed as .gz or .bz2, are: {listed}"
    )


def known_suffixes() -> tuple[str, ...]:
    """Return the suffixes of file names of all formats, each once."""
    return tuple(dict.fromkeys(suffix for one in formats() for suffix in one.suffixes))
